"""Sheets that name persons, from the row to the outbox: what is kept, what is sent, what the office is told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from structlog.testing import capture_logs

from connectors.mapping import PersonField, PersonSaid, person_identity
from connectors.runtime.codecs import Codecs
from connectors.runtime.folder import Folder
from connectors.runtime.gather import Gatherer
from connectors.runtime.ids import EventIds
from connectors.runtime.office import Office
from connectors.runtime.outbox import Outbox
from connectors.runtime.persons import Persons, RegisteredPerson, Sealing
from connectors.runtime.registry import Registry
from connectors.runtime.settings import make_settings
from connectors.runtime.sheets import VerdictSheets, sheet_of
from connectors.runtime.signals import Replans, Signal
from hub.domain.sealed import key_id_of
from hub.protocol.note import Signer
from hub.protocol.trust import Trust
from tests.support.hq_lane import LaneWriter

HUB = "hub.example"
MAPPING = """\
files: ["partners*.csv"]
stream: partner
key: [No]
fields:
  kind: {value: enterprise}
  name: {column: Name}
  country: {value: UZ}
persons:
  contact: {id: Mail, name: Who, email: Mail}
"""
HEAD = "No,Name,Who,Mail"
NIGORA = "P-1,Firm,Nigora Karimova,nigora@example.org"
TIMUR = "P-2,Institute,Timur Aliev,timur@example.org"
REGISTERED = {1: "net.cohub.partner.registered.v1", 2: "net.cohub.partner.registered.v2"}
REVISED = {1: "net.cohub.partner.revised.v1", 2: "net.cohub.partner.revised.v2"}


class Bench:
    """An office whose folder is looked at when the test says so, with no broker behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "mappings").mkdir(parents=True)
        (path / "mappings" / "partners.yaml").write_text(MAPPING, "utf-8")
        settings = make_settings(
            {"hub": HUB, "center": "uz", "bootstrap": "127.0.0.1:1", "settle_s": 0, "file_settle_s": 0}, "test"
        )
        root, receipts = Signer(f"{HUB}/root", b"r" * 32), Signer(f"{HUB}/receipts", b"x" * 32)
        trust = Trust(HUB, root.verifier, (receipts.verifier,))
        self.office = Office(path, settings, Signer(f"{HUB}/uz", b"k" * 32), trust)
        self.codecs = Codecs()
        self.start()

    def start(self) -> None:
        """Begin as a new process does."""
        self.outbox = Outbox(self.office.outbox)
        self.registry = Registry("uz")
        self.persons = Persons(self.path, HUB, "uz")
        gatherer = Gatherer(
            self.outbox, self.codecs, EventIds(), settle_s=0, guard=self.office.settings.guard, clock=time.monotonic
        )
        sealing = Sealing(self.persons, self.codecs.dataschemas(), self.registry, self.outbox.database)
        self.folder = Folder(self.office, self.outbox, gatherer, Replans(), Signal(), sealing)

    def stop(self) -> None:
        self.persons.close()
        self.outbox.close()

    def announce(self, *types: str) -> None:
        """Have HQ read these events; it has said all that it reads."""
        self.registry.follow(LaneWriter().open(*types).lane())
        self.registry.complete = True

    def write(self, *rows: str) -> None:
        (self.path / "partners.csv").write_text("\n".join([HEAD, *rows, ""]), "utf-8")

    def look(self) -> None:
        for _ in range(3):  # a file is seen, has stood still, and is read
            self.folder._pass()
        # A running one would wait while rows are pending.
        VerdictSheets(self.office, self.outbox, lambda: self.folder.mappings, Signal()).write()

    def said(self) -> list[tuple[str, str, str | None]]:
        """Every event so far: its type, its entity, its contact."""
        found = self.outbox.database.read("SELECT type, subject, value FROM event ORDER BY id")
        return [(kind, subject, self.decode(kind, value).get("contact")) for kind, subject, value in found]

    def decode(self, kind: str, value: bytes) -> dict[str, Any]:
        return self.codecs._encoders[kind].codec.decode(value[5:])

    def told(self) -> dict[str, tuple[str, str]]:
        """What the verdict sheet says of each key: state and message."""
        book = openpyxl.load_workbook(sheet_of(self.office, "partners.csv"))
        rows = [[cell.value for cell in row] for row in book["cohub"].iter_rows(min_row=2)]
        book.close()
        return {str(row[1]): (str(row[2]), str(row[3] or "")) for row in rows}

    def block(self) -> list[list[Any]]:
        """Return all that the verdict sheet says."""
        book = openpyxl.load_workbook(sheet_of(self.office, "partners.csv"))
        rows = [[cell.value for cell in row] for row in book["cohub"].iter_rows()]
        book.close()
        return rows

    def files(self) -> bytes:
        """Return all bytes of the office but the sheets."""
        paths = [p for p in self.path.rglob("*") if p.is_file() and p.suffix != ".csv"]
        return b"".join(path.read_bytes() for path in paths)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "office")


