"""What the demo shows: progress while it runs (a table on a terminal, lines elsewhere), the outcome at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hub.base.output import line, table
from hub.demo.offices import STATES, Office
from hub.store.read.intakes import IntakeStanding
from hub.store.read.reads import Reads
from hub.store.read.totals import Totals

LINE_S: Final = 1.0
SQL_S: Final = 0.2
REASONS_MAX: Final = 2  # of each center
VALUE_SHOWN_MAX: Final = 70


class View:
    """Reads HQ's database and shows it. Enter it to show progress; `update` it often."""

    def __init__(self, reads: Reads, began: float) -> None:
        self._reads = reads
        self._began = began
        self._live: Live | None = None
        self._intakes: tuple[IntakeStanding, ...] = ()
        self._totals = Totals()
        self._read_at = 0.0
        self._told_at = 0.0
        self._changed_at = time.monotonic()
        self.first_event_s: float | None = None
        self.last_change_s = 0.0

    @property
    def entities(self) -> dict[str, int]:
        """How many entities HQ has of each stream."""
        return dict(self._totals.entities)

    @property
    def is_published(self) -> bool:
        """Whether something came, and everything that HQ has decided is out."""
        return bool(self._totals.events) and not self._totals.published_backlog

    @property
    def quiet_s(self) -> float:
        """For how many seconds nothing has come or gone out."""
        return time.monotonic() - self._changed_at

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            self._live = Live(self._table(), refresh_per_second=4, transient=False)
            self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.update(self._table())
            self._live.__exit__(None, None, None)
            self._live = None

    def update(self) -> None:
        """Read HQ's database, though not more often than it is worth, and show it."""
        if time.monotonic() - self._read_at >= SQL_S:
            self.read()

    def read(self) -> None:
        """Read HQ's database now, and show it."""
        now = self._read_at = time.monotonic()
        before = (self._totals.events, self._totals.published_backlog)
        with self._reads.snapshot() as hq:
            self._intakes, self._totals = hq.intakes(), hq.totals()
        changed = before != (self._totals.events, self._totals.published_backlog)
        if changed:
            self._changed_at = now
            self.last_change_s = now - self._began
        if self.first_event_s is None and self._totals.entities:
            self.first_event_s = now - self._began
        if self._live is not None:
            self._live.update(self._table())
        elif changed and now - self._told_at > LINE_S:
            self._told_at = now
            line(self._line(now))

    def _line(self, now: float) -> str:
        centers = "  ".join(f"{row.center} {row.events}" for row in self._intakes)
        rejected = sum(self._totals.rejected.values())
        return f"{now - self._began:6.1f} s  events {self._totals.events:>6}  rejected {rejected}  |  {centers}"

    def _table(self) -> Group:
        made = Table(box=SIMPLE_HEAD, pad_edge=False)
        made.add_column("center")
        made.add_column("status")
        for name in ("events", "accepted", "rejected", "duplicates", "at the center"):
            made.add_column(name, justify="right")
        for row in self._intakes:
            backlog = row.presence.backlog if row.presence else "-"
            made.add_row(
                row.center,
                row.status,
                str(row.events),
                str(row.accepted),
                str(sum(row.rejected.values())),
                str(row.duplicates),
                str(backlog),
            )
        entities = ", ".join(f"{stream} {count}" for stream, count in self._totals.entities.items()) or "nothing yet"
        seconds = time.monotonic() - self._began
        return Group(made, Text(f"HQ has: {entities}   ({seconds:.0f} s)"))

    def tell(self, summary: dict[str, Any], offices: Sequence[Office]) -> None:
        """Print what arrived, and what was refused or rejected and why."""
        line()
        names = ("rows", *STATES, "events", "receipts", "duplicates", "backlog")
        reasons = [reason for office in offices for reason in _reasons(office)]
        columns = ["center", "sheet", "rows", "first", "verdict", "why"]
        shown = _some_of_each(reasons)
        table("refused by the connector or rejected by HQ", columns, shown, right=["rows", "first"])
        if len(reasons) > len(shown):
            line(f"and {len(reasons) - len(shown)} more; each office has them all in cohub/<sheet>.verdicts.xlsx")
        # Centers as columns: so it holds on a terminal of 80 columns, and stands last, where a person looks.
        centers = summary["centers"]
        rows = [[name, *(c[name] for c in centers.values()), sum(c[name] for c in centers.values())] for name in names]
        table("every row, and what became of it", ["", *centers, "all"], rows, right=[*centers, "all"])
        table("what HQ has now", ["stream", "entities"], list(summary["entities"].items()), right=["entities"])
        first = f"{summary['first_event_s']} s" if summary["first_event_s"] is not None else "never"
        line(f"first consolidated event after {first}, everything through after {summary['seconds']} s")


def _some_of_each(reasons: Sequence[list[Any]]) -> list[list[Any]]:
    """Return the first reasons of each center, so that all of them stand on one screen."""
    found: Counter[Any] = Counter()
    shown = []
    for reason in reasons:
        found[reason[0]] += 1
        if found[reason[0]] <= REASONS_MAX:
            shown.append(reason)
    return shown


def _reasons(office: Office) -> list[list[Any]]:
    """Return what the office itself can read in its verdict files, alike reasons counted."""
    found: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], Any] = {}
    for path in sorted((office.folder / "cohub").glob("*.verdicts.xlsx")):
        for number, verdict, message in _bad_rows(path):
            key = (path.name.removesuffix(".verdicts.xlsx"), verdict, message)
            found[key] += 1
            first.setdefault(key, number)
    return [
        [office.center, sheet, count, first[sheet, verdict, message], verdict, _short(message)]
        for (sheet, verdict, message), count in found.items()
    ]


def _short(message: str) -> str:
    """Return the beginning of a message, up to a blank."""
    if len(message) <= VALUE_SHOWN_MAX:
        return message
    return f"{message[:VALUE_SHOWN_MAX].rpartition(' ')[0] or message[:VALUE_SHOWN_MAX]} …"


def _bad_rows(path: Path) -> list[tuple[Any, str, str]]:
    """Return (row, verdict, message) of the rows that somebody should do something about."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    except (CalamineError, OSError):
        return []  # being replaced just now, or locked: it is a view, not the record
    return [(_number(row[0]), str(row[2]), str(row[3])) for row in rows[1:] if len(row) > 4 and row[4]]


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) else value
