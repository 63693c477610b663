"""A sheet that people edit, and a memory of all that ever stood in it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

LISTED: Final = ("ENERGY", "WATER", "CHIPS")  # the codes that HQ's list of technologies has


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a sheet as an office wrote it."""

    title: str
    control: str = "free"
    status: str = "published"
    keywords: tuple[str, ...] = ()
    partner: str = ""

    @property
    def refused(self) -> str:
        """The code by which the connector must refuse the row, '' if it must not."""
        if not self.title:
            return "MISSING_FIELD"
        return "EXPORT_CONTROLLED" if self.control == "prohibited" else ""

    @property
    def rejected(self) -> str:
        """The code by which HQ must reject what the row says: rules that only HQ can know."""
        if self.refused:
            return ""
        if self.partner.startswith("zz:"):
            return "UNKNOWN_CENTER"
        return "CODE_NOT_LISTED" if set(self.keywords) - set(LISTED) else ""

    @property
    def record(self) -> dict[str, Any]:
        """The fields that HQ must hold if the row is accepted."""
        return {
            "title": self.title,
            "export_control": self.control,
            "technology_keywords": list(self.keywords),
            "partner": self.partner or None,
        }


class Sheet:
    """One office's sheet: what stands in it now, and everything that ever did."""

    stream = "offer"

    def __init__(self, folder: Path, name: str = "offers.csv") -> None:
        self.path = folder / name
        self.rows: dict[str, Row] = {}
        self.ever: dict[str, set[Row]] = {}
        self._made = 0

    def put(self, key: str, row: Row) -> None:
        """Write a row, new or in the place of the one with its key."""
        self.rows[key] = row
        self.ever.setdefault(key, set()).add(row)

    def add(self, rng: Random, count: int) -> None:
        """Append rows of every sort."""
        for _ in range(count):
            self._made += 1
            self.put(f"K-{self._made}", self._any_row(rng))

    def edit(self, rng: Random) -> None:
        """Do what people do between two savings: add, change, mend, spoil, withdraw, delete, sort."""
        self.add(rng, rng.randrange(6))
        for key in rng.sample(sorted(self.rows), min(len(self.rows), rng.randrange(12))):
            self.put(key, self._any_row(rng))
        if len(self.rows) > 20 and rng.random() < 0.3:
            del self.rows[rng.choice(sorted(self.rows))]
        if rng.random() < 0.2:
            keys = sorted(self.rows)
            rng.shuffle(keys)
            self.rows = {key: self.rows[key] for key in keys}

    def save(self) -> None:
        """Put the sheet on the disk as editors do: beside its place, then renamed."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["No", "Title", "Control", "Keywords", "Partner", "Status"])
        for key, row in self.rows.items():
            writer.writerow([key, row.title, row.control, ";".join(row.keywords), row.partner, row.status])
        part = self.path.with_name(f".{self.path.name}.part")
        part.write_text(text.getvalue(), "utf-8")
        part.replace(self.path)

    def _any_row(self, rng: Random) -> Row:
        words = rng.choice(["Membrane", "膜技术", "Мембрана", "Печь, дуговая", 'The "new" valve'])
        row = Row(f"{words} {rng.randrange(10**6)}", keywords=tuple(rng.sample(LISTED, rng.randrange(3))))
        kind = rng.random()
        if kind < 0.08:
            return replace(row, control="prohibited")
        if kind < 0.12:
            return replace(row, title="")
        if kind < 0.20:
            return replace(row, keywords=("ENERGY", "ALCHEMY"))
        if kind < 0.24:
            return replace(row, partner=f"zz:P-{rng.randrange(99)}")
        return replace(row, status="withdrawn" if kind < 0.4 else "published")
