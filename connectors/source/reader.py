"""One way in: bytes (or a file) to a table, whatever the kind."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from connectors.source.delimited import read_delimited
from connectors.source.jsonl import read_jsonl
from connectors.source.problem import FileBusy, FileCode, FileRefused
from connectors.source.table import FormatOptions, Kind, Limits, Table
from connectors.source.workbook import read_workbook

KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MARK_BYTES = 64 * 1024
_OTHER_WORKBOOKS = (
    (b"application/vnd.oasis.opendocument", "LibreOffice or OpenOffice"),
    (b"xl/workbook.bin", "Excel's binary kind (.xlsb)"),
    (b"Index/Document.iwa", "Apple Numbers"),
)
_MARKUP = re.compile(
    rb"(?:<!--.*?-->\s*)?<(?:!doctype|html|head|meta|body|table|style|\?xml)\b", re.IGNORECASE | re.DOTALL
)
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_READERS = {"csv": read_delimited, "xlsx": read_workbook, "jsonl": read_jsonl}


def read_table(
    path: PurePath | str, data: bytes, wanted: FormatOptions | None = None, limits: Limits | None = None
) -> Table:
    """Return the table in a file's bytes. Pure: the path gives only the kind and the name in messages.

    Errors: FileRefused; a broken row is a problem in the table.
    """
    path = PurePath(path)
    wanted = wanted or FormatOptions()
    limits = limits or Limits()
    if len(data) > limits.file_bytes_max:
        raise FileRefused(
            FileCode.FILE_TOO_LARGE,
            f"expected at most {limits.file_bytes_max} bytes, {path.name} has {len(data)}",
            bytes_max=limits.file_bytes_max,
        )
    return _READERS[_kind(path, data, wanted.kind)](path, data, wanted, limits)


def load(path: Path, wanted: FormatOptions | None = None, limits: Limits | None = None) -> Table:
    """Return the table in a file.

    Errors: FileBusy if it is locked, gone or not reachable; FileRefused.
    """
    limits = limits or Limits()
    try:
        with path.open("rb") as file:
            data = file.read(limits.file_bytes_max + 1)
    except OSError as exc:
        raise FileBusy(f"cannot read {path}: {exc.strerror or exc}; close it elsewhere, or check the share") from exc
    return read_table(path, data, wanted, limits)


def _kind(path: PurePath, data: bytes, named: Kind | None) -> Kind:
    """Return how to read the bytes; what they begin with counts more than the name, which people change.

    Errors: FileRefused(ENCRYPTED, OLD_WORKBOOK, OTHER_WORKBOOK, NO_WORKBOOK, UNKNOWN_KIND).
    """
    if data.startswith(_OLE):
        if _ENCRYPTED in data[: 1024 * 1024] or _ENCRYPTED in data[-1024 * 1024 :]:
            raise FileRefused(FileCode.ENCRYPTED, f"{path.name} is protected with a password; save it without one")
        raise FileRefused(FileCode.OLD_WORKBOOK, f"{path.name} is in the old .xls format; save it as .xlsx")
    if data.startswith(_ZIP):
        if other := next(
            (name for mark, name in _OTHER_WORKBOOKS if mark in data[:_MARK_BYTES] + data[-_MARK_BYTES:]), None
        ):
            said = f"{path.name} is a workbook of {other}; save it as .xlsx"
            raise FileRefused(FileCode.OTHER_WORKBOOK, said)
        return "xlsx"
    if _MARKUP.match(_beginning(data)):
        said = f"{path.name} is a web page or XML under the name of a sheet; open it in Excel and save it as .xlsx"
        raise FileRefused(FileCode.NO_WORKBOOK, said)
    kind = named or KINDS.get(path.suffix.lower())
    if kind is None:
        hint = (
            "; a list in brackets is no JSON lines: write one object a line" if path.suffix.lower() == ".json" else ""
        )
        raise FileRefused(FileCode.UNKNOWN_KIND, f"expected one of {', '.join(KINDS)}, came {path.name}{hint}")
    return kind


def _beginning(data: bytes) -> bytes:
    """Return the first bytes without marks and NULs, so that UTF-16 reads like ASCII."""
    return data[:1024].lstrip(b"\xef\xbb\xbf\xff\xfe").replace(b"\0", b"").lstrip()
