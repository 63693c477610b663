"""A program of ours as one file, made once a module: its `program`, and an `example` of how it is started."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy.pyz import pack
from deploy.pyz.start import platform_name
from tests.support.pyz import VERSION, packed, start


@pytest.fixture(scope="module")
def wheels(program: pack.Program, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return pack.fetch(program, platform_name(), VERSION, tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def file(program: pack.Program, wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(program, wheels, tmp_path_factory.mktemp("file"))


@pytest.fixture(scope="module")
def used(file: Path, example: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home in which it was started once."""
    home = tmp_path_factory.mktemp("used")
    done = start(file, *example, home=home)
    assert (done.returncode, done.stderr) == (0, "")
    return home


@pytest.fixture
def home(used: Path, tmp_path: Path) -> Path:
    """Return a copy of that home, to be changed; files keep their times."""
    return Path(shutil.copytree(used, tmp_path / "home", symlinks=True))
