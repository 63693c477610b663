"""The demo's offices are let in at the broker: each by its own name and password, to its own topics."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.desired import office_rights
from hub.protocol.scram import SALT_LENGTH, Credential


async def let_in(cluster: Cluster, passwords: Mapping[str, str]) -> None:
    """Have the broker know each center's password, and give it the rights of an office. Idempotent.

    Errors: Retriable if no broker answers.
    """
    if not passwords:
        return
    salted = {name: Credential.of(word, secrets.token_bytes(SALT_LENGTH)) for name, word in passwords.items()}
    async with administration(cluster) as access:
        await access.set_users(salted)
        await access.grant(right for center in passwords for right in office_rights(center, may_write=True))
