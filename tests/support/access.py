"""A database, a broker in memory that guards itself, and one keeper of access after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hub.base.access import Security
from hub.hq.access import give
from hub.hq.access_key import AccessKey
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.memory import MemoryBroker
from hub.kafka.rights import Operation, Pattern, Resource, Right, user
from hub.protocol.scram import Credential
from hub.store.sqlite import SqliteStore
from hub.worker.access import AccessKeeper, Invitation
from tests.support.center import NOW
from tests.support.engines import open_store

BOB: Final = Right(user("bob"), Resource.TOPIC, "bobs", Pattern.LITERAL, Operation.READ)
FIRST: Final = Credential.of("first", bytes(32), 4096)
SECOND: Final = Credential.of("second", bytes(32), 4096)


def login(name: str) -> Security:
    return Security(protocol="SASL_PLAINTEXT", username=name, password="secret")


@dataclass
class Bench:
    """A database, a broker that guards itself, and one keeper after another."""

    store: SqliteStore
    broker: MemoryBroker
    keys: Path
    statuses: dict[str, str] = field(default_factory=lambda: {"uz": "active", "kz": "active"})
    invitations: list[Invitation] | None = None
    every_s: float = 0.0

    @property
    def cluster(self) -> Cluster:
        return Cluster(("b:1",), login("worker"), login("admin"), self.broker)

    def keeper(self, cluster: Cluster | None = None) -> AccessKeeper:
        async def invited() -> list[Invitation]:
            return self.invitations or []

        return AccessKeeper(
            self.store,
            cluster or self.cluster,
            lambda: self.statuses,
            lambda: AccessKey.load(self.keys),
            "me",
            None if self.invitations is None else invited,
            lambda: NOW,
            self.every_s,
            share=0.0,
        )

    async def give(self, center: str, credential: Credential) -> int:
        return await give(self.store.access, AccessKey.make(self.keys), center, credential)

    async def settle(self, keeper: AccessKeeper | None = None) -> None:
        """Have a keeper bring all about, and see that it is so."""
        keeper = keeper or self.keeper()
        await keeper.look()
        await keeper.look()

    async def rights(self, name: str) -> set[Right]:
        async with administration(self.cluster) as access:
            return {right for right in await access.rights() if right.principal == user(name)}

    async def kept(self) -> dict[str, str]:
        return {center: has.kept for center, has in (await self.store.access.every()).items()}

    @classmethod
    def open(cls, folder: Path) -> Bench:
        """Return one in a folder; its broker has an authorizer."""
        broker = MemoryBroker()
        broker.access.has_authorizer = True
        keys = folder / "keys"
        keys.mkdir(mode=0o700)
        return cls(open_store(folder / "hub.sqlite3"), broker, keys)
