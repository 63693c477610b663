"""Evidence outlives the release that made it: a bundle that was made once is proved by every later release.

`python -m tests.support.evidence tests/data/evidence/deal-v1.zip` made it. It is made again only where nothing of its
format was ever released; a change that fails this test would fail everybody's bundles.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.evidence.check import check_bundle
from hub.evidence.report import Check, Severity
from tests.support.evidence import ROOT

GOLDEN = Path(__file__).parents[3] / "data" / "evidence" / "deal-v1.zip"
DIGEST = "3c4bd7ffa5f2f62762cd83bb31d3738630eb9c5cb1124238e6a1ee666dd562b1"


def test_bundle_of_an_earlier_release_is_still_proved() -> None:
    """Every check holds; only the page and the README, which another release wrote, are not compared."""
    checked = check_bundle(GOLDEN.read_bytes(), ROOT.verifier)
    report = checked.report
    assert report.status == "proved", report.findings
    assert {(f.check, f.severity) for f in report.findings} <= {(Check.SUMMARY, Severity.WARNING)}
    case = checked.case
    assert case is not None
    assert case.states["deal", "uz:D-1"].digest.hex() == DIGEST


@pytest.mark.parametrize("at", [1000, 60_000])
def test_damage_to_it_is_found(at: int) -> None:
    """It is not proved for being old."""
    data = bytearray(GOLDEN.read_bytes())
    data[at] ^= 1
    assert check_bundle(bytes(data), ROOT.verifier).report.status == "failed"
