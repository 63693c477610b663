"""What lies in an office's folder, sheets of every kind, mappings, settings; what is answered to it over HTTPS."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import orjson
import yaml
from aiokafka import TopicPartition

from connectors.mapping import outcomes, read_mapping
from connectors.mapping.compiled import compile_mapping
from connectors.runtime.https.answers import read_ends, read_given, read_got, read_offset, read_page, read_refusal
from connectors.runtime.https.faults import Failed, refused
from connectors.runtime.life import Life
from connectors.runtime.told import told_of
from connectors.source.reader import read_table
from connectors.source.table import FormatOptions, Limits
from hub.protocol.errors import CohubError, Malformed
from hub.protocol.problem import MEDIA_TYPE
from hub.protocol.session import NONCE_BYTES
from tests.fuzz.target import Script, Target

CASES = Path(__file__).parents[1] / "data" / "cases"
LIMITS = Limits()
PLACE = TopicPartition("out.uz", 0)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


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


def _answer(data: bytes) -> None:
    """Read what somebody on the way may answer: nothing of it leads out of the topic, or back."""
    script = Script(data)
    which, asked, body = script.number(4), script.number(16), data[2:]
    if which == 0:
        page = read_page(body, PLACE, asked)
        offsets = [record.offset for record in page.records]
        assert offsets == sorted(set(offsets))
        assert all(asked <= offset < page.next for offset in offsets)
        assert page.next >= asked
    elif which == 1:
        assert 0 <= read_ends(body).begin <= read_ends(body).end
    elif which == 2:
        assert len(read_given(body).nonce) == NONCE_BYTES
        read_got(body)
    else:
        refusal = read_refusal(MEDIA_TYPE, body)
        assert told_of(refused(Failed(refusal, 400 + asked, "https://hq.example", 1.0, NOW))).text("ru")
        read_offset(body, "in.uz", asked)


def _answers() -> list[bytes]:
    record = {
        "offset": 3,
        "timestamp": 1,
        "timestamp_type": 1,
        "key": None,
        "value": "eA==",
        "headers": [["a", "eA=="]],
    }
    page = {"records": [record], "begin": 0, "end": 9, "next": 4}
    time = "2026-03-01T12:00:00.000000Z"
    given = {"hub": "hub.example", "address": "https://hq.example", "nonce": "A" * 43 + "=", "time": time}
    problem = {"type": "urn:cohub:problem:clock", "title": "clocks", "status": 401, "time": time}
    written = {"topic": "in.uz", "offset": 1, "count": 3, "type": "urn:cohub:problem:offset", "begin": 0, "end": 3}
    said = [(0, page), (1, page), (2, given | {"session": "s", "until": time}), (3, problem), (3, written)]
    return [bytes([which, 3]) + orjson.dumps(each) for which, each in said]


OFFICES = (
    Target("answer", _answer, _answers, bytes_max=4096),
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
