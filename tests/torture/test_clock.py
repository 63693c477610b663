"""A program's clock goes by the file that says so, and by the machine's where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tests.torture import clock
file = Path(sys.argv[1])
clock.put(file)
from hub.worker import consolidator
assert abs(consolidator.datetime.now(UTC) - datetime.now(UTC)) < timedelta(seconds=5)
file.write_text("-86400")
assert abs(consolidator.datetime.now(UTC) - datetime.now(UTC) + timedelta(days=1)) < timedelta(seconds=5)
assert isinstance(datetime.now(UTC), consolidator.datetime)
file.unlink()
assert abs(consolidator.datetime.now(UTC) - datetime.now(UTC)) < timedelta(seconds=5)
"""


def test_a_clock_jumps_and_comes_back(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, str(tmp_path / "clock")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
