"""Clients of several addresses on one machine: all of 127.0.0.0/8 is Linux's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def calling_from(source: str) -> Iterator[None]:
    """Have what this loop connects come from an address; aiokafka has no word for it."""
    loop: Any = asyncio.get_running_loop()
    made = loop.create_connection
    loop.create_connection = lambda *a, **k: made(*a, **({"local_addr": (source, 0)} | k))
    try:
        yield
    finally:
        loop.create_connection = made
