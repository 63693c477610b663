"""Where a hub is on this machine: what its data directory holds, and how a command opens it.

keys/            who this hub is (hub.name, its private keys) and trust.note, which centers pin
hub.sqlite3      ledger, entities, receipts, positions; nothing, where hub.yaml names a server (database.url)
views.sqlite3    what is derived of it (docs/views.md); it may be removed, and is built again
keys/ca.*        the authority that signs what the hub's own servers show; ca.pem is every office's
broker/          the embedded broker's data, where `hub up` runs one, and the passwords of its admin and its worker
hub.yaml         its settings, where it has any of its own (hub.hq.settings)
worker.json      what the last worker that got ready was told: its broker's address, and never a secret
worker.log       what the worker of `hub up` printed
restoring/       while `hub restore` is at work, or was cut off: then there is no hub here
restore.lock     held by the `hub restore` that is at work

What opens a database is imported where it is needed: `hub --help` needs none of it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hub.base import files
from hub.base.durable import disk_errors, remove_parts
from hub.protocol.errors import Conflict

if TYPE_CHECKING:
    from hub.base.access import Security
    from hub.domain.hq_lane import HqLane
    from hub.hq.headquarters import Headquarters
    from hub.hq.identity import Identity
    from hub.hq.settings import HubSettings
    from hub.kafka.cluster import Cluster
    from hub.kafka.security import ClusterSecurity
    from hub.store.log import LogReader
    from hub.store.postgres_server import Server
    from hub.store.read.reads import HqSource, Reads, Snapshot
    from hub.store.sql_store import SqlStore
    from hub.store.store import HqRows, Store

DEFAULT_HUB: Final = "hub.example"
RESTORING: Final = "restoring"  # what a restore has not put in its place yet


@dataclass(frozen=True, slots=True)
class HubFolder:
    """A hub's data directory."""

    data_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)  # HUB_* that settings heed

    def place(self) -> Path | Server:
        """Return where its database is: at a server, if its settings name one. Errors: UsageError for bad settings."""
        from hub.hq.settings import read_settings

        return read_settings(self.data_dir, self.environment).settings.database.server() or self.database

    @property
    def keys(self) -> Path:
        """Where its keys are: in it, unless the settings name another folder. Errors: UsageError for bad settings."""
        from hub.hq.settings import keys_folder

        return keys_folder(self.data_dir, self.environment)

    @property
    def own_keys(self) -> Path:
        """Where its keys are as long as nobody names another folder; a restore puts them there."""
        return self.data_dir / "keys"

    @property
    def authority(self) -> Path:
        """The certificate by which clients know the hub's own servers."""
        return self.keys / "ca.pem"

    @property
    def database(self) -> Path:
        """Where its database is, unless `place` says a server."""
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

    @property
    def restore_lock(self) -> Path:
        """Held by whoever restores into this folder."""
        return self.data_dir / "restore.lock"

    def refuse_half_restored(self) -> None:
        """Return unless a restore into this folder was cut off. Errors: UsageError with the remedy."""
        from hub.protocol.errors import UsageError

        if files.kind_at(self.data_dir / RESTORING) is not None:
            raise UsageError(
                f"{self.data_dir}: a restore was cut off here, or is at work, so there is no hub yet: run the same "
                "`hub restore` again, which begins anew"
            )

    def cluster(self, settings: HubSettings, bootstrap: str | None = None) -> Cluster | None:
        """Return the cluster at the addresses given, or else at those of the settings; None where there are none.

        It is as HQ's worker has it, who may do only what a worker needs to; its admin clients are the admin's, who
        makes topics and says who may do what.
        Errors: UsageError for what is no address; for a password of the embedded broker's that can't be read.
        """
        from hub.broker.principals import ADMIN, WORKER, Principals
        from hub.kafka.cluster import Cluster

        addresses = bootstrap or ",".join(settings.bootstrap)
        if not addresses:
            return None
        security: Security = settings.security
        admins: Security = settings.admin.over(settings.security)
        web: Security | None = self._web_security(settings)
        principals = Principals(self.broker)
        if addresses == self._embedded_address() and not settings.bootstrap and principals.are_asked():
            security, admins = (principals.security(user, self.authority) for user in (WORKER, ADMIN))
            web = None  # its user is called as HQ calls it
        made = Cluster.at(addresses, security, admins if admins != security else None, web)
        return replace(made, replicas=settings.replicas)

    def admin_cluster(self, settings: HubSettings, bootstrap: str | None = None) -> Cluster | None:
        """Return the same as `known_cluster`, as its admin has it, whatever the client. Errors: as there."""
        cluster = self.known_cluster(settings, bootstrap)
        return cluster and replace(cluster, security=cluster.admins or cluster.security, admins=None, web=None)

    def known_cluster(self, settings: HubSettings, bootstrap: str | None = None) -> Cluster | None:
        """Return the worker's, or else the cluster that the last worker read from; None where none ever did."""
        return self.cluster(settings, bootstrap or ",".join(settings.bootstrap) or self.last_bootstrap())

    def web_cluster(self, settings: HubSettings, bootstrap: str | None = None) -> Cluster | None:
        """Return the same as `known_cluster`, as the HTTPS way in has it, which acts for offices. Errors: as there."""
        from hub.broker.principals import WEB, Principals

        cluster = self.known_cluster(settings, bootstrap)
        if cluster is None:
            return None
        principals = Principals(self.broker)
        if cluster.bootstrap == self._embedded_address() and not settings.bootstrap and principals.are_asked():
            security = principals.security(WEB, self.authority)
        else:
            security = cluster.web or settings.security
        return replace(cluster, security=security, admins=None, web=None)

    @staticmethod
    def _web_security(settings: HubSettings) -> ClusterSecurity | None:
        """Return how the HTTPS way in gets into a cluster of the user's own; None where nothing is said of it."""
        own = settings.web.security
        return own.over(settings.security) if own.is_set else None

    def _embedded_address(self) -> str | None:
        """Return where the broker of this folder is, or was when it last ran."""
        with suppress(OSError, UnicodeDecodeError):
            return f"127.0.0.1:{files.read_text(self.broker / 'port').strip()}"
        return None

    def last_bootstrap(self) -> str | None:
        """Return the addresses that the last worker read from; None where none ever did."""
        try:
            return str(json.loads(files.read_text(self.worker_file))["bootstrap"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def reads(self, hq: HqSource | None = None) -> Reads:
        """Open the database for people, for whoever stays. Errors: NotFound; UsageError for one of another release."""
        from hub.store.read.reads import Reads

        return Reads.open(self.place(), hq or self._hq_lane)

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
    async def store(self) -> AsyncIterator[SqlStore]:
        """Yield the store of a hub that is there. Errors: those of `reads`; UsageError for a half restored one."""
        from hub.store.opener import open_store

        self.refuse_half_restored()
        self.reads().close()
        store = await open_store(self.place())
        try:
            yield store
        finally:
            await store.close()

    def ensure_identity(self, hub: str | None) -> Identity | None:
        """Make the hub's name and keys where there are none; return what was made, None where they were there.

        Errors: Conflict, if they are there under another name than `hub`.
        """
        from hub.hq.identity import load_identity, make_identity

        self.refuse_half_restored()
        self._close_to_others()
        self.tidy()
        if not (self.keys / "hub.name").exists():
            return make_identity(self.keys, hub or DEFAULT_HUB)
        there = load_identity(self.keys).hub
        if hub is not None and hub != there:
            raise Conflict(f"{self.data_dir} is the hub {there}, expected {hub}; a hub's name is never changed")
        return None

    def tidy(self) -> None:
        """Remove what writers that died have left of new files: it may be a part of a key, or all of it."""
        for folder in (self.data_dir, self.keys, self.broker):
            remove_parts(folder)

    def _close_to_others(self) -> None:
        """Take from others what releases up to 0.2 let them read. Errors: UsageError for what is no file."""
        is_hub = files.kind_at(self.keys / "hub.name") == "file"
        with disk_errors(self.data_dir):
            files.make_folder(self.data_dir, files.PRIVATE_FOLDER)
            for path in (self.keys, self.worker_file, self.worker_log, *((self.data_dir,) if is_hub else ())):
                files.make_private(path)

    @asynccontextmanager
    async def headquarters(self) -> AsyncIterator[tuple[Store, Headquarters]]:
        """Yield the store and the writer of the hq lane.

        Errors: UsageError when there are no keys here; when HQ was restored, and has not heard itself yet.
        """
        from hub.hq.headquarters import Headquarters
        from hub.hq.identity import load_identity
        from hub.hq.saying import again
        from hub.store.opener import open_store
        from hub.store.released import released_schemas

        self.refuse_half_restored()
        identity = load_identity(self.keys)
        store = await open_store(self.place())
        try:
            await refuse_unheard(store)
            headquarters = Headquarters(store, identity, released_schemas())
            await again(headquarters.prepare)
            yield store, headquarters
        finally:
            await store.close()


async def refuse_unheard(store: Store) -> None:
    """Return unless a restored hub has not taken in yet what came after its backup: its own lane may be in that.

    It stands in the database, which commands and workers share wherever their folders are.
    Errors: UsageError with the remedy.
    """
    from hub.protocol.errors import UsageError

    if await store.owed.is_unheard():
        raise UsageError(
            "this hub was restored, and no worker has read yet what HQ had said since its backup: HQ would say it a "
            "second time, and otherwise. Start the hub (`hub up` or `hub worker`), and try again when `hub status` "
            "shows it at work"
        )
