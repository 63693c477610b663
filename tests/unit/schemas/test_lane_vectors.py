"""The vectors of taking hold wherever fetches end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.vectors.lanes import FURTHER, KEYRING, KEYRINGS, Pool, expanded, outcome_of, runs_of
from schemas.vectors.make import HERE

FILE: dict[str, Any] = json.loads((HERE / "lanes.json").read_text("utf-8"))
POOL = Pool()


@pytest.mark.parametrize("row", [pytest.param(r, id=r["name"]) for kind in ("good", "bad") for r in FILE[kind]])
def test_outcome_is_the_same_record_by_record(row: dict[str, Any]) -> None:
    """Only whether a resend is asked for may depend on where a fetch ends: it is a matter of time."""
    under, _ = FURTHER.get(row["name"], ("", []))
    words = [word for fetch in expanded([" ".join(fetch) for fetch in row["fetches"]]) for word in fetch]
    said = runs_of(outcome_of([[word] for word in words], POOL, KEYRINGS.get(under, KEYRING)))
    assert {**said, "resends": None} == {**row["outcome"], "resends": None}
