"""Says on top of every verdict sheet that the connector has stopped: who only knows Excel learns it there.

What is written over is made anew at the next start, for it no longer has the mark that the connector leaves.
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import structlog

from connectors.runtime.life import Ended
from connectors.runtime.local_time import show_time
from connectors.runtime.verdicts import FOLDER, SUFFIX, escape
from hub.base import durable, files
from hub.base.zips import BROKEN, open_zip
from schemas.words import Language, words
from schemas.words.said import said

MARK: Final = "cohub:ended"  # on a sheet that has the notice
LINES: Final = 3  # a header, the notice, a blank line
SHEETS_MAX: Final = 200
_SHEET_BYTES_MAX: Final = 64 << 20
_UNPACKED_MAX: Final = 512 << 20
TELL_S: Final = 10.0  # the end is not held up for longer
GRACE_S: Final = 1.0  # for the sheet that is written just then

log = structlog.get_logger(__name__)


def tell_end(sources: Path, ended: Ended, language: Language, tell_s: float = TELL_S) -> int:
    """Write on top of the verdict sheets beneath a folder how the connector ended; return on how many.

    A sheet that is open elsewhere, damaged, or no file at all is passed over; so is what no time is left for, for the
    process is to end: the small ones come first. A sheet that takes all of the time is left behind in its thread.
    """
    done: list[Path] = []
    ends_s = time.monotonic() + tell_s
    telling = threading.Thread(target=_tell, args=(sources, ended, language, ends_s, done), daemon=True)
    telling.start()
    telling.join(tell_s + GRACE_S)
    if telling.is_alive():
        log.warning("end_not_told", file=str(sources))
    return len(done)


def _tell(sources: Path, ended: Ended, language: Language, ends_s: float, done: list[Path]) -> None:
    for path in _find_sheets(sources, ends_s):
        if time.monotonic() >= ends_s:
            log.warning("end_not_told", file=str(path))
            break
        with contextlib.suppress(*BROKEN, SyntaxError):
            data = files.read(path, _SHEET_BYTES_MAX, sources)
            durable.write(path, _topped(data, ended, language), under=sources)
            done.append(path)


def _find_sheets(sources: Path, ends_s: float) -> list[Path]:
    """Return the verdict sheets beneath a folder, as many as are found in time, the smallest first."""
    found: list[tuple[int, Path]] = []
    with contextlib.suppress(OSError):
        for path in files.walk(sources):
            if path.parent.name == FOLDER and path.name.endswith(SUFFIX):
                found.append((files.look(path).st_size, path))
            if len(found) == SHEETS_MAX or time.monotonic() >= ends_s:
                break
    return [path for _, path in sorted(found)]


def end_text(ended: Ended, language: Language) -> str:
    """Return in one sentence that the connector ended, when and why."""
    return said("ends.at", at=show_time(ended.at), why=ended.why).text(language)


def _topped(data: bytes, ended: Ended, language: Language) -> bytes:
    from openpyxl import load_workbook  # noqa: PLC0415  a connector that goes on doesn't pay for it in memory
    from openpyxl.styles import Alignment, Font, PatternFill  # noqa: PLC0415

    with open_zip(io.BytesIO(data)) as parts:
        if sum(part.file_size for part in parts.infolist()) > _UNPACKED_MAX:
            raise BadZipFile("it is no sheet of verdicts")
    book = load_workbook(io.BytesIO(data))
    sheet = book.worksheets[0]
    freeze, filtered = sheet.freeze_panes, sheet.auto_filter.ref
    if book.properties.identifier != MARK:  # a second end without a start between replaces the first one's notice
        sheet.insert_rows(1, LINES)
        sheet.freeze_panes = _lower(freeze)
        sheet.auto_filter.ref = _lower(filtered)
    book.properties.identifier = MARK
    headers = words("notices")
    for column, name in ((3, "state"), (4, "message"), (5, "remedy")):
        sheet.cell(1, column, headers.say(f"headers.{name}", language)).font = Font(bold=True)
    todo = said("ends.remedy").text(language)
    for column, text in ((3, said("ends.state").text(language)), (4, end_text(ended, language)), (5, todo)):
        cell = sheet.cell(2, column, escape(text))
        cell.data_type = "s"
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.cell(2, 3).fill = PatternFill("solid", start_color="F8CBAD")
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def _lower(reference: str | None) -> str | None:
    """Return a reference such as `A2` or `A1:E9`, so many rows further down."""
    from openpyxl.utils.cell import coordinate_from_string  # noqa: PLC0415

    if not reference:
        return reference
    ends = [coordinate_from_string(end) for end in reference.split(":")]
    return ":".join(f"{column}{row + LINES}" for column, row in ends)
