"""Says on `hub.trust` which keys this hub signs with, before it signs with them.

What is true when the process dies behind each step of a rotation:
  new key's file made         nothing: no trust note names it
  trust note replaced         connectors know nothing of it, and nothing was signed by the new key
  trust note published        connectors read it; the old key still signs, and its signatures stay good
  keys taken over             receipts are signed by the new key, which every connector can look up
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from hub.base import files
from hub.base.clients import closing
from hub.base.reason import reason_of
from hub.hq.identity import TRUST_FILE, Identity, load_identity
from hub.kafka.cluster import Cluster, Unreachable
from hub.protocol.errors import Retriable, UsageError
from hub.protocol.topics import TRUST

LOOK_EVERY_S: Final = 1.0
LOG_KEYS: Final = 2  # of a log whose keys were never rotated: one of each kind
DEADLINE_S: Final = 20.0

log = structlog.get_logger(__name__)


class TrustPublisher:
    """Keeps the trust note published, and an identity up to what was published."""

    def __init__(self, cluster: Cluster, identity: Identity) -> None:
        self._cluster = cluster
        self._identity = identity
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
            await self.publish(self._identity)
            self._seen = seen

    async def run(self) -> None:
        """See every second whether the trust note is another than the published one; never returns."""
        while True:
            seen = self._look()
            if seen != self._seen:
                try:
                    await self._take_over()
                    self._seen, self._told = seen, ""
                except (Retriable, UsageError) as exc:
                    # The keys that we have still sign, and every connector knows them: there is time.
                    if str(exc) != self._told:
                        log.warning("keys_not_taken_over", error=str(exc))
                    self._told = str(exc)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _take_over(self) -> None:
        folder = self._identity.folder
        assert folder is not None
        fresh = load_identity(folder)
        await self.publish(fresh)
        if fresh == self._identity:
            return
        self._identity.renew(fresh)
        serial = fresh.trust.serial if fresh.trust is not None else 0
        log.info("keys_taken_over", serial=serial, receipts=fresh.receipts.verifier.key_id.hex())

    def _look(self) -> tuple[int, int]:
        """Return what changes when the note is replaced."""
        assert self._identity.folder is not None
        try:
            found = files.look(self._identity.folder / TRUST_FILE)
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino
