"""Files that need Python alone, made once a module and started as on a computer that has nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.pyz import pack
from deploy.pyz.start import platform_name

ROOT: Final = Path(__file__).parents[2]
VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


def start(file: Path, *arguments: object, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a file with nothing in its environment but a home, and what else is given."""
    isolated = [] if environment else ["-I"]
    return subprocess.run(
        [sys.executable, *isolated, str(file), *map(str, arguments)],
        env={"HOME": str(home), **environment}, capture_output=True, text=True, check=False, timeout=120,
        cwd=home if home.is_dir() else None,
    )  # fmt: skip


def begun(file: Path, *arguments: object, home: Path) -> subprocess.Popen[bytes]:
    """Return a file that runs beside the test."""
    return subprocess.Popen(
        [sys.executable, "-I", str(file), *map(str, arguments)],
        env={"HOME": str(home)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home,
    )  # fmt: skip


def start_at_once(count: int, file: Path, *arguments: object, home: Path) -> None:
    """Start a file as often at the same time; each ends well."""
    running = [begun(file, *arguments, home=home) for _ in range(count)]
    assert [process.wait(120) for process in running] == [0] * count


def packed(program: pack.Program, wheels: Sequence[Path], folder: Path) -> Path:
    """Return a program's file for this computer and the Python that runs the tests."""
    file = folder / program.file_name(platform_name())
    file.write_bytes(pack.pack(program, platform_name(), {VERSION: list(wheels)}))
    return file


def made_elsewhere(folder: Path, rooms: Sequence[str], files: Sequence[str], code: str, *arguments: object) -> None:
    """Run code in a copy of these parts of the source: no path, mode or order of this one can come of it."""
    for name in rooms:
        shutil.copytree(ROOT / name, folder / name, copy_function=shutil.copyfile)
    for name in files:
        shutil.copyfile(ROOT / name, folder / name)
    head = "import os, sys; from pathlib import Path; os.umask(0o077)\nfrom deploy.pyz.pack import pack\n"
    subprocess.run([sys.executable, "-c", head + code, *map(str, arguments)], cwd=folder, check=True, timeout=120)


def others_on_path(folder: Path, *names: str) -> str:
    """Return a folder for PYTHONPATH in which modules of these names end whoever imports them."""
    folder.mkdir()
    for name in names:
        (folder / f"{name}.py").write_text("raise SystemExit(99)\n")
    return str(folder)


def unpacked(home: Path, program: pack.Program) -> Path:
    """Return the one folder that was unpacked."""
    (folder,) = (home / ".cache" / program.name).iterdir()
    return folder


def take(folder: Path) -> Path:
    """Take a file away from what was unpacked."""
    path = folder / "pydantic/main.py"
    path.unlink()
    return path


def link_folder(folder: Path) -> Path:
    """Put a link in the place of a folder that was unpacked."""
    path = folder / "pydantic"
    path.rename(folder.parent.parent / "pydantic")
    path.symlink_to(folder.parent.parent / "pydantic")
    return path


def state(folder: Path) -> dict[str, int]:
    """Return when each file of a folder was written."""
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}
