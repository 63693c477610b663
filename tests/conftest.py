"""Fixtures for every test: one real Kafka a run, started when the first test asks for it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import uuid
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import settings

from hub.broker.embedded import EmbeddedKafka

# How long an example takes is the machine's affair: a slow one is no failure.
settings.register_profile("cohub", deadline=None)
settings.load_profile("cohub")


def _run(work: Coroutine[Any, Any, None]) -> None:
    # A loop of its own, never made current: the broker outlives the loops of the tests, and must not disturb them.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Undo what a command that ran inside a test did to logging: its streams end with the test's capture."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    for handler in [h for h in root.handlers if h not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """Yield a running broker, shared by the whole run: use `topic_prefix` for names, and leave it running."""
    data_dir = tmp_path_factory.mktemp("kafka")
    broker = EmbeddedKafka(data_dir)
    _run(broker.start())
    yield broker
    _run(broker.stop())
    shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture
def topic_prefix() -> str:
    """Return a prefix that no other test uses; it is also fit for a center's id (`[a-z0-9-]`)."""
    return f"t{uuid.uuid4().hex[:10]}"
