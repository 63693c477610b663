"""Real outboxes in a temporary folder, and events to put in them; a witness, and a log of HQ's for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.runtime.codecs import Codecs
from hub.kafka.memory import MemoryBroker
from hub.protocol.topics import CHECKPOINTS
from tests.support.folder import OfficeFolder
from tests.support.log import TestLog
from tests.support.office import Office
from tests.support.witnesses import Bench


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


@pytest.fixture
def broker() -> MemoryBroker:
    """Return a broker with the topic that witnesses read."""
    return MemoryBroker({CHECKPOINTS: 1})


@pytest.fixture
def bench(tmp_path: Path, broker: MemoryBroker) -> Bench:
    """Return an office with a witness, and a log of HQ's."""
    office = OfficeFolder(tmp_path / "office", "uz", "memory:1", broker, logged_within_s=1.0)
    return Bench(office, TestLog(seed=os.urandom(32)))
