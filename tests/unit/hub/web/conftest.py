"""What the tests of the app share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.center import Center
from tests.support.web_app import KZ, UZ, Web, web


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Web]:
    async with web(tmp_path, Center(UZ), Center(KZ)) as made:
        yield made
