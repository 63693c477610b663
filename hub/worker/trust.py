"""Says on `hub.trust` which keys this hub signs with, before it signs with them.

Of several workers, each of which has the keys and the note in its own files, one says a new note: who has the keeper's
lease. Whoever has not waits until the note stands on the topic; only where that takes long, because the files of who
has the lease are older, does it say the note itself. Nobody says an older note over a newer one.

What is true when the process dies behind each step of a rotation:
  new key's file made         nothing: no trust note names it
  trust note replaced         connectors know nothing of it, and nothing was signed by the new key
  trust note published        connectors read it; the old key still signs, and its signatures stay good
  keys taken over             receipts are signed by the new key, which every connector can look up
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from hub.base import files
from hub.base.clients import closing
from hub.base.reason import reason_of
from hub.hq.identity import TRUST_FILE, Identity, load_identity
from hub.kafka.cluster import Cluster, Unreachable
from hub.kafka.ends import topic_ends
from hub.protocol.errors import Malformed, Retriable, UsageError
from hub.protocol.topics import TRUST
from hub.protocol.trust import Trust, open_trust
from hub.worker.displaced import read_on

LOOK_EVERY_S: Final = 1.0
LOG_KEYS: Final = 2  # of a log whose keys were never rotated: one of each kind
DEADLINE_S: Final = 20.0
PATIENCE_S: Final = 15.0  # that another worker says a note that we have

log = structlog.get_logger(__name__)


class TrustPublisher:
    """Keeps the trust note published, and an identity up to what was published.

    Shapes: `leads` tells whether it is ours to say a note; None where there is no other worker.
    """

    def __init__(
        self,
        cluster: Cluster,
        identity: Identity,
        leads: Callable[[], Awaitable[bool]] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._cluster = cluster
        self._identity = identity
        self._leads = leads
        self._patience_s = patience_s
        self._waits_since: tuple[bytes, float] | None = None  # which note, and since when, for somebody else to say it
        self._seen: tuple[int, int] | None = None  # of the trust file, when its note was published
        self._told = ""

    async def publish(self, identity: Identity) -> None:
        """Return once the broker has the note, which is the topic's only record. Errors: Retriable."""
        if not identity.note:
            return
        try:
            async with (
                closing(await self._cluster.producer("cohub-trust")) as producer,
                asyncio.timeout(DEADLINE_S),
            ):
                await producer.send_and_wait(TRUST, identity.note, key=identity.hub.encode(), partition=0)
        except (Unreachable, KafkaError, TimeoutError, OSError) as exc:
            raise Retriable(f"the trust note can't be published ({reason_of(exc)})") from exc

    async def first(self) -> None:
        """Publish what the worker starts with, if its keys were rotated: nothing may be signed before.

        Without a former key every center has these keys from enrolment, and the worker need not wait: `run` publishes.
        Errors: Retriable.
        """
        trust = self._identity.trust
        if trust is not None and not trust.serial:
            log.warning("log_keys_unsigned", remedy="hub key renew --request FILE: no center can check HQ's log yet")
        if trust is not None and (len(trust.receipts) > 1 or len(trust.logs) > LOG_KEYS):
            seen = self._look()
            if await self._newest() < trust.serial:
                await self.publish(self._identity)
            self._seen = seen

    async def run(self) -> None:
        """See every second whether the trust note is another than the published one; never returns."""
        while True:
            seen = self._look()
            if seen != self._seen:
                try:
                    if await self._take_over():
                        self._seen, self._told = seen, ""
                except (Retriable, UsageError) as exc:
                    # The keys that we have still sign, and every connector knows them: there is time.
                    if str(exc) != self._told:
                        log.warning("keys_not_taken_over", error=str(exc))
                    self._told = str(exc)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _take_over(self) -> bool:
        """Take over what our files say once it stands on the topic; return whether that is done."""
        folder = self._identity.folder
        assert folder is not None
        fresh = load_identity(folder)
        serial = fresh.trust.serial if fresh.trust is not None else 0
        if await self._newest() < serial:
            if not await self._is_ours_to_say(fresh.note):
                return False
            await self.publish(fresh)
        if fresh != self._identity:
            self._identity.renew(fresh)
            log.info("keys_taken_over", serial=serial, receipts=fresh.receipts.verifier.key_id.hex())
        return True

    async def _is_ours_to_say(self, note: bytes) -> bool:
        if self._leads is None or await self._leads():
            return True
        now_s = asyncio.get_running_loop().time()
        if self._waits_since is None or self._waits_since[0] != note:
            self._waits_since = note, now_s
        return now_s - self._waits_since[1] >= self._patience_s

    async def _newest(self) -> int:
        """Return the serial of this hub's newest note on the topic, -1 where there is none. Errors: Retriable."""
        trust, found = self._identity.trust, -1
        try:
            begin, end = (await topic_ends(self._cluster, [TRUST], DEADLINE_S)).get(TRUST, (0, 0))
            if trust is None or begin >= end:
                return found
            async with closing(await self._cluster.consumer("cohub-trust")) as consumer:
                consumer.assign([TopicPartition(TRUST, 0)])
                while begin < end:
                    records, behind = await read_on(consumer, TRUST, begin, end)
                    found = max([found, *(_serial(record.value, trust) for record in records)])
                    if behind <= begin:
                        break
                    begin = behind
        except (Unreachable, KafkaError, TimeoutError, OSError, Retriable) as exc:
            why = f"what stands on {TRUST} can't be read: {reason_of(exc)}"
            raise Retriable(f"the trust note can't be published ({why})") from exc
        return found

    def _look(self) -> tuple[int, int]:
        """Return what changes when the note is replaced."""
        assert self._identity.folder is not None
        try:
            found = files.look(self._identity.folder / TRUST_FILE)
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino


def _serial(value: bytes | None, trust: Trust) -> int:
    """Return the serial of a note of this hub's root; -1 for anything else."""
    try:
        said = open_trust(bytes(value or b""), trust.root)
    except Malformed:
        return -1
    return said.serial if said.hub == trust.hub else -1
