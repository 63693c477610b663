"""What the demo's HQ has of its network: centers with their keys, code lists, what each logs in by."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hub.demo.network import Network
from hub.hq.access import give
from hub.hq.access_key import AccessKey
from hub.hq.centers import KEY_ADDED
from hub.hq.code_lists import PUBLISHED, list_record
from hub.hq.enrolment import proven_all
from hub.hq.folder import HubFolder
from hub.hq.headquarters import HqEvent
from hub.hq.issuing import pin_witness_keys
from hub.hq.saying import say
from hub.kafka.cluster import Cluster
from hub.protocol.errors import UsageError
from hub.protocol.record import CENTER_REGISTERED
from hub.protocol.scram import ITERATIONS, SALT_LENGTH, Credential
from hub.store.access_store import StoredAccess
from hub.worker.access import AccessKeeper


async def register_network(where: HubFolder, network: Network, enrolments: Mapping[str, Sequence[bytes]]) -> None:
    """Say to the hq lane what it does not know yet of the network: centers with their keys, code lists.

    Errors: UsageError when a rule forbids something (nothing is written then).
    """
    async with where.headquarters() as (_, headquarters):
        wanted: list[tuple[tuple[str, str], HqEvent]] = []
        for name, terms in network.code_lists.items():
            wanted.append((("code_list", f"hq:{name}"), HqEvent(PUBLISHED, name, list_record(name, terms))))
        for center, record in network.centers.items():
            keys = proven_all(enrolments[center], network.hub, center)
            wanted.append((("center", f"hq:{center}"), HqEvent(CENTER_REGISTERED, center, {**record, "keys": keys})))
        known = (await headquarters.lane.read()).entities
        events = [said for entity_key, said in wanted if entity_key not in known]
        for entity_key, said in wanted:
            there = known.get(entity_key)
            if there is not None and entity_key[0] == "center":
                events += _added_keys(said.key, there.record, said.value["keys"])
        if events:
            await say(headquarters, events)
            await pin_witness_keys(where, headquarters)


async def keep_logins(where: HubFolder, passwords: Mapping[str, str]) -> None:
    """Keep for HQ by what each office logs in, of which HQ has nothing yet: the worker lets it in by that.

    It is what `hub center confirm` keeps of an office that has joined. What HQ gave it since then stays.
    """
    async with where.store() as store:
        given = await store.access.every()
        for center, password in passwords.items():
            if not given.get(center, StoredAccess()).version:
                credential = Credential.of(password, os.urandom(SALT_LENGTH), ITERATIONS)
                await give(store.access, AccessKey.make(where.keys), center, credential)


async def let_in(where: HubFolder, cluster: Cluster) -> None:
    """Have the broker let the offices in by now: one look of the keeper that the worker has, and a moment sooner.

    Without it the first connectors would be told that their password is wrong. What can't be done now, the worker does.
    """
    with where.snapshot() as now:
        statuses = {center.id: center.status for center in now.centers()}
    async with where.store() as store:
        keeper = AccessKeeper(store, cluster, lambda: statuses, partial(AccessKey.load, where.keys), "demo")
        try:
            await keeper.look()
        finally:
            await keeper.forget()


def _added_keys(center: str, record: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> list[HqEvent]:
    """Return what adds an office's keys to a center that is there, where it has no key of that purpose yet.

    Errors: UsageError when HQ knows the center by other keys.
    """
    missing = [key for key in keys if key["vkey"] not in {known["vkey"] for known in record["keys"]}]
    if {key["purpose"] for key in missing} & {known["purpose"] for known in record["keys"]}:
        raise UsageError(
            f"HQ knows {center} by another key than its office has (was the office's folder deleted?): "
            "take an empty --data-dir"
        )
    if not missing:
        return []
    return [HqEvent(KEY_ADDED, center, {**record, "keys": [*record["keys"], *missing]})]
