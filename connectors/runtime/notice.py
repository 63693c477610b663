"""What a person is told of a file as a whole, above the verdicts on its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.runtime.outbox.rows import FileState, FileSummary
from schemas.words import Language, words

NOTICE_HEADERS: Final = ("file", "state", "message", "remedy")
KEYS_MAX: Final = 20  # of vanished rows that are named
UNFIT: Final = "UNFIT"  # the file can be read, and is not what its mapping expects
ROWS_GONE: Final = "rows_gone"
TOLD_STATES: Final = (FileState.REFUSED, FileState.TOO_LARGE, FileState.WAITING, FileState.VANISHED)


@dataclass(frozen=True, slots=True)
class Notice:
    """One line about a file, as a person reads it."""

    file: str
    state: str
    said: str
    todo: str


def notices_for(summary: FileSummary, vanished: list[str], language: Language) -> list[Notice]:
    """Return what is to be said of a file as a whole; nothing, if all is well with it."""
    found = []
    if summary.state in TOLD_STATES:
        said, todo = _said(summary.code if _is_told(summary.code) else summary.state, language)
        detail = f" ({summary.message})" if summary.message and summary.state != FileState.VANISHED else ""
        text = f"{said}{detail}. {words('notices').say('old_verdicts', language)}"
        found.append(Notice(summary.name, _state(summary.state, language), text, todo))
    if vanished and summary.state != FileState.VANISHED:
        said, todo = _said(ROWS_GONE, language)
        keys = ", ".join(vanished[:KEYS_MAX]) + (" …" if len(vanished) > KEYS_MAX else "")
        count = f" ({len(vanished)})" if len(vanished) > KEYS_MAX else ""
        found.append(Notice(summary.name, _state(ROWS_GONE, language), f"{said}{count}: {keys}", todo))
    return found


def _state(state: str, language: Language) -> str:
    return words("notices").say(f"states.{state}", language)


def _is_told(code: str) -> bool:
    return f"{code}.message" in words("notices").texts


def _said(name: str, language: Language) -> tuple[str, str]:
    """Return what is the matter and what to do, by the file's code or state."""
    return words("notices").say(f"{name}.message", language), words("notices").say(f"{name}.remedy", language)
