"""Where a hub is on this machine: what its data directory holds, and how a command opens it.

keys/            who this hub is (hub.name, its private keys) and trust.note, which centers pin
hub.sqlite3      ledger, entities, receipts, positions
broker/          the embedded broker's data, where `hub up` runs one
hub.yaml         its settings, where it has any of its own (hub.hq.settings)
worker.json      what the last worker that got ready was told: its broker's address, and never a secret
worker.log       what the worker of `hub up` printed

What opens a database is imported where it is needed: `hub --help` needs none of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hub.protocol.errors import Rejected, Retriable, UsageError
from schemas.words import verdict_text

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from hub.hq.headquarters import Headquarters, Said
    from hub.hq.settings import HubSettings
    from hub.kafka.cluster import Cluster
    from hub.store.sqlite import SqliteStore

SAY_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class HubFolder:
    """A hub's data directory."""

    data_dir: Path

    @property
    def keys(self) -> Path:
        """Where its keys are."""
        return self.data_dir / "keys"

    @property
    def database(self) -> Path:
        """Where its database is."""
        return self.data_dir / "hub.sqlite3"

    @property
    def broker(self) -> Path:
        """Where the embedded broker keeps its data."""
        return self.data_dir / "broker"

    @property
    def worker_log(self) -> Path:
        """What the worker of `hub up` prints."""
        return self.data_dir / "worker.log"

    @property
    def worker_file(self) -> Path:
        """What the last worker that got ready was told."""
        return self.data_dir / "worker.json"

    def cluster(self, settings: HubSettings, bootstrap: str | None = None) -> Cluster | None:
        """Return the cluster at the addresses given, or else at those of the settings; None where there are none.

        Errors: UsageError for what is no address.
        """
        from hub.kafka.cluster import Cluster

        addresses = bootstrap or ",".join(settings.bootstrap)
        return Cluster.at(addresses, settings.security) if addresses else None

    def known_cluster(self, settings: HubSettings, bootstrap: str | None = None) -> Cluster | None:
        """Return the same, or else the cluster that the last worker read from; None where none ever did."""
        return self.cluster(settings, bootstrap or ",".join(settings.bootstrap) or self._last_bootstrap())

    def _last_bootstrap(self) -> str | None:
        try:
            return str(json.loads(self.worker_file.read_text("utf-8"))["bootstrap"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def engine(self) -> Engine:
        """Return an engine for reads. Errors: UsageError where there is no database, or one of another release."""
        from hub.store.migrate import check_current
        from hub.store.sqlite_open import open_engine

        if not self.database.exists():
            raise UsageError(
                f"{self.database}: there is no hub here yet: run `hub up` or `hub init`, or name another --data-dir"
            )
        engine = open_engine(self.database)
        check_current(engine)
        return engine

    @asynccontextmanager
    async def headquarters(self) -> AsyncIterator[tuple[SqliteStore, Headquarters]]:
        """Yield the store and the writer of the hq lane. Errors: UsageError when there are no keys here."""
        from hub.hq.headquarters import Headquarters
        from hub.hq.identity import load_identity
        from hub.store.released import released_schemas
        from hub.store.sqlite import SqliteStore

        identity = load_identity(self.keys)
        store = SqliteStore.open(self.database)
        try:
            headquarters = Headquarters(store, identity, released_schemas())
            await again(headquarters.prepare)
            yield store, headquarters
        finally:
            await store.close()


async def again(work: Any, tries: int = SAY_TRIES) -> Any:
    """Return what `work()` gives; what another process writes to just now is asked again."""
    for attempt in range(tries):
        try:
            return await work()
        except Retriable:
            if attempt == tries - 1:
                raise
            await asyncio.sleep(0.1)
    raise AssertionError


async def say(headquarters: Headquarters, events: Sequence[Said]) -> None:
    """Append events to the hq lane. Errors: UsageError with the rule that forbids one of them."""
    await again(lambda: say_once(headquarters, events))


async def say_once(headquarters: Headquarters, events: Sequence[Said], expected_basis: int | None = None) -> None:
    """Do the same, but leave trying again to the caller. Errors: UsageError, Retriable."""
    try:
        await headquarters.say(events, expected_basis=expected_basis)
    except Rejected as exc:
        place = f" ({' '.join(part for part in (exc.field, exc.params) if part)})" if exc.field or exc.params else ""
        raise UsageError(
            f"HQ's own rules refuse this: {verdict_text(exc.code, 'en')}{place}; nothing was written"
        ) from exc
