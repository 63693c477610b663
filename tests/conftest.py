"""Fixtures for every test: one real Kafka a run, started when the first test asks for it."""

from __future__ import annotations

import csv
import gc
import logging
import uuid
from collections.abc import Iterator
from typing import Final

import pytest
import structlog
from hypothesis import settings

from hub.base.ending import close_all
from hub.broker.embedded import EmbeddedKafka
from tests.support.broker import own_broker

BYTES_SHOWN_MAX: Final = 16  # in a test's name

# How long an example takes is the machine's affair: a slow one is no failure.
settings.register_profile("cohub", deadline=None)
settings.load_profile("cohub")


def pytest_configure() -> None:
    """Look for no garbage while modules and tests are collected: they stay."""
    gc.disable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name no test by the bytes that it is given: they may hold the time, and be others in every process."""
    return argname if isinstance(val, bytes) and len(val) > BYTES_SHOWN_MAX else None


def pytest_collection_finish() -> None:
    """Take what was collected, which lives as long as the run, out of the garbage collector's sight for good."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Undo what code that ran inside a test did to the process, so that no test depends on those before it.

    A command logs to streams that end with the test's capture, and a connector sets how long a cell of CSV may be.
    """
    cell_chars_max = csv.field_size_limit()
    root = logging.getLogger()
    handlers, level, levels = list(root.handlers), root.level, {one.name: one.level for one in _loggers()}
    yield
    close_all()  # a command that failed is about to end its process: not this one
    csv.field_size_limit(cell_chars_max)
    structlog.reset_defaults()
    for handler in [h for h in root.handlers if h not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    for one in _loggers():  # a command silences aiokafka, for a later test that reads what aiokafka logs too
        if one.level != levels.get(one.name, logging.NOTSET):
            one.setLevel(levels.get(one.name, logging.NOTSET))


def _loggers() -> list[logging.Logger]:
    return [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]


@pytest.fixture(scope="session", autouse=True)
def _cheap_guesses() -> Iterator[None]:
    """Let a backup's passphrase cost a thousandth of what it does: nobody guesses those of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hub.hq.sealed_keys._N", 1 << 7)
        yield


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """Yield a running broker, shared by the whole run: use `topic_prefix` for names, and leave it running."""
    with own_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def topic_prefix() -> str:
    """Return a prefix that no other test uses; it is also fit for a center's id (`[a-z0-9-]`)."""
    return f"t{uuid.uuid4().hex[:10]}"
