"""Three minutes of everything that can befall thirty offices, and nothing is lost, doubled, out of order or untrue."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import SystemRandom
from typing import Final

import pytest

from tests.torture.__main__ import RESULT

pytestmark = [pytest.mark.fault, pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(1800)]

ROOT: Final = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="brokers listen on loopback addresses that only Linux has")
def test_a_network_that_is_badly_treated_for_three_minutes_comes_through(tmp_path: Path) -> None:
    """The seed is printed, and replays the faults."""
    seed = SystemRandom().randrange(2**32)
    options = ["--minutes", "3", "--seed", str(seed), "--keep", "--folder", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-m", "tests.torture", *options], cwd=ROOT, check=False, text=True)
    result = json.loads((tmp_path / "run" / RESULT).read_text("utf-8"))
    assert result["findings"] == []
    assert result["events"] > 500
    assert done.returncode == 0
