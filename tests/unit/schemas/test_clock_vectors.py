"""The vectors of times that go back are what every verifier of ours says of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.vectors.clocks import is_good
from schemas.vectors.make import HERE

FILE: dict[str, Any] = json.loads((HERE / "clocks.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("row", "good"), [pytest.param(r, kind == "good", id=r["name"]) for kind in ("good", "bad") for r in FILE[kind]]
)
def test_step_is_allowed_or_not(row: dict[str, Any], good: bool) -> None:
    """A lane's times go back once for each correction, from a time that it takes back, and not behind it."""
    assert is_good(row) == good
