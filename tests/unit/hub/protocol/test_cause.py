"""A cause is one line: a code, its values, somebody's text; read back exactly, and nothing else is read as one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.cause import VALUES, Cause, CauseCode, is_coded
from hub.protocol.receipt import cut_line, is_line
from hub.protocol.remark import RepeatedIds
from schemas.spec import TARGET
from tests.support.causes import example

LARGEST = 2**63 - 1


@given(st.sampled_from(CauseCode), st.text(max_size=300), st.integers(1, LARGEST))
def test_cause_survives_the_round_trip(code: CauseCode, text: str, number: int) -> None:
    """Whatever a person or a fault says, of however many lines: the code and its values stay what they are."""
    cause = example(code, text, number)
    assert Cause.read(cause.to_text()) == cause
    line = cut_line(cause.to_line())
    assert is_line(line)
    assert is_coded(line)
    read = Cause.read(line)
    assert read is not None
    assert (read.code, read.values) == (cause.code, cause.values)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-",
        "gap",
        "GAPS 0a1b2c3d 5 8",
        "GAP",
        "GAP 0a1b2c3d 5",
        "GAP 0a1b2c3d 5 0",
        "GAP 0a1b2c3d 05 8",
        "GAP 0A1b2c3d 5 8",
        "GAP 0a1b2c3d 5 8x",
        "GAP 0a1b2c3d ٥ 8",
        "GAP  0a1b2c3d 5 8",
        "UNKNOWN_KEY 1f2e3d4c, 0a1b2c3d",
        "UNKNOWN_KEY " + ",".join(["1f2e3d4c"] * 9) + " 0a1b2c3d",
        " SUSPENDED",
        "a key that HQ does not know",
    ],
)
def test_other_lines_are_no_cause(line: str) -> None:
    """A later release's code, or values of another form, are shown as they are."""
    assert Cause.read(line) is None


def test_what_an_earlier_release_kept_is_a_text() -> None:
    """0.2 had no codes; a lane that it parked stays parked, with its words."""
    said = "gap in hub.example/uz/0a1b2c3d: expected 5, got 9"
    assert Cause.stored(said) == Cause.of(CauseCode.OTHER, text=said)
    assert Cause.stored("FORK 0a1b2c3d 5") == Cause.of(CauseCode.FORK, "0a1b2c3d", 5)


@pytest.mark.parametrize("code", ["REVOKED_KEY", "FOREIGN_KEY", "LONG_KEY_MISSING", "NO_OPENING", "WRONG_ROOT"])
def test_seals_detail_names_its_cause(code: str) -> None:
    """What is not in the list is a bad seal, and says what is wrong with it in its own words."""
    assert Cause.of_seal(f"{code}: more", "0a1b2c3d", 5) == Cause.of(CauseCode(code), "0a1b2c3d", 5)
    for other in ("no note", f"{code} is not it", "GAP: a code of something else"):
        assert Cause.of_seal(other, "0a1b2c3d", 5) == Cause.of(CauseCode.BAD_SEAL, "0a1b2c3d", 5, text=other)


def test_protocol_has_every_cause_with_its_values_in_their_order() -> None:
    """What a foreign office reads of it is the list itself."""
    rows = re.findall(r"^\| `([A-Z][A-Z_]+)((?: <\w+>)*)` \| (?:`|any)", TARGET.read_text("utf-8"), re.MULTILINE)
    told = {code: tuple(re.findall(r"\w+", values)) for code, values in rows}
    assert told == {str(code): VALUES[code] for code in CauseCode}


@pytest.mark.parametrize("count", [1, LARGEST])
def test_remark_of_an_audit_is_a_cause(count: int) -> None:
    """Whatever its numbers are, it is one line of a status note."""
    line = RepeatedIds(count, "0a1b2c3d", 4).to_text()
    assert is_line(line)
    assert line == f"REPEATED_ID {count} 0a1b2c3d 4"
    assert Cause.read(line) == Cause.of(CauseCode.REPEATED_ID, count, "0a1b2c3d", 4)
