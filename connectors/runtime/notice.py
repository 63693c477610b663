"""What a person is told of a file as a whole, above the verdicts on its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.runtime.outbox.rows import FileState, FileSummary
from connectors.source.problem import FileCode
from schemas.words import Language, words

NOTICE_HEADERS: Final = ("file", "state", "message", "remedy")
KEYS_MAX: Final = 20  # of vanished rows that are named
UNFIT: Final = "UNFIT"  # the file can be read, and is not what its mapping expects
ROWS_GONE: Final = "rows_gone"
# Of a file that waits, how many rows it is about; of one that is refused, what was looked for, and what is allowed.
PARAMS: Final = (
    "known", "changed", "vanished", "column", "columns", "sheet", "row", "encoding", "candidates", "max", "bytes_max",
)  # fmt: skip
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
        said, todo = told(summary, language)
        text = f"{said}. {words('notices').say('old_verdicts', language)}"
        found.append(Notice(summary.name, _state(summary.state, language), text, todo))
    if vanished and summary.state != FileState.VANISHED:
        said, todo = _said(ROWS_GONE, language)
        keys = ", ".join(vanished[:KEYS_MAX]) + (" …" if len(vanished) > KEYS_MAX else "")
        count = f" ({len(vanished)})" if len(vanished) > KEYS_MAX else ""
        found.append(Notice(summary.name, _state(ROWS_GONE, language), f"{said}{count}: {keys}", todo))
    return found


def told(summary: FileSummary, language: Language) -> tuple[str, str]:
    """Return what is the matter with a file that is not taken, and what to do, in the reader's language."""
    said, todo = _said(_text_of(summary), language)
    return f"{said}{_params(summary, language)}", todo


def _state(state: str, language: Language) -> str:
    return words("notices").say(f"states.{state}", language)


def _text_of(summary: FileSummary) -> str:
    """Return the name of what is said of a file: by its code, by its state if it has none that we know.

    0.1 kept no code of a file that is too large.
    """
    code = FileCode.FILE_TOO_LARGE if summary.state == FileState.TOO_LARGE else summary.reason.code
    return code if f"{code}.message" in words("notices").texts else summary.state


def _params(summary: FileSummary, language: Language) -> str:
    """Return the values behind what is said, each by its name; the sentence of the log is not for people here."""
    shown = (
        words("notices").say(f"params.{name}", language) + value
        for name, value in summary.reason.params.items()
        if name in PARAMS
    )
    text = ", ".join(shown)
    return f" ({text})" if text else ""


def _said(name: str, language: Language) -> tuple[str, str]:
    """Return what is the matter and what to do, by the file's code or state."""
    return words("notices").say(f"{name}.message", language), words("notices").say(f"{name}.remedy", language)
