"""One way in: bytes (or a file) to a table, whatever the kind."""

from __future__ import annotations

from pathlib import Path, PurePath

from connectors.source.delimited import read_delimited
from connectors.source.jsonl import read_jsonl
from connectors.source.kind import ZIP, sniff
from connectors.source.problem import FileBusy, FileCode, FileRefused
from connectors.source.table import FormatOptions, Kind, Limits, Table
from connectors.source.workbook import read_workbook, worksheets
from hub.base import files

KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
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
        raise _too_large(path, limits.file_bytes_max)
    return _READERS[_kind(path, data, wanted.kind)](path, data, wanted, limits)


def sheet_names(path: PurePath | str, data: bytes, limits: Limits | None = None) -> list[str] | None:
    """Return the names of a workbook's visible worksheets, None for a file that has none. Errors: FileRefused."""
    path = PurePath(path)
    return worksheets(path, data, limits or Limits()) if _kind(path, data, None) == "xlsx" else None


def load(path: Path, wanted: FormatOptions | None = None, limits: Limits | None = None) -> Table:
    """Return the table in a file.

    Errors: FileBusy if it is locked, gone or not reachable; FileRefused.
    """
    limits = limits or Limits()
    try:
        data = files.read_named(path, limits.file_bytes_max)
    except files.OversizeError:
        raise _too_large(path, limits.file_bytes_max) from None
    except OSError as exc:
        raise FileBusy(f"cannot read {path}: {exc.strerror or exc}; close it elsewhere, or check the share") from exc
    return read_table(path, data, wanted, limits)


def _too_large(path: PurePath, bytes_max: int) -> FileRefused:
    said = f"expected at most {bytes_max} bytes, {path.name} has more"
    return FileRefused(FileCode.FILE_TOO_LARGE, said, bytes_max=bytes_max)


def _kind(path: PurePath, data: bytes, named: Kind | None) -> Kind:
    """Return how to read the bytes; what they begin with counts more than the name, which people change.

    Errors: FileRefused(ENCRYPTED, OLD_WORKBOOK, OTHER_WORKBOOK, NO_WORKBOOK, WEB_PAGE, UNKNOWN_KIND).
    """
    refused = sniff(path, data, by_name=named is None)
    if refused is not None:
        raise refused
    if data.startswith(ZIP):
        return "xlsx"
    kind = named or KINDS.get(path.suffix.lower())
    if kind is None:
        raise FileRefused(
            FileCode.UNKNOWN_KIND,
            f"expected one of {', '.join(KINDS)}, came {path.name}; save it as .xlsx or .csv",
        )
    return kind