def known(persons: Persons, identity: str) -> RegisteredPerson:
    found = persons.find(identity)
    assert found is not None
    return found


def test_person_of_a_row_is_queued_sealed_and_stands_nowhere_else(bench: Bench) -> None:
    """The outbox, the verdicts and the log have the company's name, and of the person nothing."""
    bench.write(NIGORA, TIMUR, "P-3,Fund,,")
    with capture_logs() as logs:
        bench.look()
    said = bench.said()
    assert [(kind, subject) for kind, subject, _ in said] == [
        (REGISTERED[2], "uz:P-1"),
        (REGISTERED[2], "uz:P-2"),
        (REGISTERED[1], "uz:P-3"),
    ]
    for _, subject, contact in said[:2]:
        assert contact is not None
        parts = bench.persons.unseal(PersonField("partner", subject, "contact"), contact)
        assert parts is not None
        assert set(parts) == {"name", "email"}
    found = bench.files()
    assert b"Institute" in found
    for plain in ("Nigora", "Karimova", "nigora@", "Timur", "timur@"):
        assert plain.encode() not in found
        assert plain not in repr(logs)


@pytest.mark.parametrize("encoding", ["mac-cyrillic", "cp866", "windows-1251"])
def test_file_whose_encoding_is_uncertain_is_refused_without_quoting_a_person(bench: Bench, encoding: str) -> None:
    """How a cell reads in each encoding would be kept in the outbox and the log, where nothing is erased."""
    (bench.path / "partners.csv").write_bytes(f"{HEAD}\nP-1,Firm,Карим,karim@example.org\n".encode(encoding))
    with capture_logs() as logs:
        bench.look()
    ((state, code, params),) = bench.outbox.database.read("SELECT state, code, params FROM file")
    assert (state, code) == ("refused", "ENCODING_UNCERTAIN")
    assert encoding in params
    found = bench.files()
    readings = {"Карим".encode(encoding).decode(other, "replace") for other in ("cp866", "mac-cyrillic", "cp1251")}
    for plain in (*readings, "karim@"):
        assert plain.encode() not in found
        assert plain not in repr(logs)
        assert plain not in str(bench.block())


def test_row_that_looks_like_a_header_is_refused_without_quoting_a_person(bench: Bench) -> None:
    """The cell that is pointed at may be theirs."""
    head = "Who,Mail,No,Name\n"
    (bench.path / "partners.csv").write_text(f"{head}nigora.karimova,nigora_k,id,name\nA,a@example.org,P-2,Firm\n")
    with capture_logs() as logs:
        bench.look()
    ((code, params),) = bench.outbox.database.read("SELECT code, params FROM row WHERE number=2")
    assert (code, params) == ("LOOKS_LIKE_HEADER", "")
    assert b"karimova" not in bench.files()
    assert "karimova" not in repr(logs)


def test_unchanged_sheet_says_nothing_after_a_restart(bench: Bench) -> None:
    """Sealing is the same every time: reading the sheet again makes no event."""
    bench.write(NIGORA, TIMUR)
    bench.look()
    bench.stop()
    bench.start()
    bench.look()
    assert len(bench.said()) == 2
    bench.write(TIMUR, NIGORA)
    bench.look()
    assert len(bench.said()) == 2
    bench.write(NIGORA.replace("Karimova", "Rashidova"), TIMUR)
    bench.look()
    assert [kind for kind, _, _ in bench.said()[2:]] == [REVISED[2]]


