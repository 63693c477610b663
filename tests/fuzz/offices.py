"""What lies in an office's folder: sheets of every kind, mappings, settings."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import yaml

from connectors.mapping import outcomes, read_mapping
from connectors.mapping.compiled import compile_mapping
from connectors.runtime.life import Life
from connectors.source.reader import read_table
from connectors.source.table import FormatOptions, Limits
from hub.protocol.errors import CohubError, Malformed
from tests.fuzz.target import Script, Target

CASES = Path(__file__).parents[1] / "data" / "cases"
LIMITS = Limits()


def _cases(*suffixes: str, bytes_max: int) -> list[bytes]:
    found = {path.read_bytes() for path in CASES.rglob("*") if path.suffix in suffixes}
    return sorted((data for data in found if len(data) <= bytes_max), key=len)


def _csv(data: bytes) -> None:
    read_table("sheet.csv", data, FormatOptions(), LIMITS)


def _jsonl(data: bytes) -> None:
    read_table("sheet.jsonl", data, FormatOptions(), LIMITS)


def _xlsx(data: bytes) -> None:
    read_table("sheet.xlsx", data, FormatOptions(), LIMITS)


def _parts() -> dict[str, bytes]:
    smallest = min((path for path in CASES.rglob("*.xlsx")), key=lambda path: path.stat().st_size)
    with zipfile.ZipFile(smallest) as book:
        return {name: book.read(name) for name in book.namelist()}


PARTS = sorted(_parts().items())


def _xlsx_part(data: bytes) -> None:
    """Read a workbook of which one part is somebody's: mutations of a whole zip end at its checksums."""
    script = Script(data)
    changed = script.number(len(PARTS))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as book:
        for number, (name, content) in enumerate(PARTS):
            book.writestr(name, data[1:] if number == changed else content)
    read_table("sheet.xlsx", made.getvalue(), FormatOptions(), LIMITS)


def _mapping(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise Malformed("no UTF-8") from exc
    compile_mapping(read_mapping(text, "offers.yaml"), "uz")


DEALS = read_mapping((CASES / "01-decimal-guessed-from-dates" / "mapping.yaml").read_text("utf-8"), "deals.yaml")
HEAD = b"".join((CASES / "01-decimal-guessed-from-dates" / "deals.csv").read_bytes().splitlines(keepends=True)[:1])


def _rows(data: bytes) -> None:
    """Read a sheet with the columns that are mapped, and what each of its rows says."""
    table = read_table("deals.csv", HEAD + data, FormatOptions(), LIMITS)
    for outcome in outcomes(DEALS, table, "uz"):
        assert outcome.row >= 0


def _life(data: bytes) -> None:
    Life.from_bytes(data)


OFFICES = (
    Target("csv", _csv, lambda: _cases(".csv", bytes_max=4096), bytes_max=8192),
    Target("jsonl", _jsonl, lambda: _cases(".jsonl", ".ndjson", bytes_max=4096), bytes_max=8192),
    Target("xlsx", _xlsx, lambda: _cases(".xlsx", bytes_max=12_000)[:40], bytes_max=16_384),
    Target("xlsx-part", _xlsx_part, lambda: [bytes([n]) + part for n, (_, part) in enumerate(PARTS)], bytes_max=16_384),
    Target(
        "mapping",
        _mapping,
        lambda: _cases(".yaml", ".yml", bytes_max=4096),
        (CohubError, yaml.YAMLError),
        bytes_max=8192,
    ),
    Target("rows", _rows, lambda: [s.partition(b"\n")[2] for s in _cases(".csv", bytes_max=2048)], (CohubError,)),
    Target("life", _life, lambda: [b'{"pid": 1}', b"{}"]),
)
