"""The session of one connector with HQ over HTTPS: begun with the seal key, renewed in time, every request signed.

The session's key is made here, lives in memory and is never sent: who sees all traffic can neither send a request again
nor one of its own. What is asked again after a lost answer is signed anew, under another number: HQ takes it for what
it is, a second request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import orjson
import structlog
from aiokafka.errors import KafkaError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.runtime.https.answers import read_given, read_got, read_refusal
from connectors.runtime.https.faults import Failed, HttpsHungUp, HttpsRefused, refused
from connectors.runtime.https.wire import ANSWER_BYTES_MAX, Answer, Wire
from hub.protocol.control import seal_key_name
from hub.protocol.http_signature import Request
from hub.protocol.note import Signer
from hub.protocol.session import SessionNote, begin_session, signed_fields
from schemas.words.said import said

RENEW_AT: Final = 0.9  # of a session's time
TRIES: Final = 3  # of one request: a connection that had gone to sleep, and a session that HQ has forgotten
FAILURE: Final = 300  # what is no success; redirects are none, HQ has no other place
UNAUTHORIZED: Final = 401
LASTS_MAX_S: Final = 86_400.0
RETRY_S: Final = 1.0
JSON: Final = "application/json"
NOTE: Final = "text/plain; charset=utf-8"

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Begun:
    """A session. Units: until_s is of the steady clock."""

    id: str
    key: Signer
    until_s: float
    hq_time: HqTime
    number: int = 0


@dataclass(frozen=True, slots=True)
class HqTime:
    """HQ's clock, as HQ told it at a moment of our steady one: ours may be wrong, and may be set meanwhile."""

    told: datetime
    at_s: float

    def now(self, steady_s: float) -> datetime:
        """Return what time HQ has, about."""
        return self.told + timedelta(seconds=steady_s - self.at_s)


class Session:
    """Asks HQ as one center.

    Shapes: `wall` tells the time, `steady_s` never goes back, `random` makes so many bytes that nobody can guess.
    """

    def __init__(
        self,
        wire: Wire,
        hub: str,
        center: str,
        seal: Callable[[], Signer],
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady_s: Callable[[], float] = time.monotonic,
        new_seed: Callable[[], bytes] = lambda: Ed25519PrivateKey.generate().private_bytes_raw(),
    ) -> None:
        self.wire = wire
        self.center = center
        self._hub = hub
        self._seal = seal
        self._wall = wall
        self._steady_s = steady_s
        self._new_seed = new_seed
        self._turn = asyncio.Lock()  # guards `_begun` while a session is begun
        self._begun: _Begun | None = None

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        kind: str = "",
        wait_s: float = 0.0,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        """Return HQ's answer to a signed request, of a status of success.

        Whatever is asked here may be asked twice: reading changes nothing, and HQ takes a lane's records again as what
        they are. `kind` is the body's media type.
        Errors: HttpsAway, HttpsBusy, HttpsRefused, HttpsHidden, HttpsTooLarge.
        """
        for tries_left in reversed(range(TRIES)):
            begun = await self._current()
            try:
                answer = await self.wire.ask(
                    method, target, self._signed(begun, method, target, body, kind), body, wait_s, bytes_max
                )
            except HttpsHungUp:
                if not tries_left:
                    raise
                continue
            if answer.status < FAILURE:
                return answer
            if answer.status == UNAUTHORIZED and tries_left:
                self._forget(begun)  # HQ has started again, or this computer has slept: another session is begun
                continue
            raise self._refused(answer)
        raise AssertionError("the last try returns or raises")

    def _signed(self, begun: _Begun, method: str, target: str, body: bytes, kind: str) -> Mapping[str, str]:
        begun.number += 1
        fields = {"accept": JSON, **({"content-type": kind} if kind else {})}
        return signed_fields(
            Request(method, self.wire.address, target, fields),
            body,
            session=begun.id,
            key=begun.key,
            number=begun.number,
            created=int(begun.hq_time.now(self._steady_s()).timestamp()),
        )

    async def begin(self) -> None:
        """See that there is a session. Errors: as for `ask`."""
        await self._current()

    async def _current(self) -> _Begun:
        async with self._turn:
            if self._begun is None or self._steady_s() >= self._begun.until_s:
                self._begun = None
                self._begun = await self._begin()
            return self._begun

    def _forget(self, begun: _Begun) -> None:
        if self._begun is begun:
            self._begun = None

    async def _begin(self) -> _Begun:
        try:
            return await self._begin_once()
        except HttpsHungUp:  # a connection that had gone to sleep; a nonce that may be used up is not used again
            return await self._begin_once()

    async def _begin_once(self) -> _Begun:
        asked = orjson.dumps({"center": self.center})
        given = self.wire.read(read_given, await self._plain("/v1/session/nonce", asked, JSON))
        begun_s = self._steady_s()
        if given.hub != self._hub:
            raise HttpsRefused(said("way.other_hub", address=self.wire.address, found=given.hub, expected=self._hub))
        key = Signer(f"{seal_key_name(self._hub, self.center)}/session", self._new_seed())
        public = key.verifier.public
        note = SessionNote(self._hub, self.center, self.wire.address, given.nonce, public, self._wall())
        got = self.wire.read(read_got, await self._plain("/v1/session", begin_session(note, self._seal()), NOTE))
        lasts_s = min(max(0.0, (got.until - given.time).total_seconds()), LASTS_MAX_S)
        log.debug("https_session_begun", address=self.wire.address, proxy=self.wire.proxy, lasts_s=round(lasts_s))
        return _Begun(got.id, key, begun_s + lasts_s * RENEW_AT, HqTime(given.time, begun_s))

    async def _plain(self, target: str, body: bytes, kind: str) -> Answer:
        answer = await self.wire.ask("POST", target, {"accept": JSON, "content-type": kind}, body)
        if answer.status < FAILURE:
            return answer
        raise self._refused(answer)

    def _refused(self, answer: Answer) -> KafkaError:
        refusal = read_refusal(answer.kind, answer.body)
        return refused(Failed(refusal, answer.status, self.wire.address, retry_after_s(answer), self._wall()))


def retry_after_s(answer: Answer) -> float:
    """Return for how long HQ wants to be left alone; a short while where it does not say."""
    text = answer.fields.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else RETRY_S
