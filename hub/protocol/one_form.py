"""JSON of one form, read strictly: what is expected is there, and whoever reads makes the same bytes of it again.

A name that stands twice, a number in another form or a name that nobody knows is found by that last comparison, which
each reader does itself.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import orjson

from hub.protocol.errors import Malformed

CANONICAL: Final = orjson.OPT_SORT_KEYS


def encode(data: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(data).decode()


def expect(holds: object, message: str) -> None:
    """Return if it holds. Errors: Malformed with this message."""
    if not holds:
        raise Malformed(message)


def read_json(data: bytes, what: str) -> object:
    """Return what JSON says. Errors: Malformed, naming `what`."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise Malformed(f"{what}: expected JSON") from exc


def table_of(value: object, what: str) -> dict[str, Any]:
    """Return a value that is names and values. Errors: Malformed, naming `what`."""
    if not isinstance(value, dict):
        raise Malformed(f"{what}: expected names and values")
    return value


def text_in(row: Mapping[str, Any], name: str) -> str:
    """Return the text under a name. Errors: Malformed."""
    value = row.get(name)
    if not isinstance(value, str):
        raise Malformed(f"expected a text under {name!r}")
    return value
