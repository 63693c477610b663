"""Sessions of this process: the nonces that begin them, and which numbers of each were taken.

All of it is in memory: after a start the offices begin new ones. A nonce needs no place before it is used: it says when
it was made and for whom, and only this process could have made it. So nobody can fill the memory by asking for nonces.

    nonce = <time in ms, 8 bytes> ‖ <8 random bytes> ‖ <16 bytes of HMAC-SHA-256(secret, these ‖ center ‖ address)>
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from hub.protocol.errors import Malformed
from hub.protocol.http_signature import MessageSignature, Request
from hub.protocol.keys import Verifier
from hub.protocol.moment import write_time
from hub.protocol.problem import Problem, ProblemCode
from hub.protocol.session import (
    CLOCK_OFF_MAX,
    NONCE_BYTES,
    NONCE_S,
    SESSION_S,
    NumberRepeated,
    Numbers,
    SessionNote,
    read_request,
)

USED_MAX: Final = 65_536  # used nonces that are remembered; with more in a minute, notes are refused for a while
SESSIONS_A_CENTER: Final = 8  # an office has one or two; the oldest ends for one more
_MAC_AT: Final = 16


@dataclass(frozen=True, slots=True)
class Session:
    """One session. `seal` is the key that began it: when it is revoked, the session ends."""

    name: str
    center: str
    address: str
    key: Verifier
    seal: Verifier
    until: datetime
    numbers: Numbers = field(default_factory=Numbers)


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that says which session it is of; its signature is not yet looked at."""

    request: Request
    signed: MessageSignature
    number: int
    session: Session


class Sessions:
    """The sessions of this process. `clock` tells HQ's time; `random` returns so many unguessable bytes."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Callable[[int], bytes] = secrets.token_bytes,
        used_max: int = USED_MAX,
    ) -> None:
        self._clock = clock
        self._random = random
        self._used_max = used_max
        self._secret = random(32)
        self._used: OrderedDict[bytes, datetime] = OrderedDict()
        self._sessions: dict[str, Session] = {}
        self._of_center: dict[str, OrderedDict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def now(self) -> datetime:
        """Return HQ's time."""
        return self._clock()

    def nonce(self, center: str, address: str) -> bytes:
        """Return a nonce for one note of this center, which names this address."""
        head = (int(self._clock().timestamp() * 1000)).to_bytes(8) + self._random(8)
        return head + self._mac(head, center, address)

    def check_nonce(self, said: SessionNote) -> None:
        """Use up the nonce of a note, before anything else of it is looked at. Errors: Problem of NONCE, TOO_MUCH."""
        now, nonce = self._clock(), said.nonce
        head = nonce[:_MAC_AT]
        made = int.from_bytes(head[:8]) / 1000
        mac = self._mac(head, said.center, said.address)
        if len(nonce) != NONCE_BYTES or not hmac.compare_digest(nonce[_MAC_AT:], mac):
            raise Problem(ProblemCode.NONCE, "the nonce was not given out here for this center and address")
        if not 0 <= now.timestamp() - made <= NONCE_S:
            raise Problem(ProblemCode.NONCE, f"the nonce is older than {NONCE_S} s")
        if nonce in self._used:
            raise Problem(ProblemCode.NONCE, "the nonce was used already")
        before = now - timedelta(seconds=NONCE_S)
        while self._used and next(iter(self._used.values())) < before:
            self._used.popitem(last=False)
        if len(self._used) >= self._used_max:
            raise Problem(ProblemCode.TOO_MUCH, "too many sessions are begun", retry_after_s=NONCE_S)
        self._used[nonce] = now

    def check_clock(self, at: datetime | float) -> None:
        """See that a moment of the office's clock is near HQ's. Errors: Problem of CLOCK, with HQ's time."""
        now = self._clock()
        off_s = now.timestamp() - (at if isinstance(at, float) else at.timestamp())
        if abs(off_s) > CLOCK_OFF_MAX.total_seconds():
            raise Problem(
                ProblemCode.CLOCK,
                f"the office's clock and HQ's differ by {abs(off_s):.0f} s, or what it sent was held back so long",
                time=write_time(now),
            )

    def begin(self, said: SessionNote, seal: Verifier) -> Session:
        """Return a session that a verified note has begun; the oldest of too many of one center's ends."""
        self._drop_old()
        name = base64.urlsafe_b64encode(self._random(18)).decode()
        until = self._clock() + timedelta(seconds=SESSION_S)
        session = Session(name, said.center, said.address, said.verifier, seal, until)
        own = self._of_center.setdefault(said.center, OrderedDict())
        while len(own) >= SESSIONS_A_CENTER:
            self.end(next(iter(own)))
        own = self._of_center.setdefault(said.center, OrderedDict())
        own[name] = None
        self._sessions[name] = session
        return session

    def find(self, name: str) -> Session:
        """Return a session that has not ended. Errors: Problem of SESSION_UNKNOWN."""
        session = self._sessions.get(name)
        if session is None or session.until <= self._clock():
            raise Problem(ProblemCode.SESSION_UNKNOWN, "the session has ended, or HQ was started again meanwhile")
        return session

    def claim(self, request: Request) -> Claim:
        """Return whose request it is by its own word. Errors: Problem of BAD_SIGNATURE or SESSION_UNKNOWN."""
        try:
            signed, number = read_request(request)
        except Malformed as exc:
            raise Problem(ProblemCode.BAD_SIGNATURE, str(exc)) from exc
        return Claim(request, signed, number, self.find(signed.keyid))

    def take(self, claim: Claim) -> Session:
        """Return the session of a request that its key has signed, and whose number is new; the body is not yet read.

        Shapes: the request's own address counts for nothing: it is to be signed for the one that the session's note
                names. Errors: Problem of BAD_SIGNATURE, SESSION_UNKNOWN, CLOCK or NUMBER_REPEATED.
        """
        signed, number, session = claim.signed, claim.number, self.find(claim.session.name)
        try:
            signed.verify(replace(claim.request, address=session.address), session.key)
        except Malformed as exc:
            raise Problem(ProblemCode.BAD_SIGNATURE, str(exc)) from exc
        self.check_clock(float(signed.created))
        if 0 <= signed.expires < self._clock().timestamp():
            raise Problem(ProblemCode.BAD_SIGNATURE, "signature: it has expired by its own word")
        try:
            numbers = session.numbers.after(number)
        except NumberRepeated as exc:
            raise Problem(ProblemCode.NUMBER_REPEATED, str(exc)) from exc
        session = replace(session, numbers=numbers)
        self._sessions[session.name] = session
        return session

    def end(self, name: str) -> None:
        """End a session, if there is one of this name."""
        session = self._sessions.pop(name, None)
        if session is None:
            return
        own = self._of_center[session.center]
        own.pop(name, None)
        if not own:
            self._of_center.pop(session.center)

    def _drop_old(self) -> None:
        now = self._clock()
        for name in [session.name for session in self._sessions.values() if session.until <= now]:
            self.end(name)

    def _mac(self, head: bytes, center: str, address: str) -> bytes:
        return hmac.digest(self._secret, head + f"{center}\n{address}".encode(), "sha256")[:_MAC_AT]
