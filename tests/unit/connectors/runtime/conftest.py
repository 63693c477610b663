"""Real outboxes in a temporary folder, and events to put in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.runtime.codecs import Codecs
from tests.support.office import Office


@pytest.fixture(scope="session")
def codecs() -> Codecs:
    """Return the released schemas, loaded once."""
    return Codecs()


@pytest.fixture
def office(tmp_path: Path, codecs: Codecs) -> Iterator[Office]:
    """Yield an office with an empty outbox: no lane is open yet."""
    office = Office(tmp_path / "outbox.sqlite3", codecs)
    yield office
    office.outbox.close()
