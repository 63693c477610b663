"""The public data that the sheets are made from, read once. Rows that name natural persons are left out."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

Row = dict[str, str]


@dataclass(frozen=True)
class Sources:
    """What the given folder holds; see deploy/demo/README.md for where it comes from."""

    ror: list[tuple[str, str, str]]  # name, country, first type
    lei: list[Row]
    nasa: list[Row]
    sbir: list[dict[str, object]]
    zh: list[tuple[str, str]]  # title, IPC sections


def read_sources(folder: Path) -> Sources:
    """Return the five files of a folder."""
    organisations = json.loads((folder / "organisations_ror.json").read_text("utf-8"))
    with (folder / "companies_lei.csv").open(encoding="utf-8-sig", newline="") as file:
        # A sole proprietor's name is a person's name.
        companies = [row for row in csv.DictReader(file) if row["category"] != "SOLE_PROPRIETOR"]
    with (folder / "nasa_patents.en.csv").open(encoding="utf-8-sig", newline="") as file:
        patents = list(csv.DictReader(file))
    with (folder / "patent_titles.zh.gb18030.csv").open(encoding="gb18030", newline="") as file:
        titles = [(row["专利名称"], row["IPC部"]) for row in csv.DictReader(file)]
    return Sources(
        ror=[(o["name"], o["country_code"], (o["types"] or ["Other"])[0]) for o in organisations],
        lei=companies,
        nasa=patents,
        sbir=json.loads((folder / "sbir_topics.en.json").read_text("utf-8")),
        zh=titles,
    )
