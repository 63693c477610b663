"""The vectors of bundles: the checker takes the good ones and finds what is wrong with each of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.evidence.check import check_bundle
from hub.evidence.report import NEWER
from hub.protocol.keys import Verifier
from schemas.vectors.bundles import BUNDLE, bundle, made
from schemas.vectors.make import HERE

FILE: dict[str, Any] = json.loads((HERE / "bundles.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("row", "status"),
    [
        pytest.param(row, status, id=row["name"])
        for kind, status in (("good", "proved"), ("newer", NEWER), ("bad", "failed"))
        for row in FILE[kind]
    ],
)
def test_bundle_is_proved_or_fails(row: dict[str, Any], status: str) -> None:
    """A change of one file, or of the zip around them, is found, also where all lists were made again."""
    assert (
        check_bundle(made(row, bundle(row.get("bundle", BUNDLE))), Verifier.from_text(row["root"])).report.status
        == status
    )