def test_erased_person_is_told_to_hq_and_to_the_office(bench: Bench) -> None:
    """The sheet is read again by itself: HQ gets the marker, the row its remark, nobody else is touched."""
    bench.write(NIGORA, TIMUR)
    bench.look()
    sealed = bench.said()[0][2]
    assert sealed is not None
    with Persons(bench.path, HUB, "uz") as other_process:
        other_process.erase(known(other_process, person_identity(["NIGORA@example.org"])))
    bench.look()
    assert bench.said()[2:] == [(REVISED[2], "uz:P-1", f"erased.v1.{key_id_of(sealed)}")]
    assert "Mail: this person was erased and is not sent any more" in bench.told()["P-1"][1]
    assert bench.told()["P-2"][1] == "on its way, waits for HQ's answer"
    bench.write("P-1,Firm,,", TIMUR)
    bench.look()
    assert bench.said()[3:] == [(REVISED[1], "uz:P-1", None)]
    assert bench.told()["P-1"][1] == "on its way, waits for HQ's answer"


def test_erased_person_in_a_new_row_is_not_sent_at_all(bench: Bench) -> None:
    """Somebody erased comes back under another number: the partner is registered without them."""
    bench.write(NIGORA)
    bench.look()
    bench.persons.erase(known(bench.persons, person_identity(["nigora@example.org"])))
    bench.write(NIGORA.replace("P-1", "P-9"))
    bench.look()
    assert bench.said()[1:] == [(REGISTERED[1], "uz:P-9", None)]
    assert "was erased" in bench.told()["P-9"][1]


def test_older_hq_gets_the_row_without_the_person_until_it_is_updated(bench: Bench) -> None:
    """The rest is sent, the office is told, and the person follows when HQ can take them; also across a restart."""
    bench.announce(REGISTERED[1], REVISED[1])
    bench.write(NIGORA)
    with capture_logs() as logs:
        bench.look()
    assert bench.said() == [(REGISTERED[1], "uz:P-1", None)]
    assert "HQ's release can't take persons yet" in bench.told()["P-1"][1]
    assert [entry["event"] for entry in logs].count("persons_wait_for_hq") == 1
    assert bench.persons.everyone() == []
    bench.stop()
    bench.start()  # HQ can't be asked now, and what it said is remembered
    bench.look()
    assert len(bench.said()) == 1
    bench.announce(*REGISTERED.values(), *REVISED.values())
    bench.look()
    assert [(kind, subject) for kind, subject, _ in bench.said()[1:]] == [(REVISED[2], "uz:P-1")]
    assert bench.told()["P-1"][1] == "on its way, waits for HQ's answer"


def test_repeated_rows_with_one_person_are_one(bench: Bench) -> None:
    """Two rows that say the same of one key are one, also where they name a person."""
    bench.write(NIGORA, NIGORA)
    bench.look()
    assert len(bench.said()) == 1
    assert len(bench.persons.everyone()) == 1


def test_many_new_persons_cost_few_transactions(bench: Bench) -> None:
    """A sheet of persons is not a wait for the disk each: their register is written some hundred at a time."""
    bench.write(*(f"P-{n},Firm {n},Person {n},person{n}@example.org" for n in range(1200)))
    began: list[str] = []
    bench.persons.find("opens the register")
    assert bench.persons._connection is not None
    bench.persons._connection.set_trace_callback(lambda sql: began.append(sql) if sql.startswith("BEGIN") else None)
    bench.look()
    assert len(bench.persons.everyone()) == 1200
    assert len(began) <= 5
    found = bench.persons.find(person_identity(["person7@example.org"]))
    assert found is not None
    assert [use.subject for use in bench.persons.uses(found)] == ["uz:P-7"]
    assert (
        bench.persons.seal(PersonField("partner", "uz:P-7", "contact"), PersonSaid("x", {"name": "y"})).text is not None
    )
