"""A user of a broker, as HQ's keeper makes one."""

from __future__ import annotations

from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.protocol.scram import Credential


async def set_user(cluster: Cluster, name: str, credential: Credential) -> None:
    """Make a user, or give it this password."""
    async with administration(cluster) as access:
        await access.set_users({name: credential})
