"""However hostile a sheet is, a connector's event loop goes on turning while it is read: presence, sending, signals."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import yaml

from hub.kafka.memory import MemoryBroker
from hub.protocol.topics import CHECKPOINTS, LANE, TRUST
from tests.support.folder import MAPPING, OfficeFolder, until
from tests.unit.test_growth import book, numbers, row

SHARE_MAX: Final = 0.25  # of the time that the reading takes; what holds the interpreter would take nearly all of it
GAP_S: Final = 2.0  # a busy machine takes as long now and then
HEAD: Final = row(1, "No", "Title", "Control", "Status")


def text(line: str, size: int) -> bytes:
    return ("No,Title,Control,Status\n" + line * (size // len(line))).encode()


def cells(cell: str, count: int, style: int = 0) -> bytes:
    rows = (row(at + 2, str(at), cell, "free", "published", style=style) for at in range(count))
    return book((HEAD, *rows), styles=numbers('"' * 50 + "[$" * 40, 500))


def packed(size: int) -> bytes:
    """Return a workbook whose sheet is a few thousand times as large as the file."""
    data = book((HEAD, row(2, "1", "x" * size, "free", "published")))
    out = io.BytesIO()
    deflated = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9)
    with zipfile.ZipFile(io.BytesIO(data)) as read, deflated as made:
        for name in read.namelist():
            made.writestr(name, read.read(name))
    return out.getvalue()


SHEETS: Final[dict[str, tuple[str, Callable[[], bytes]]]] = {
    "rows of a text": ("csv", lambda: text("1,Pump,free,published\n", 1 << 20)),
    "one line": ("csv", lambda: text("a ", 8 << 20)),
    "quotes": ("csv", lambda: text('"', 8 << 20)),
    "commas": ("csv", lambda: text(",", 8 << 20)),
    "8-bit letters": ("csv", lambda: text("1,Насос,free,published\n", 1 << 20).decode().encode("cp1251")),
    "bytes of all kinds": ("csv", lambda: bytes(range(1, 256)) * (1 << 15)),
    "unseen characters": ("csv", lambda: text("\u200b\u202e", 8 << 20)),
    "deep JSON": ("jsonl", lambda: b"[" * (4 << 20)),
    "a long number in JSON": ("jsonl", lambda: b'{"No": ' + b"9" * (4 << 20) + b"}"),
    "cells": ("xlsx", lambda: cells("Pump", 10_000)),
    "formats": ("xlsx", lambda: cells("1,1,1", 5_000, style=400)),
    "one cell": ("xlsx", lambda: packed(16 << 20)),
    "spaces": ("xlsx", lambda: book((HEAD, '<row r="2"><c r="A2">' + " " * (8 << 20) + "</row>"))),
    "deep": ("xlsx", lambda: book((HEAD, row(2, "1")), styles="<a>" * 500_000 + "</a>" * 500_000)),
    "shared texts": ("xlsx", lambda: book((HEAD, row(2, "1")), strings="<si><t>x</t></si>" * 300_000)),
    "merged areas": (
        "xlsx",
        lambda: book(
            (HEAD, *(row(at + 2, str(at), "Pump", "free", "published") for at in range(20_000))),
            behind="<mergeCells>"
            + "".join(f'<mergeCell ref="B{2 + at}:B{3 + at}"/>' for at in range(0, 20_000, 2))
            + "</mergeCells>",
        ),
    ),
}


@asynccontextmanager
async def turning() -> AsyncIterator[list[float]]:
    """Note how long the event loop did not turn, in the process's own time: other programs are no matter."""
    gaps: list[float] = []

    async def turn() -> None:
        while True:
            begun = time.process_time()
            await asyncio.sleep(0.005)
            gaps.append(time.process_time() - begun)

    task = asyncio.create_task(turn())
    try:
        yield gaps
    finally:
        task.cancel()


@pytest.mark.parametrize("name", SHEETS)
@pytest.mark.long
async def test_event_loop_turns_while_a_hostile_sheet_is_read(name: str, tmp_path: Path) -> None:
    """The longest time in which it does not is a small part of the reading, or shorter than a busy machine takes."""
    kind, make = SHEETS[name]
    center = "uz"
    broker = MemoryBroker({f"in.{center}": 1, f"out.{center}": 1, TRUST: 1, LANE: 1, CHECKPOINTS: 1, "state.lane": 8})
    office = OfficeFolder(tmp_path / "office", center, "memory:1", broker, registry_wait_s=0.1)
    mapping = MAPPING | {"files": f"offers*.{kind}"}
    (office.folder / "mappings" / "offers.yaml").write_text(yaml.safe_dump(mapping))
    data = make()
    async with office.running() as connector:
        await until(connector.sender.ready.is_set)
        async with turning() as gaps:
            begun = time.process_time()
            part = office.folder / "offers.part"
            part.write_bytes(data)
            part.replace(office.folder / f"offers.{kind}")
            await until(lambda: f"offers.{kind}" in connector.folder.dealt_with, 120)
            took_s = time.process_time() - begun
    assert max(gaps) < max(GAP_S, SHARE_MAX * took_s), f"{max(gaps):.1f} s of {took_s:.1f} s"
