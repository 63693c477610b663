"""What HQ judged by at earlier sizes of its lane: for receipts that its ledger has to come to again."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hub.domain.hq_lane import HqLane, hq_readers
from hub.hq.headquarters import Headquarters
from hub.hq.identity import Identity
from hub.ledger.basis import Basis
from hub.protocol.schema import Schema
from hub.store.store import Store


async def bases_at(
    store: Store,
    headquarters: Headquarters,
    identity: Identity,
    released: Mapping[str, Schema],
    sizes: Collection[int],
) -> dict[int, Basis]:
    """Return the bases at these sizes of the hq lane, as far as it has been so long. Errors: Malformed, Newer.

    The lane is read once from its beginning, stretch by stretch, and up to the largest of the sizes alone.
    """
    wanted, readers, lane = set(sizes), hq_readers(released), HqLane()
    found: dict[int, Basis] = {}
    while wanted and lane.size < max(wanted):
        rows = await store.hq_lane(lane.size)
        if not rows.stretches:
            break
        for stretch in rows.stretches:
            lane = lane.taken([stretch], identity.hq_keys(), readers)
            if lane.size in wanted:
                found[lane.size] = headquarters.basis_of(lane)
    return found
