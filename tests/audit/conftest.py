"""One ledger with everything in it for all tests of this folder; each spoils a copy."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.support.audited import audited


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger that nobody has touched, and no test does."""
    return asyncio.run(audited(tmp_path_factory.mktemp("audited")))


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Return a copy to be spoiled."""
    return Path(shutil.copy(whole, tmp_path / "hub.sqlite3"))
