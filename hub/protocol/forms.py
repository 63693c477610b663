"""The signed forms that came after release 0.2, and how each end says which of them it reads.

A side writes a new form only after the other has announced that it reads it. A center announces inside presence/v1, at
the end of its line `version`, as in `cohub 0.3.0 (reads status/v1)`; HQ in the line `reads` of its status note; and
presence/v2 has such a line, too.
"""

from __future__ import annotations

import re
from typing import Final

from hub.protocol.errors import Malformed
from hub.protocol.receipt import LINE_BYTES_MAX, is_line

STATUS_V1: Final = "status/v1"  # HQ's status note on `out.<center>`
PRESENCE_V2: Final = "presence/v2"
FORMS_MAX: Final = 16
_FORM: Final = re.compile(r"[a-z][a-z_]{0,19}/v[1-9][0-9]{0,3}", re.ASCII)
_ANNOUNCED: Final = re.compile(r".* \(reads ([^()]+)\)", re.ASCII)


def write_forms(forms: tuple[str, ...]) -> str:
    """Return what a line `reads` says."""
    return " ".join(forms) or "-"


def read_forms(text: str) -> tuple[str, ...]:
    """Return the forms that a line `reads` names, known here or not. Errors: Malformed."""
    if text == "-":
        return ()
    forms = tuple(text.split(" "))
    if len(set(forms)) != len(forms) or len(forms) > FORMS_MAX or not all(map(_FORM.fullmatch, forms)):
        raise Malformed(f"expected up to {FORMS_MAX} forms such as {STATUS_V1}, each once, or -, got {text[:60]!r}")
    return forms


def announce(software: str, forms: tuple[str, ...]) -> str:
    """Return the line `version` of a presence/v1 that announces these forms."""
    return f"{software} (reads {write_forms(forms)})"


def announced(version: str) -> tuple[str, ...]:
    """Return the forms that the line `version` of a presence/v1 announces; none where it says nothing of that kind."""
    found = _ANNOUNCED.fullmatch(version)
    try:
        return read_forms(found[1]) if found else ()
    except Malformed:
        return ()


def read_lines(lines: list[str], names: tuple[str, ...], what: str) -> dict[str, str]:
    """Return what lines say, each of which begins with its name and a space. Errors: Malformed."""
    said = {}
    for line, name in zip(lines, names, strict=True):
        head, _, said[name] = line.partition(" ")
        if head != name:
            raise Malformed(f"{what}: expected a line {name!r}, got {line[:60]!r}")
    return said


def read_reason(text: str, what: str) -> str:
    """Return a reason of one line, '' for `-`. Errors: Malformed."""
    if not is_line(text):
        raise Malformed(f"{what}: expected one line of 1 to {LINE_BYTES_MAX} bytes, or -, got {text[:60]!r}")
    return "" if text == "-" else text
