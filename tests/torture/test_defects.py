"""Each seeded defect is found by a run of its plan; without a defect the same plan leads to no finding.

Two hours and more on a busy machine of two cores; each alone is a minute or two on one that has nothing else to do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.torture.__main__ import RESULT
from tests.torture.defects import EVERY, Defect
from tests.torture.disks import can_cut_power
from tests.torture.plan import Kind

pytestmark = [pytest.mark.fault, pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(1500)]

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(params=EVERY, ids=lambda defect: defect.name)
def defect(request: pytest.FixtureRequest) -> Defect:
    found: Defect = request.param
    if any(fault.kind is Kind.POWER for fault in found.faults) and not can_cut_power():
        pytest.skip("only root has disks here whose power can be cut")
    return found


def run(folder: Path, defect: Defect, *more: str) -> tuple[int, dict[str, Any]]:
    """Return a run's exit status and what it found."""
    command = [sys.executable, "-m", "tests.torture", "--defect", defect.name, "--seed", "3", "--keep"]
    done = subprocess.run([*command, "--folder", str(folder), *more], cwd=ROOT, check=False, text=True)
    found: dict[str, Any] = json.loads((folder / RESULT).read_text("utf-8"))
    return done.returncode, found


def test_a_seeded_defect_is_found(defect: Defect, tmp_path: Path) -> None:
    """At least one of the findings that tell of it comes; others may, for one thing that is wrong leads to another."""
    status, result = run(tmp_path / "run", defect)
    assert defect.seen_as & {finding["what"] for finding in result["findings"]}
    assert status == 1


def test_without_the_defect_nothing_is_found(defect: Defect, tmp_path: Path) -> None:
    status, result = run(tmp_path / "run", defect, "--sound")
    assert result["findings"] == []
    assert status == 0
