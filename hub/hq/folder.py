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

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hub.base import files
from hub.base.durable import disk_errors
from hub.protocol.errors import Conflict

if TYPE_CHECKING:
    from hub.domain.hq_lane import HqLane
    from hub.hq.headquarters import Headquarters
    from hub.hq.identity import Identity
    from hub.hq.settings import HubSettings
    from hub.kafka.cluster import Cluster
    from hub.store.log import LogReader
    from hub.store.read.reads import Reads, Snapshot
    from hub.store.sqlite import SqliteStore
    from hub.store.store import HqRows, Store

DEFAULT_HUB: Final = "hub.example"


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
            return str(json.loads(files.read_text(self.worker_file))["bootstrap"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def reads(self) -> Reads:
        """Open the database for people, for whoever stays. Errors: NotFound; UsageError for one of another release."""
        from hub.store.read.reads import Reads

        return Reads.open(self.database, self._hq_lane)

    def _hq_lane(self, page: Callable[[int], HqRows]) -> HqLane:
        """Return the hq lane of these rows, verified by the keys here. Errors: Fatal; NotFound without keys."""
        from hub.hq.identity import read_hq_keys
        from hub.hq.lane import read_lane
        from hub.store.released import released_schemas

        return read_lane(page, read_hq_keys(self.keys), released_schemas())

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Yield what people read, as it is at this moment. Errors: those of `reads` and of `Reads.snapshot`."""
        with closing(self.reads()) as reads, reads.snapshot() as now:
            yield now

    @contextmanager
    def log(self) -> Iterator[LogReader]:
        """Yield a reader of HQ's log. Errors: those of `reads` and of `Reads.log`."""
        with closing(self.reads()) as reads, reads.log() as log:
            yield log

    @asynccontextmanager
    async def store(self) -> AsyncIterator[SqliteStore]:
        """Yield the store of a hub that is there. Errors: those of `reads`."""
        from hub.store.sqlite import SqliteStore

        self.reads().close()
        store = SqliteStore.open(self.database)
        try:
            yield store
        finally:
            await store.close()

    def ensure_identity(self, hub: str | None) -> Identity | None:
        """Make the hub's name and keys where there are none; return what was made, None where they were there.

        Errors: Conflict, if they are there under another name than `hub`.
        """
        from hub.hq.identity import load_identity, make_identity

        self._close_to_others()
        if not (self.keys / "hub.name").exists():
            return make_identity(self.keys, hub or DEFAULT_HUB)
        there = load_identity(self.keys).hub
        if hub is not None and hub != there:
            raise Conflict(f"{self.data_dir} is the hub {there}, expected {hub}; a hub's name is never changed")
        return None

    def _close_to_others(self) -> None:
        """Take from others what releases up to 0.2 let them read. Errors: UsageError for what is no file."""
        is_hub = files.kind_at(self.keys / "hub.name") == "file"
        with disk_errors(self.data_dir):
            files.make_folder(self.data_dir, files.PRIVATE_FOLDER)
            for path in (self.keys, self.worker_file, self.worker_log, *((self.data_dir,) if is_hub else ())):
                files.make_private(path)

    @asynccontextmanager
    async def headquarters(self) -> AsyncIterator[tuple[Store, Headquarters]]:
        """Yield the store and the writer of the hq lane. Errors: UsageError when there are no keys here."""
        from hub.hq.headquarters import Headquarters
        from hub.hq.identity import load_identity
        from hub.hq.saying import again
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
