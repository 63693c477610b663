"""One complete, legal event of every kind, and the registry it is judged under."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

import schemas
from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.registry import Registry
from hub.protocol.avro import Codec
from hub.protocol.schema import Schema, load_released
from schemas.vectors import samples
from schemas.vectors.samples import Value


@pytest.fixture(scope="session")
def released() -> dict[str, Schema]:
    return load_released(schemas.read("released.json"), schemas.every())


@pytest.fixture(scope="session")
def codec(released: dict[str, Schema]) -> Callable[[str], Codec]:
    """The codec of an event's type."""
    return cache(lambda event_type: Codec(released[KINDS[event_type].schema_path]))


@pytest.fixture
def sample() -> Callable[..., Value]:
    """A complete value of an event's type, with some fields replaced."""
    return samples.sample_of


@pytest.fixture
def basis() -> Registry:
    """Two centers, one code list, one schema."""
    return samples.basis()


@pytest.fixture
def entity_before() -> Callable[[str], Entity | None]:
    """An entity in a status in which the kind of event is legal, None where it may begin one."""
    return samples.entity_before
