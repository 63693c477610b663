"""A sheet of every stream that a center reports by itself: from its cells to HQ's entity, bad rows among the good ones.

Every part is the product's own but Kafka: the source reads the file, the mapping makes wanted states or problems, the
planner says which events are due, the lane is sealed, HQ's engine takes, judges, folds and stores.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from openpyxl import Workbook

from connectors.mapping import outcomes, read_mapping
from connectors.mapping.outcome import RowOutcome
from connectors.reconcile.belief import Held
from connectors.reconcile.digest import record_digest
from connectors.reconcile.plan import plan
from connectors.source import read_table
from hub.domain.catalogue import STREAMS
from hub.domain.entity import Entity
from hub.protocol.limits import BATCH_EVENTS_MAX
from tests.support.center import Center
from tests.support.hq import Hq


@dataclass(frozen=True)
class Case:
    """One stream's sheet.

    Shapes: columns name the field that each is of; good rows are by their number the status and what of the record is
            told, bad ones the field and the code of their first problem; rejected ones HQ's code; corrected are rows
            of the second sheet with what they are then, and by which events.
    """

    stream: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    good: dict[str, tuple[str, dict[str, Any]]]
    bad: dict[str, tuple[str, str]]
    corrected: Sequence[tuple[Sequence[str], str, dict[str, Any], list[str]]]
    measures: dict[str, Decimal]
    rejected: dict[str, str] = field(default_factory=dict)

    @property
    def mapping(self) -> str:
        constant = {} if "status" in self.columns else {"status": {"value": next(iter(self.good.values()))[0]}}
        status = {"status": {"column": "status"}} if "status" in self.columns else constant
        fields = {name: {"column": name} for name in self.columns if name not in ("No", "status")}
        return json.dumps({"files": "a.*", "stream": self.stream, "key": "No", "fields": fields, **status})


CASES: Final = {
    case.stream: case
    for case in (
        Case(
            "project",
            ("No", "title", "language", "kind", "stage", "partner", "counterpart_center", "started_on", "milestone",
             "milestone_on", "people", "amount", "currency", "rate", "rate_currency", "rate_on", "completed_on",
              "reason",
             "status"),
            (
                ("1", "Переработка берёзы", "ru", "incubation", "pilot", "7", "kz", "2026-01-10", "Line runs",
                 "2026-02-01", "14", "2500000", "CNY", "0.5", "USD", "2026-01-09", "", "", "started"),
                ("2", "Ship simulator", "en", "cooperation", "", "", "", "2026-01-10", "", "", "", "", "", "", "", "",
                 "2026-01-09", "", "completed"),
                ("3", "Horses", "en", "cooperation", "", "", "", "2026-01-10", "", "", "", "", "", "", "", "", "", "",
                 "cancelled"),
                ("4", "Shop", "en", "cooperation", "", "", "", "2026-01-10", "", "", "", "", "", "", "", "",
                 "2026-02-20", "", "completed"),
                ("5", "Elsewhere", "en", "cooperation", "", "", "nowhere", "2026-01-10", "", "", "", "", "", "", "", "",
                 "", "", "started"),
                ("6", "A day alone", "en", "cooperation", "", "", "", "2026-01-10", "", "2026-02-01", "", "", "",
                 "", "",
                 "", "", "", "started"),
            ),
            {"1": ("started", {"partner": "uz:7", "people": 14, "amount": "2500000"}),
             "4": ("completed", {"completed_on": "2026-02-20"})},
            {"2": ("completed_on", "INCONSISTENT"), "3": ("reason", "MISSING_FIELD"),
             "6": ("milestone_on", "INCONSISTENT")},
            (
                (("1", "Переработка берёзы", "ru", "incubation", "industrialisation", "7", "kz", "2026-01-10",
                 "First ton",
                  "2026-02-20", "16", "2600000", "CNY", "0.5", "USD", "2026-01-09", "", "", "started"),
                 "started", {"stage": "industrialisation", "people": 16}, ["progressed"]),
                (("4", "Shop", "en", "cooperation", "", "", "", "2026-01-10", "", "", "", "", "", "", "", "",
                  "2026-02-21", "", "completed"), "completed", {"completed_on": "2026-02-21"}, ["completed"]),
                (("5", "Elsewhere", "en", "cooperation", "", "", "", "2026-01-10", "", "", "", "", "", "", "", "",
                  "", "no partner", "cancelled"), "cancelled", {"reason": "no partner"}, ["started", "cancelled"]),
            ),
            {"project.started": Decimal(1), "project.completed": Decimal(1), "project.cancelled": Decimal(1),
             "project.started.people": Decimal(16), "project.started.amount.CNY": Decimal(2600000),
             "project.started.converted.USD": Decimal(1300000)},
            {"5": "UNKNOWN_CENTER"},
        ),
        Case(
            "activity",
            ("No", "title", "language", "kind", "format", "country", "city", "starts_on", "ends_on", "attendees",
             "organisations", "meetings", "reason", "status"),
            (
                ("1", "Roadshow", "en", "roadshow", "in_person", "UZ", "Samarkand", "2026-02-10", "2026-02-12", "120",
                 "45", "31", "", "held"),
                ("2", "Webinar", "en", "training", "online", "", "", "", "", "", "", "", "", "scheduled"),
                ("3", "Fair", "en", "exhibition", "hybrid", "", "", "2026-03-10", "", "", "", "", "", "scheduled"),
                ("4", "Talks", "en", "talks", "online", "", "", "2026-02-10", "", "5", "", "", "", "held"),
                ("5", "Visit", "en", "delegation", "in_person", "CN", "", "2026-02-10", "", "3", "4", "", "", "held"),
                ("6", "Backwards", "en", "promotion", "online", "", "", "2026-02-10", "2026-02-09", "", "", "", "",
                 "scheduled"),
                ("7", "Called off", "en", "promotion", "online", "", "", "", "", "", "", "", "", "cancelled"),
            ),
            {"1": ("held", {"attendees": 120, "organisations": 45, "meetings": 31}), "2": ("scheduled",
             {"country": None})},
            {"3": ("country", "MISSING_FIELD"), "4": ("organisations", "MISSING_FIELD"),
             "5": ("organisations", "INCONSISTENT"), "6": ("ends_on", "INCONSISTENT"), "7": ("reason",
              "MISSING_FIELD")},
            (
                (("1", "Roadshow", "en", "roadshow", "in_person", "UZ", "Samarkand", "2026-02-10", "2026-02-12", "121",
                  "45", "31", "", "held"), "held", {"attendees": 121}, ["held"]),
                (("2", "Webinar", "en", "training", "online", "", "", "2026-03-01", "", "", "", "", "", "scheduled"),
                 "scheduled", {"starts_on": "2026-03-01"}, ["scheduled"]),
                (("7", "Called off", "en", "promotion", "online", "", "", "", "", "", "", "", "no speaker",
                 "cancelled"),
                 "cancelled", {"reason": "no speaker"}, ["scheduled", "cancelled"]),
            ),
            {"activity.held": Decimal(1), "activity.scheduled": Decimal(1), "activity.cancelled": Decimal(1),
             "activity.kind.roadshow": Decimal(1), "activity.held.attendees": Decimal(121),
             "activity.held.organisations": Decimal(45), "activity.held.meetings": Decimal(31)},
        ),
        Case(
            "service",
            ("No", "kind", "partner", "project", "opened_on", "delivered_on", "hours", "amount", "currency", "reason",
             "status"),
            (
                ("1", "legal", "7", "1", "2026-01-20", "2026-02-05", "12.5", "800", "USD", "", "delivered"),
                ("2", "visa", "7", "", "2026-01-20", "", "", "", "", "", "opened"),
                ("3", "visa", "", "", "2026-01-20", "", "", "", "", "", "opened"),
                ("4", "audit", "7", "", "2026-01-20", "", "", "", "", "", "delivered"),
                ("5", "ip", "7", "", "2026-01-20", "2026-01-19", "", "", "", "", "delivered"),
                ("6", "ip", "7", "", "2026-01-20", "", "", "100", "", "", "opened"),
                ("7", "landing", "7", "", "2026-01-20", "", "", "", "", "", "cancelled"),
            ),
            {"1": ("delivered", {"partner": "uz:7", "project": "uz:1", "hours": "12.5"}), "2": ("opened", {})},
            {"3": ("partner", "MISSING_FIELD"), "4": ("delivered_on", "MISSING_FIELD"),
             "5": ("delivered_on", "INCONSISTENT"), "6": ("currency", "INCONSISTENT"), "7": ("reason",
              "MISSING_FIELD")},
            (
                (("1", "legal", "7", "1", "2026-01-20", "2026-02-06", "13.25", "900", "USD", "", "delivered"),
                 "delivered", {"hours": "13.25"}, ["delivered"]),
                (("2", "visa", "7", "", "2026-01-20", "", "", "", "", "refused", "cancelled"),
                 "cancelled", {"reason": "refused"}, ["cancelled"]),
            ),
            {"service.delivered": Decimal(1), "service.cancelled": Decimal(1), "service.kind.legal": Decimal(1),
             "service.delivered.hours": Decimal("13.25"), "service.delivered.amount.USD": Decimal(900)},
        ),
        Case(
            "revenue",
            ("No", "kind", "amount", "currency", "rate", "rate_currency", "rate_on", "earned_on", "earned_from",
             "earned_to", "deal"),
            (
                ("1", "sales_commission", "1500.25", "USD", "7.2", "CNY", "2026-02-05", "", "2026-01-01",
                 "2026-01-31", "3"),
                ("2", "equity_stake", "10", "CNY", "", "", "", "2026-02-05", "", "", ""),
                ("3", "equity_stake", "", "", "", "", "", "2026-02-05", "", "", ""),
                ("4", "equity_stake", "10", "CNY", "", "", "", "", "", "", ""),
                ("5", "equity_stake", "10", "CNY", "", "", "", "2026-02-05", "2026-01-01", "2026-01-31", ""),
                ("6", "equity_stake", "10", "CNY", "", "", "", "", "2026-02-01", "2026-01-31", ""),
                ("7", "equity_stake", "10", "CNY", "7.2", "", "", "2026-02-05", "", "", ""),
                ("8", "gift", "10", "CNY", "", "", "", "2026-02-05", "", "", ""),
            ),
            {"1": ("recorded", {"deal": "uz:3", "amount": "1500.25"}), "2": ("recorded", {"earned_on": "2026-02-05"})},
            {"3": ("amount", "MISSING_FIELD"), "4": ("earned_on", "MISSING_FIELD"), "5": ("earned_on", "INCONSISTENT"),
             "6": ("earned_to", "INCONSISTENT"), "7": ("rate", "INCONSISTENT"), "8": ("kind", "UNKNOWN_CODE")},
            (
                (("2", "equity_stake", "0", "CNY", "", "", "", "2026-02-05", "", "", ""),
                 "recorded", {"amount": "0"}, ["corrected"]),
            ),
            {"revenue.recorded": Decimal(2), "revenue.kind.sales_commission": Decimal(1),
             "revenue.kind.equity_stake": Decimal(1), "revenue.recorded.amount.USD": Decimal("1500.25"),
             "revenue.recorded.converted.CNY": Decimal("10801.8"), "revenue.recorded.amount.CNY": Decimal(0)},
        ),
        Case(
            "investment",
            ("No", "project", "instrument", "tranche", "amount", "currency", "committed_on", "disbursed_amount",
             "disbursed_on", "proceeds", "exited_on", "status"),
            (
                ("1", "1", "equity", "1", "5000000", "CNY", "2026-01-15", "2000000", "2026-02-01", "", "", "disbursed"),
                ("2", "1", "grant", "", "100", "CNY", "2026-01-15", "", "", "", "", "committed"),
                ("3", "", "grant", "", "100", "CNY", "2026-01-15", "", "", "", "", "committed"),
                ("4", "1", "grant", "", "100", "CNY", "2026-01-15", "100.01", "2026-02-01", "", "", "disbursed"),
                ("5", "1", "grant", "", "100", "CNY", "2026-01-15", "", "", "", "", "disbursed"),
                ("6", "1", "loan", "", "100", "CNY", "2026-01-15", "", "", "10", "", "committed"),
                ("7", "1", "loan", "", "100", "CNY", "2026-01-15", "", "", "", "2026-01-14", "exited"),
            ),
            {"1": ("disbursed", {"project": "uz:1", "disbursed_amount": "2000000"}), "2": ("committed", {})},
            {"3": ("project", "MISSING_FIELD"), "4": ("disbursed_amount", "INCONSISTENT"),
             "5": ("disbursed_amount", "MISSING_FIELD"), "6": ("proceeds", "INCONSISTENT"),
             "7": ("exited_on", "INCONSISTENT")},
            (
                (("1", "1", "equity", "1", "5000000", "CNY", "2026-01-15", "3500000", "2026-02-20", "", "",
                 "disbursed"),
                 "disbursed", {"disbursed_amount": "3500000"}, ["disbursed"]),
                (("2", "1", "grant", "", "100", "CNY", "2026-01-15", "", "", "0", "2026-02-20", "exited"),
                 "exited", {"proceeds": "0"}, ["exited"]),
            ),
            {"investment.disbursed": Decimal(1), "investment.exited": Decimal(1),
             "investment.disbursed.amount.CNY": Decimal(5000000), "investment.exited.amount.CNY": Decimal(100),
             "investment.paid_out.amount.CNY": Decimal(3500000), "investment.returned.amount.CNY": Decimal(0)},
        ),
        Case(
            "output",
            ("No", "partner", "project", "year", "revenue", "industry_output", "currency", "rate", "rate_currency",
             "rate_on", "people"),
            (
                ("1", "7", "", "2025", "3000000", "12500000.5", "UZS", "0.0005", "CNY", "2025-12-31", "64"),
                ("2", "", "1", "2025", "", "", "", "", "", "", "12"),
                ("3", "7", "1", "2025", "", "", "", "", "", "", "12"),
                ("4", "", "", "2025", "", "", "", "", "", "", "12"),
                ("5", "7", "", "2025", "", "", "", "", "", "", ""),
                ("6", "7", "", "2025", "5", "", "", "", "", "", ""),
                ("7", "7", "", "2025", "", "", "CNY", "", "", "", "12"),
                ("8", "7", "", "25", "", "", "", "", "", "", "12"),
            ),
            {"1": ("reported", {"partner": "uz:7", "year": 2025, "people": 64}), "2": ("reported",
             {"project": "uz:1"})},
            {"3": ("project", "INCONSISTENT"), "4": ("partner", "MISSING_FIELD"), "5": ("revenue", "MISSING_FIELD"),
             "6": ("currency", "MISSING_FIELD"), "7": ("currency", "INCONSISTENT"), "8": ("year", "OUT_OF_RANGE")},
            (
                (("2", "", "1", "2025", "", "", "", "", "", "", "13"), "reported", {"people": 13}, ["corrected"]),
            ),
            {"output.reported": Decimal(2), "output.people": Decimal(77), "output.revenue.amount.UZS": Decimal(3000000),
             "output.revenue.converted.CNY": Decimal(1500), "output.industry_output.amount.UZS": Decimal("12500000.5"),
             "output.industry_output.converted.CNY": Decimal("6250.0002")},
        ),
    )
}  # fmt: skip


def file_of(kind: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return a sheet as an office saves it."""
    if kind == "csv":
        text = io.StringIO()
        csv.writer(text).writerows([header, *rows])
        return text.getvalue().encode()
    book, data = Workbook(), io.BytesIO()
    assert book.active is not None
    for row in [header, *rows]:
        book.active.append([cell or None for cell in row])
    book.save(data)
    return data.getvalue()


