"""The form that every file of vectors of signed notes has."""

from __future__ import annotations

from typing import Any

from hub.protocol.note import Signer, sign_note
from schemas.vectors.keys import text_or_hex

Row = dict[str, Any]


def file_of(about: str, good: list[Row], bad: list[Row]) -> Row:
    """Return a file of vectors."""
    return {"about": about, "good": good, "bad": bad}


def row_of(name: str, data: bytes, keys: list[Signer]) -> Row:
    """Return a note and the keys that its reader knows."""
    return {"name": name, **text_or_hex(data), "keys": [k.verifier.to_text() for k in keys]}


def fault(name: str, data: bytes, keys: list[Signer], reason: str) -> Row:
    """Return a note that is to be refused, and why."""
    return {**row_of(name, data, keys), "reason": reason}


def changed_notes(text: str, changes: dict[str, tuple[str, str]], key: Signer) -> list[Row]:
    """Return one bad note for each change of a good text: well signed, so that only its text is at fault."""
    rows = []
    for name, (old, new) in changes.items():
        changed = text.replace(old, new, 1)
        assert changed != text, name
        rows.append(fault(name, sign_note(changed, [key]).to_bytes(), [key], name.replace("_", " ")))
    return rows
