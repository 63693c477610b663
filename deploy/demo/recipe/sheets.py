"""Sheets as offices save them, with the fate of every row written down beside it."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

from openpyxl import Workbook

_MOMENT: Final = dt.datetime(2026, 1, 1)  # noqa: DTZ001  a workbook's properties have no zone; fixed, so that the bytes are the same


class Sheet:
    """The rows of one file, in order, each with what must become of it.

    `add` takes cells, or the exact bytes of a line that no writer would make. States: accepted, refused (by the
    connector), rejected (by HQ), unchanged, blank.
    """

    def __init__(self, path: str, header: list[str]) -> None:
        self.path = path
        self.header = header
        self.rows: list[list[Any] | bytes] = []
        self.fates: Counter[tuple[str, str]] = Counter()

    def add(self, cells: list[Any] | bytes, state: str = "accepted", code: str = "") -> None:
        """Add a row that must end in `state`, under `code` if that is refused or rejected."""
        assert isinstance(cells, bytes) or len(cells) == len(self.header), (self.path, cells)
        self.rows.append(cells)
        self.fates[state, code] += 1

    def blank(self) -> None:
        """Add a row with nothing in it."""
        self.add([None] * len(self.header), "blank")

    def expected(self) -> dict[str, Any]:
        """Return how many rows must end in which state, and under which code."""
        found: dict[str, Any] = {"rows": sum(self.fates.values())}
        for state in ("accepted", "unchanged", "blank"):
            found[state] = self.fates[state, ""]
        for state in ("refused", "rejected"):
            codes = {code: count for (has, code), count in sorted(self.fates.items()) if has == state}
            found[state] = {"rows": sum(codes.values()), "codes": codes}
        return found

    def write_csv(self, folder: Path, encoding: str, delimiter: str = ",") -> None:
        """Write as text; CRLF, as offices do."""
        lines = [_line(self.header, delimiter).encode(encoding)]
        plain = encoding.removesuffix("-sig")
        lines += [cells if isinstance(cells, bytes) else _line(cells, delimiter).encode(plain) for cells in self.rows]
        path = folder / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\r\n".join(lines) + b"\r\n")

    def write_jsonl(self, folder: Path) -> None:
        """Write one object a line; a header name with a dot becomes an object within."""
        lines = []
        for cells in self.rows:
            if isinstance(cells, bytes):
                lines.append(cells)
                continue
            record: dict[str, Any] = {}
            for name, value in zip(self.header, cells, strict=True):
                outer, _, inner = name.partition(".")
                if inner:
                    record.setdefault(outer, {})[inner] = value
                elif value is not None:
                    record[name] = value
            lines.append(json.dumps(record, ensure_ascii=False).encode())
        path = folder / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\n".join(lines) + b"\n")

    def write_xlsx(self, folder: Path, title: str = "") -> None:
        """Write as a workbook, with a title merged over the header where offices like one."""
        book = Workbook()
        sheet = book.worksheets[0]
        sheet.title = "Sheet1"
        if title:
            sheet.append([title])
            sheet.merge_cells(start_row=1, start_column=1, end_row=1, end_column=len(self.header))
        sheet.append(self.header)
        for cells in self.rows:
            assert not isinstance(cells, bytes)
            sheet.append(cells)
        book.properties.created = book.properties.modified = _MOMENT
        book.properties.creator = "cohub demo"
        path = folder / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        written = io.BytesIO()
        book.save(written)
        _write_stable(path, written, _MOMENT)


def _line(cells: list[Any], delimiter: str) -> str:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="").writerow(
        ["" if cell is None else cell for cell in cells]
    )
    return written.getvalue()


def _write_stable(path: Path, written: io.BytesIO, moment: dt.datetime) -> None:
    """Pack the workbook again with fixed times: the same rows give the same bytes on every machine."""
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":  # the library puts the time of saving there
                head, _, rest = content.partition(b"<dcterms:modified")
                inside, close, tail = rest.partition(b"</dcterms:modified>")
                content = head + b"<dcterms:modified" + inside[: inside.index(b">") + 1] + stamp + close + tail
            info = zipfile.ZipInfo(name, (moment.year, moment.month, moment.day, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, content)
