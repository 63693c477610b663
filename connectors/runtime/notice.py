"""What a person is told of a file as a whole, above the verdicts on its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from connectors.runtime.outbox.rows import FileState, FileSummary, Reason
from connectors.runtime.told import file_words
from connectors.source.problem import FileCode
from hub.domain.key import show_key
from schemas.words import Language, words

NOTICE_HEADERS: Final = ("file", "state", "message", "remedy")
KEYS_MAX: Final = 20  # of vanished rows that are named
UNFIT: Final = "UNFIT"  # the file can be read, and is not what its mapping expects
SEVERAL_MAPPINGS: Final = "SEVERAL_MAPPINGS"  # and it is not said which of them takes what
UNMAPPED: Final = "UNMAPPED"  # no mapping is for the file's name
LOCK_FILE: Final = "LOCK_FILE"
TEMPORARY: Final = "TEMPORARY"
STRANGE: Final = "STRANGE"  # a link, a pipe, a folder, … under the name of a sheet
UNLISTED: Final = "UNLISTED"  # a folder among the sheets that can't be looked into
COPY: Final = "COPY"  # the file is named like a copy of another that is there
NOTICE_CODES: Final = (
    UNFIT, SEVERAL_MAPPINGS, UNMAPPED, LOCK_FILE, TEMPORARY, STRANGE, UNLISTED, COPY, FileState.LOCKED,
)  # fmt: skip
ROWS_GONE: Final = "rows_gone"
MOVED: Final = "moved"  # the file is gone, and other files name all of its rows
IS_COPY: Final = "copy"
NOTICE_STATES: Final = (ROWS_GONE, MOVED, IS_COPY)
# Of a file that waits, how many rows it is about; of one that is refused, what was looked for, and what is allowed.
PARAMS: Final = (
    "known", "changed", "vanished", "column", "columns", "sheet", "sheets", "row", "encoding", "candidates", "max",
    "bytes_max", "file", "mappings",
)  # fmt: skip
TOLD_STATES: Final = (FileState.REFUSED, FileState.TOO_LARGE, FileState.WAITING, FileState.VANISHED)


@dataclass(frozen=True, slots=True)
class Notice:
    """One line about a file, as a person reads it."""

    file: str
    state: str
    said: str
    todo: str


def notices_for(
    summary: FileSummary, orphans: Sequence[str], language: Language, *, copy_of: str | None = None
) -> list[Notice]:
    """Return what is to be said of a file as a whole; nothing, if all is well with it.

    Shapes: orphans are the keys of what HQ has, and what this file named last; copy_of is the file that it looks like a
            copy of.
    """
    found = []
    if summary.state == FileState.VANISHED and not orphans:
        found.append(Notice(summary.name, _state(MOVED, language), *file_words(MOVED, {}, language)))
    elif summary.state in (*TOLD_STATES, FileState.UNMAPPED) and (in_words := told(summary, language)) is not None:
        said, todo = in_words
        text = f"{said}. {words('notices').say('old_verdicts', language)}"
        state = FileState.REFUSED if summary.state == FileState.UNMAPPED else summary.state
        found.append(Notice(summary.name, _state(state, language), text, todo))
    if copy_of is not None:
        found.append(Notice(summary.name, _state(IS_COPY, language), *file_words(COPY, {"file": copy_of}, language)))
    if orphans:
        found.append(orphans_notice(summary.name, orphans, language))
    return found


def orphans_notice(file: str, orphans: Sequence[str], language: Language) -> Notice:
    """Return what is said of what HQ has, and no sheet names any more, by the file that named it last."""
    said, todo = file_words(ROWS_GONE, {}, language)
    keys = ", ".join(map(show_key, orphans[:KEYS_MAX])) + (" …" if len(orphans) > KEYS_MAX else "")
    count = f" ({len(orphans)})" if len(orphans) > KEYS_MAX else ""
    return Notice(file, _state(ROWS_GONE, language), f"{said}{count}: {keys}", todo)


def told(summary: FileSummary, language: Language) -> tuple[str, str] | None:
    """Return what is the matter with a file that is not taken, and what to do; None where there are no words for it."""
    name = _text_of(summary)
    if f"{name}.message" not in words("notices").texts:
        return None
    return file_words(name, summary.reason.params, language)


def in_words(state: FileState, reason: Reason, language: Language) -> str | None:
    """Return why a file is not taken, and what to do, on a terminal.

    None where the sentence of the log is to be had: in English, where it says more, and where there are no words.
    """
    found = None if language == "en" else told(FileSummary("", state, reason, {}), language)
    return None if found is None else f"{found[0]}. {found[1]}"


def _state(state: str, language: Language) -> str:
    return words("notices").say(f"states.{state}", language)


def _text_of(summary: FileSummary) -> str:
    """Return the name of what is said of a file: by its code, by its state if it has none that we know.

    0.1 kept no code of a file that is too large.
    """
    code = FileCode.FILE_TOO_LARGE if summary.state == FileState.TOO_LARGE else summary.reason.code
    return code if f"{code}.message" in words("notices").texts else summary.state
