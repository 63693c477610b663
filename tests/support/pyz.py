"""Files that need Python alone, started as on a computer that has nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def start(file: Path, *arguments: object, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a file with nothing in its environment but a home, and what else is given."""
    isolated = [] if environment else ["-I"]
    return subprocess.run(
        [sys.executable, *isolated, str(file), *map(str, arguments)],
        env={"HOME": str(home), **environment}, capture_output=True, text=True, check=False, timeout=120,
        cwd=home if home.is_dir() else None,
    )  # fmt: skip


def unpacked(home: Path, program: str) -> Path:
    """Return the one folder that was unpacked."""
    (folder,) = (home / ".cache" / program).iterdir()
    return folder


def state(folder: Path) -> dict[str, int]:
    """Return when each file of a folder was written."""
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}
