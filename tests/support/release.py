"""Releases as they were: built once from this repository's own history, and run as real processes beside the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
RELEASE_0_2: Final = "3d258453e95e356c9374f144b2bc5d7054b7b5c5"  # tag v0.2.0
PACKAGED: Final = ("pyproject.toml", "README.md", "LICENSE", "hub", "connectors", "schemas")
COMMAND_S: Final = 60.0
HUB: Final = "hub.cli.main"
CONNECTOR: Final = "connectors.cli.main"


@dataclass(frozen=True)
class Release:
    """One release by the folder that its wheel is installed in; without one it is the tree itself.

    The libraries are those of the tree's environment: they fit what 0.2 asks of them (`test_release_0_2.py` looks).
    """

    name: str
    site: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, module: str, *arguments: str) -> list[str]:
        """Return the command line of one of its programs."""
        given = dict(self.environment)
        if self.site is not None:
            given["PYTHONPATH"] = str(self.site)
        named = [str(shutil.which("env")), *(f"{name}={value}" for name, value in given.items())] if given else []
        return [*named, sys.executable, "-m", module, *arguments]

    def run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, away from the tree, whose folder Python would find before the release's."""
        return subprocess.run(
            self.command(module, *arguments),
            capture_output=True, text=True, check=False, timeout=COMMAND_S, cwd=tempfile.gettempdir(),
        )  # fmt: skip

    def hub(self, data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of HQ's."""
        return self.run(HUB, "--data-dir", str(data_dir), *arguments)

    def connector(self, office: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of an office's."""
        return self.run(CONNECTOR, *arguments, "--office", str(office))


TREE: Final = Release("tree")


def has_commit(commit: str) -> bool:
    """Return whether this copy of the repository has the commit: a shallow one, or an unpacked archive, has not."""
    return _git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


def built(commit: str, cache: Path) -> Path:
    """Return the folder that the commit's own wheel is installed in, made at the first call and kept in `cache`.

    Nothing is fetched: the wheel is made of the commit's files, and no package index is asked.
    """
    site = cache / commit
    if site.is_dir():
        return site
    cache.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=cache))
    try:
        archive = _git("archive", commit, *PACKAGED)
        assert archive.returncode == 0, archive.stderr
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
            files.extractall(made / "source", filter="data")
        _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(made), str(made / "source"))
        (wheel,) = made.glob("cohub-*.whl")
        _pip("install", "--no-deps", "--target", str(made / "site"), str(wheel))
        # Whole or not at all, also where two test processes make it at once: the second one finds it there.
        try:
            (made / "site").rename(site)
        except OSError:
            assert site.is_dir()
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return site


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)


def _pip(command: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", "--no-index", "--disable-pip-version-check", *arguments],
        capture_output=True, text=True, check=False, env=_without_settings(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _without_settings() -> dict[str, str]:
    """Return the environment without what a machine may have set for pip: an address, a folder to install to."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
