"""The vectors of HQ's own lane hold wherever fetches end, and a reader of the ledger comes to the same lane."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.vectors.hq_lane import BATCHES, Pool, outcome_of, read, records_of
from schemas.vectors.make import HERE

FILE: dict[str, Any] = json.loads((HERE / "hq_lane.json").read_text("utf-8"))
POOL = Pool()


@pytest.mark.parametrize("row", [pytest.param(r, id=r["name"]) for kind in ("good", "bad") for r in FILE[kind]])
def test_outcome_is_the_same_record_by_record(row: dict[str, Any]) -> None:
    """What is read of the lane does not depend on where a fetch ends."""
    records = records_of(row["records"], POOL)
    assert outcome_of(read([[record] for record in records])) == row["outcome"]
    assert outcome_of(read([records])) == row["outcome"]


def test_whole_lane_has_every_batch() -> None:
    """A bad row takes less than the good one of all batches."""
    last = max(last for _, last in BATCHES.values())
    sizes = {row["name"]: row["outcome"]["size"] for kind in ("good", "bad") for row in FILE[kind]}
    assert sizes["whole"] == last
    assert all(sizes[row["name"]] < last for row in FILE["bad"])
