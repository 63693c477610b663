"""What a keeper reads its pages from, on a database of SQLite."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hub.hq.identity import Identity
from hub.hq.lane import OwnLane
from hub.replay.source import Ledger
from hub.store.released import state_schemas
from hub.store.store import Store
from hub.worker.again import Kept
from tests.support.center import RELEASED
from tests.support.fanned import STATE_FORMS


def kept_of(store: Store, database: Path, identity: Identity) -> Kept:
    """Return what is kept in a database, which a store has open."""
    lane = OwnLane(store, identity, RELEASED)
    return Kept(store, partial(Ledger.open, database), lane, identity, STATE_FORMS, state_schemas(RELEASED))
