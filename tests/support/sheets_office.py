"""An office on disk, with no broker: its folder is looked at when a test says so, and its events are answered by HQ."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openpyxl

from connectors.runtime.codecs import Codecs
from connectors.runtime.folder import Folder
from connectors.runtime.gather import Gatherer
from connectors.runtime.ids import EventIds
from connectors.runtime.office import Office, read_office
from connectors.runtime.outbox import Outbox
from connectors.runtime.sheets import VerdictSheets, sheet_of
from connectors.runtime.signals import Replans, Signal
from hub.protocol.note import Signer, sign_note
from hub.protocol.receipt import Decision
from hub.protocol.trust import Trust
from tests.support.office import Office as Answered

HUB = "hub.example"
MAPPING = """\
files: ["offers*"]
stream: offer
key: Number
fields:
  title: {column: Title}
  language: {value: en}
  export_control: {value: free}
"""
SETTINGS = """\
hub: hub.example
center: uz
bootstrap: 127.0.0.1:1
language: en
settle_s: 0
file_settle_s: 0
"""


def lay_out(path: Path, mappings: Mapping[str, str], more: str = "") -> None:
    """Make an office's folder: its mappings by their files' names, its settings, what it trusts, and its key."""
    (path / "mappings").mkdir(parents=True)
    (path / "keys").mkdir()
    for name, text in mappings.items():
        (path / "mappings" / name).write_text(text, "utf-8")
    (path / "connector.yaml").write_text(SETTINGS + more, "utf-8")
    root, receipts = Signer(f"{HUB}/root", b"r" * 32), Signer(f"{HUB}/receipts", b"x" * 32)
    (path / "trust.note").write_bytes(
        sign_note(Trust(HUB, root.verifier, (receipts.verifier,)).to_text(), [root]).to_bytes()
    )
    key = path / "keys" / "seal.key"
    key.write_text(Signer(f"{HUB}/uz", b"k" * 32).to_text(), "ascii")
    key.chmod(0o600)


class SheetsOffice:
    """An office with its folder, its outbox and its verdict sheets.

    Shapes: mappings are by their file's name; `more` are lines of connector.yaml.
    """

    def __init__(self, path: Path, mappings: Mapping[str, str] | None = None, more: str = "") -> None:
        self.path = path
        lay_out(path, mappings or {"offers.yaml": MAPPING}, more)
        self.codecs = Codecs()
        self.start()

    def start(self) -> None:
        """Begin as after a restart: all that is not in the outbox is forgotten."""
        self.office: Office = read_office(self.path)
        self.hq = Answered(self.office.outbox, self.codecs)
        self.replans = Replans()
        gatherer = Gatherer(
            self.outbox,
            self.codecs,
            EventIds(),
            settle_s=self.office.settings.settle_s,
            guard=self.office.settings.guard,
            clock=time.monotonic,
        )
        self.folder = Folder(self.office, self.outbox, gatherer, self.replans, Signal())
        self.sheets = VerdictSheets(self.office, self.outbox, lambda: self.folder.mappings, Signal())

    def restart(self) -> None:
        """End, and begin again."""
        self.outbox.close()
        self.start()

    @property
    def outbox(self) -> Outbox:
        return self.hq.outbox

    def write(self, name: str, *rows: str, head: str = "Number,Title") -> Path:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([head, *rows, ""]), "utf-8")
        return path

    def book(self, name: str, **sheets: list[tuple[str, str]]) -> None:
        """Write a workbook with worksheets of numbers and titles."""
        made = openpyxl.Workbook()
        made.remove(made.worksheets[0])
        for title, rows in sheets.items():
            sheet = made.create_sheet(title)
            for row in [("Number", "Title"), *rows]:
                sheet.append(row)
        made.save(self.path / name)
        made.close()

    def look(self, *, times: int = 4) -> None:
        """Look at the folder until what is new in it has stood still and was read, and what is gone is gone."""
        for _ in range(times):
            self.folder._aside.again()
            self.folder._pass()
        self.sheets.write()

    def accept(self, *decisions: Decision) -> None:
        """Have HQ answer all that is queued."""
        if self.outbox.lane.epoch is None:
            self.hq.open()
        while (batch := self.outbox.lane.seal(self.hq.key)) is not None:
            self.hq.answer(batch.first, batch.last, *decisions)
        self.sheets.write()

    def settle(self) -> None:
        """Look, have all of it accepted, and look again."""
        self.look()
        self.accept()
        self.look()
        self.accept()

    def rows(self, unit: str) -> dict[str, str]:
        """Return, by key, what became of each row that has one; of a refused row its code."""
        return {v.key: v.code if v.state == "refused" else v.state for v in self.outbox.rows.verdicts(unit) if v.key}

    def held(self) -> dict[str, tuple[str, str]]:
        """Return what HQ has accepted: by key, the newest title and the status."""
        found: dict[str, tuple[str, str]] = {}
        for type_, subject, value, status in self.outbox.database.read(
            "SELECT type, subject, value, status FROM event WHERE type LIKE 'net.cohub.offer.%' ORDER BY id"
        ):
            key = subject.partition(":")[2]
            said = self.codecs.value(type_, value).get("title", found.get(key, ("",))[0])
            found[key] = (said, status)
        return found

    def orphans(self) -> dict[str, tuple[str, int | None]]:
        """Return, by key, where each orphan was named last."""
        return {orphan.key: (orphan.file, orphan.number) for orphan in self.outbox.orphans.all()}

    def files(self) -> dict[str, str]:
        """Return the state of each file that `status` shows."""
        return {name: entry["state"] for name, entry in self.outbox.status()["files"].items()}

    def block(self, name: str, sheet: str = "cohub") -> list[list[Any]]:
        """Return the rows of a verdict sheet as they are read, top to bottom."""
        book = openpyxl.load_workbook(sheet_of(self.office, name))
        rows = [[cell.value for cell in row] for row in book[sheet].iter_rows()]
        book.close()
        return rows

    def said(self, name: str, sheet: str = "cohub") -> str:
        """Return all texts of a verdict sheet."""
        return "\n".join(str(cell) for row in self.block(name, sheet) for cell in row if cell is not None)
