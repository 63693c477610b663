"""A cause in words, for whoever reads it: what is so, and what is done about it at that end."""

from __future__ import annotations

from typing import Final, Literal

from hub.protocol.cause import Cause
from schemas.words.said import Said

FILE: Final = "causes"
End = Literal["office", "hq"]


def cause_said(line: str) -> Said:
    """Return what a line of HQ's says; of a code that is not known here, the line as it is."""
    if not line:
        return Said("unsaid", {}, FILE)
    cause = Cause.read(line)
    if cause is None:
        return Said("unknown", {"line": line}, FILE)
    said = Said(f"{cause.code}.message", cause.values, FILE)
    text = cause.text.partition("\n")[0]
    return Said("quoted", {"said": said, "text": text}, FILE) if text else said


def whole_said(told: Said, todo: Said | None) -> Said:
    """Return what is so with what to do about it, if there is anything."""
    return told if todo is None else Said("todo", {"state": told, "remedy": todo}, FILE)


def remedy_said(line: str, end: End, center: str = "") -> Said:
    """Return what somebody at that end does about it, or whom he asks; HQ is told of which center."""
    cause = Cause.read(line)
    if cause is None:
        return Said("unknown_office", {}, FILE)
    return Said(f"{cause.code}.{end}", {**cause.values, "center": center}, FILE)