class Way:
    """One center's way from a sheet to HQ, with what it believes of its entities."""

    def __init__(self, hq: Hq, center: Center, case: Case) -> None:
        self.hq, self.center, self.case = hq, center, case
        self.held: dict[str, Held] = {}

    def read(self, kind: str, rows: Iterable[Sequence[str]]) -> dict[str, RowOutcome]:
        """Return what becomes of each row, by its number."""
        mapping = read_mapping(self.case.mapping, "a.yaml")
        table = read_table(f"a.{kind}", file_of(kind, self.case.columns, rows), mapping.format_options())
        return {given[0]: found for given, found in zip(rows, outcomes(mapping, table, self.center.id), strict=True)}

    async def send(self, found: Iterable[RowOutcome]) -> dict[str, list[tuple[str, str]]]:
        """Send what is due of these rows under one seal; return each row's events with their verdicts."""
        sent, said = [], []
        for row in found:
            if row.wanted is None:
                continue
            key = row.wanted.subject.partition(":")[2]
            for planned in plan(STREAMS[self.case.stream], self.held.get(key), row.wanted):
                sent.append(self.center.append(self.center.event(planned.kind.type, key, planned.value)))
                said.append((key, planned.kind.name, row.wanted))
        assert 0 < len(sent) <= BATCH_EVENTS_MAX
        step = await self.hq.feed(self.center.id, [*sent[:-1], self.center.sealed(sent[-1])])
        rows = [row for commit in step.commits for row in commit.rows]
        verdicts: dict[str, list[tuple[str, str]]] = {}
        for (key, name, wanted), decided in zip(said, rows, strict=True):
            verdicts.setdefault(key, []).append((name, str(decided.code)))
            if decided.code == "ACCEPTED":
                self.held[key] = Held(wanted.status, record_digest(wanted.record))
        return verdicts

    async def entities(self, keys: Iterable[str]) -> dict[str, Entity]:
        """Return what HQ has of these, as it stored it."""
        wanted = [(self.case.stream, f"{self.center.id}:{key}") for key in keys]
        found = await self.hq.store.entities(wanted)
        return {
            entity_id.partition(":")[2]: Entity.from_json(known.entity.to_json())
            for (_, entity_id), known in found.items()
        }


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    hq = await Hq.open(tmp_path, Center("uz"), Center("kz"))
    yield hq
    await hq.store.close()


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("stream", sorted(CASES))
async def test_sheet_becomes_entities_and_its_bad_rows_do_not(hq: Hq, stream: str, kind: str) -> None:
    """Good rows are entities with all that they say, each bad one is refused for its own field, and edits correct."""
    case = CASES[stream]
    way = Way(hq, Center("uz"), case)
    await hq.feed("uz", [way.center.sealed(way.center.opening())])
    read = way.read(kind, case.rows)
    refused = {number: (row.problems[0].field, row.problems[0].code) for number, row in read.items() if row.problems}
    assert refused == case.bad
    verdicts = await way.send(read.values())
    assert {key: said[0][1] for key, said in verdicts.items() if said[0][1] != "ACCEPTED"} == case.rejected
    assert verdicts.keys() == case.good.keys() | case.rejected.keys()
    stored = await way.entities(verdicts)
    for number, (status, told) in case.good.items():
        assert stored[number].status == status
        assert told.items() <= stored[number].record.items()
    assert stored.keys() == case.good.keys()

    edited = way.read(kind, [row for row, *_ in case.corrected])
    again = await way.send(edited.values())
    for (number, *_), status, told, events in case.corrected:
        assert again[number] == [(name, "ACCEPTED") for name in events]
        after = (await way.entities([number]))[number]
        assert after.status == status
        assert told.items() <= after.record.items()

    counted: dict[str, Decimal] = {}
    for entity in (await way.entities({row[0] for row in case.rows})).values():
        for name, value in STREAMS[stream].contribution(entity).items():
            counted[name] = counted.get(name, Decimal(0)) + value
    assert counted == case.measures


def test_every_stream_of_this_release_has_such_a_sheet() -> None:
    """A schema is released when its stream has gone from a sheet to an entity."""
    assert set(CASES) == {"project", "activity", "service", "revenue", "investment", "output"}
