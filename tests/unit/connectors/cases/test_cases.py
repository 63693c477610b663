"""Sheets as offices really write them: every case in `tests/data/cases` gives what its `expected.yaml` says.

A case is a folder: `CASE.txt` (what it is made after, what is right), the sheet, its mapping, and `expected.yaml`:

    file: CODE                      the whole file is refused with this code, or with a sentence that has these words
    rows:                           otherwise: all rows that the sheet numbers, but the blank ones
      2: {key: "007", amount: 1500} accepted, with this key and these fields at least; as text, as the sheet shows them
      3: [AMBIGUOUS_NUMBER]         refused, with these codes
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.mapping import outcomes, read_mapping
from connectors.mapping.outcome import RowOutcome
from connectors.source import FileRefused, read_table
from hub.protocol.errors import UsageError

CASES = Path(__file__).parents[3] / "data" / "cases"
NAMES = sorted(path.name for path in CASES.iterdir() if (path / "expected.yaml").exists())


def sheet_of(case: Path) -> Path:
    (sheet,) = (p for p in case.iterdir() if p.name not in ("CASE.txt", "mapping.yaml", "expected.yaml"))
    return sheet


def expected_of(case: Path) -> dict[str, Any]:
    expected = yaml.safe_load((case / "expected.yaml").read_text("utf-8"))
    assert set(expected) in ({"file"}, {"rows"}), "expected.yaml has either `file` or `rows`"
    return dict(expected)


def read(case: Path) -> list[RowOutcome]:
    sheet = sheet_of(case)
    mapping = read_mapping((case / "mapping.yaml").read_text("utf-8"), "mapping.yaml")
    assert mapping.matches(sheet.name)
    table = read_table(sheet.name, sheet.read_bytes(), mapping.format_options())
    return outcomes(mapping, table, "uz")


def test_every_case_is_run() -> None:
    """A case without an `expected.yaml` is one of the folder's, which are run by name in the module beside this."""
    folder_cases = Path(__file__).with_name("test_folder_cases.py").read_text("utf-8")
    others = [path.name for path in CASES.iterdir() if path.name not in NAMES]
    assert [name for name in others if f'"{name}"' not in folder_cases] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_case_gives_what_is_right(name: str) -> None:
    case = CASES / name
    expected = expected_of(case)
    if "file" in expected:
        with pytest.raises((FileRefused, UsageError)) as refused:
            read(case)
        said = refused.value
        assert (isinstance(said, FileRefused) and said.code == expected["file"]) or expected["file"] in str(said)
        return
    found = {outcome.row: outcome for outcome in read(case) if not outcome.blank}
    assert {row: _shown(outcome, expected["rows"].get(row)) for row, outcome in found.items()} == expected["rows"]


def _shown(outcome: RowOutcome, wanted: Any) -> Any:
    """Return an outcome in the form in which it is expected: codes, or those fields that are named."""
    if outcome.wanted is None:
        return [problem.code for problem in outcome.problems]
    has = {"key": outcome.key, **outcome.wanted.record, "occurred_at": outcome.wanted.occurred_at}
    names = list(wanted) if isinstance(wanted, dict) else list(has)
    return {name: _text(has.get(name), wanted[name] if isinstance(wanted, dict) else None) for name in names}


def _text(value: Any, wanted: Any) -> Any:
    """Return a value as its expectation is written: as YAML's own kind where that is plain, else as text."""
    return value if value is None or value.__class__ is wanted.__class__ else str(value)
