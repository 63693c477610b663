"""Whatever stands in a mapping or a cell, the answer is a mapping, one line, or an outcome: never a crash."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.mapping import LocalCode, RowOutcome, compile_mapping, read_mapping
from connectors.runtime.explanation import message
from connectors.source import Row
from hub.domain.catalogue import STREAMS
from hub.domain.rules import check
from hub.protocol.errors import UsageError
from schemas.words import LANGUAGES

DEMO = Path(__file__).resolve().parents[4] / "deploy" / "demo" / "centers"
MAPPINGS = sorted(DEMO.glob("*/mappings/*.yaml"))
CELLS = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.sampled_from(
        ["=1+1", "31.02.2024", "1e999", "free", "да", "  ", "\u0000", "\ud800", "9" * 400, "٣١", "1.234,5"]
    ),
    st.integers(),
    st.decimals(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.lists(st.one_of(st.none(), st.text(max_size=5), st.integers()), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_cells_become_an_outcome(path: Path, data: st.DataObject) -> None:
    """A row is blank, refused with codes that we have words for, or a wanted state that keeps HQ's rules."""
    mapping = read_mapping(path.read_text("utf-8"), path.name)
    names = sorted({name for _, source in mapping.sources() for name in source.used_columns})
    paths = sorted({(source.path or "").split(".")[0] for _, source in mapping.sources()} - {""})
    cells: dict[str, Any] = {name: data.draw(CELLS) for name in [*names, *paths]}
    outcome = RowOutcome(*compile_mapping(mapping, "uz").read(Row(2, cells)))
    assert sum((outcome.blank, bool(outcome.problems), outcome.wanted is not None)) == 1
    for problem in outcome.problems:
        assert all(message(problem.code, language) != problem.code for language in LANGUAGES)
        assert len(problem.params.encode("utf-8", "replace")) <= 100
    if outcome.wanted is not None:
        assert len(outcome.fingerprint) == 32
        kinds = [kind for kind in STREAMS[mapping.stream].events if kind.carries_record]
        check(kinds[0], outcome.wanted.record)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(MAPPINGS), st.data())
def test_damaged_mappings_are_refused_in_one_line(path: Path, data: st.DataObject) -> None:
    """A mapping that was cut off, or has a flipped character, is still a mapping or one clear line."""
    text = path.read_text("utf-8")
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] if data.draw(st.booleans()) else text[:at] + data.draw(st.characters()) + text[at + 1 :]
    said = None
    try:
        compile_mapping(read_mapping(damaged, path.name), "uz")
    except UsageError as exc:
        said = str(exc)
    if said is not None:
        assert said.startswith(path.name)
        assert "\n" not in said


def test_values_of_every_type_pass_through_a_key() -> None:
    """Sheets hold numbers in key columns too, and the key is the text that is seen; of dates and yes or no it isn't."""
    mapping = read_mapping("files: a\nstream: request\nkey: k\nfields: {title: {value: t}, language: {value: en}}", "m")
    read = compile_mapping(mapping, "uz").read
    assert [read(Row(2, {"k": cell}))[1] for cell in [12, Decimal("12.0"), Decimal("1E+2"), "012"]] == [
        "12", "12", "100", "012",
    ]  # fmt: skip
    refused = [read(Row(2, {"k": cell})) for cell in [date(2024, 5, 31), datetime(2024, 5, 31, tzinfo=UTC), True]]
    assert [(key, [problem.code for problem in problems]) for _, key, _, problems, *_ in refused] == [
        ("", [LocalCode.MADE_A_DATE]),
        ("", [LocalCode.MADE_A_DATE]),
        ("", [LocalCode.SHOWN_OTHERWISE]),
    ]
