"""How many connections a second one address may begin at a broker that lets in other machines.

A handshake costs the broker more than it costs whoever asks for it, a wrong password neither of them much, and no quota
of a user counts what has not logged in yet. Kafka keeps this bound beside its quotas, and not in its file of settings.
"""

from __future__ import annotations

from typing import Final

from hub.broker.ports import LOOPBACK
from hub.broker.properties import UNBOUNDED, Public
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.rights import Entity

RATE: Final = "connection_creation_rate"
EVERY_ADDRESS: Final[Entity] = (("ip", None),)
THIS_MACHINE: Final[Entity] = (("ip", LOOPBACK),)


async def bound_clients(cluster: Cluster, public: Public) -> None:
    """Bound what one address may begin; HQ itself, on this machine, is not bounded. Errors: those of administration."""
    wanted = {EVERY_ADDRESS: {RATE: float(public.client_connections_per_s)}, THIS_MACHINE: {RATE: float(UNBOUNDED)}}
    async with administration(cluster) as access:
        found = await access.quotas()
        changed = {whose: rates for whose, rates in wanted.items() if found.get(whose) != rates}
        if changed:
            await access.set_quotas(changed)
