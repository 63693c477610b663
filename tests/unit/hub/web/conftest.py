"""What the tests of the app share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.center import Center
from tests.support.web_app import KZ, UZ, Web, web
from tests.support.web_matrix import Matrix, close, make_matrix


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Web]:
    async with web(tmp_path, Center(UZ), Center(KZ)) as made:
        yield made


@pytest.fixture
async def matrix() -> AsyncIterator[Matrix]:
    with capture_logs():  # a line for each of some thousand requests
        made = await make_matrix()
        yield made
        await close(made)
