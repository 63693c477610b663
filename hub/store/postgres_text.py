r"""A text as PostgreSQL's columns hold it: they take any character but NUL, which a header of anybody's may have.

So NUL is kept as \x01\x01, and \x01 itself as \x01\x02. What is told apart stays told apart, and in the same order: by
code points, any two texts compare as what is kept of them does. It is done where values leave for the server and rows
come back (`Server.connect`, `open_reader`), so nothing else knows of it; a copy in SQLite holds the texts themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

_KEPT: Final = re.compile("\x01([\x01\x02])")
_SAID: Final = {"\x01": "\0", "\x02": "\x01"}


def kept(text: str) -> str:
    """Return a text as a column holds it."""
    if "\0" in text or "\x01" in text:
        return text.replace("\x01", "\x01\x02").replace("\0", "\x01\x01")
    return text


def said(text: str) -> str:
    """Return the text that a column holds. What was never kept so, and only an edit leaves there, comes as it is."""
    return _KEPT.sub(lambda found: _SAID[found[1]], text) if "\x01" in text else text


def kept_bytes(text: str) -> bytes:
    """Return a text as a driver sends it."""
    return kept(text).encode()


def said_bytes(data: bytes) -> str:
    """Return the text of what a driver has received."""
    return said(data.decode())


def kept_column(values: Sequence[Any]) -> Sequence[Any]:
    """Return one column of many rows as it is kept: nearly always as it comes."""
    if not values or type(values[0]) in (int, bytes):
        return values
    try:
        whole = "".join(values)
    except TypeError:  # a column that may be empty, or one of bytes
        return [kept(value) if isinstance(value, str) else value for value in values]
    return list(map(kept, values)) if "\0" in whole or "\x01" in whole else values


def kept_list(text: str) -> str:
    """Return a JSON list whose texts are as columns hold them: statements ask by such lists."""
    if "\\u000" not in text:
        return text
    return json.dumps([kept(value) if isinstance(value, str) else value for value in json.loads(text)])
