"""JSON from strangers: one reading or none. Pure."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from hub.protocol.errors import Malformed


def read_json(data: bytes) -> Any:
    """Return what a JSON text says.

    Errors: Malformed, also for a name that stands twice in an object, for what is no number in JSON (NaN, a number of
        thousands of digits), for an encoding other than UTF-8 and for nesting that no document of ours has.
    """
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError as exc:
        raise Malformed(f"JSON: expected UTF-8, byte {exc.start} is none") from exc
    except json.JSONDecodeError as exc:
        raise Malformed(f"JSON: {exc.msg} in line {exc.lineno}, column {exc.colno}") from exc
    except RecursionError as exc:
        raise Malformed("JSON: it is nested too deeply") from exc
    except ValueError as exc:
        raise Malformed(f"JSON: {exc}") from exc


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("JSON: a name stands twice in an object")
    return found


def _no_constant(text: str) -> NoReturn:
    raise Malformed(f"JSON: {text} is no number")
