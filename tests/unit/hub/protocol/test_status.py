"""The status note and the forms that each end announces: one text each, and nothing else is read as one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.control import More, Presence
from hub.protocol.errors import Malformed
from hub.protocol.forms import PRESENCE_V2, STATUS_V1, announce, announced, read_forms, write_forms
from hub.protocol.receipt import LINE_BYTES_MAX, Receipt, Resend, cut_line
from hub.protocol.record import is_origin
from hub.protocol.status import State, StatusNote, read_said

HUB, ORIGIN, HQ_LANE = "hub.example", "hub.example/uz/0a1b2c3d", "hub.example/hq/00c0ffee"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GOOD = StatusNote(
    HUB, "uz", NOW, ORIGIN, 9, State.WAITS, NOW, "UNKNOWN_KEY 1f2e3d4c 0a1b2c3d", 17, HQ_LANE, 2, (PRESENCE_V2,)
)
numbers = st.integers(0, 2**63 - 1)
moments = st.datetimes(timezones=st.just(UTC))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(moments, moments, numbers, numbers, st.sampled_from(State), texts)
def test_status_survives_the_round_trip(
    time: datetime, since: datetime, size: int, basis: int, state: State, why: str
) -> None:
    """An office reads what HQ said, whatever a text of the cause is made of; of it what one line holds."""
    why = f"OTHER {why}"
    said = replace(GOOD, time=time, since=since, size=size, basis=basis, state=state, why=why)
    read = StatusNote.from_text(said.to_text())
    assert read == replace(said, why=cut_line(why))
    assert read.to_text() == said.to_text()


@given(numbers, numbers, st.none() | numbers, texts, texts)
def test_second_presence_survives_the_round_trip(
    size: int, refused: int, oldest: int | None, ended: str, version: str
) -> None:
    """HQ reads what the center said more, whatever ended its connector."""
    said = Presence("uz", ORIGIN, NOW, size, 2, version, More(oldest, refused, ended, (STATUS_V1,)))
    text = said.to_text()
    try:
        read = Presence.from_text(text)
    except Malformed:
        assert not cut_line(version).strip()  # a version of nothing but spaces is the writer's fault
        return
    assert read.to_text() == text
    assert (read.more and read.more.oldest_s, read.reads) == (oldest, (STATUS_V1,))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cohub-status/v1\n",
        GOOD.to_text() + "\n",
        GOOD.to_text()[:-1],
        GOOD.to_text().replace("\n", "\r\n"),
        GOOD.to_text().replace("state waits", "state"),
        GOOD.to_text().replace("basis 17", "basis " + "9" * 5000),
        GOOD.to_text().replace("since 2026", "since ٢٠٢٦"),
        GOOD.to_text().replace("UNKNOWN_KEY", "W" * 1_000_000),
        GOOD.to_text().replace("UNKNOWN_KEY", "no key"),
        replace(GOOD, lane="", size=0).to_text().replace("lane -", "lane "),
        replace(GOOD, why="").to_text().replace("why -", "why "),
        replace(GOOD, reads=()).to_text().replace("reads -", "reads "),
    ],
)
def test_text_of_another_shape_is_no_status(text: str) -> None:
    """Anything else is Malformed, never another error."""
    with pytest.raises(Malformed):
        StatusNote.from_text(text)


def test_reader_tells_the_three_kinds_of_answers_apart() -> None:
    """The first line decides, not the header beside the note, which nobody signs."""
    receipt = Receipt(ORIGIN, 1, 1, bytes(32), NOW, 17)
    resend = Resend(ORIGIN, 1, "gap")
    assert [read_said(one.to_text()) for one in (GOOD, receipt, resend)] == [GOOD, receipt, resend]


@given(st.lists(st.sampled_from(["status/v1", "status/v2", "presence/v2", "x_y/v9999"]), unique=True))
def test_announced_forms_are_read_again(forms: list[str]) -> None:
    """What one side announces the other reads, in presence/v1's line for the version and in a line `reads`."""
    assert read_forms(write_forms(tuple(forms))) == tuple(forms)
    assert announced(announce("cohub 0.3.0", tuple(forms))) == tuple(forms)


@pytest.mark.parametrize(
    "version",
    [
        "cohub 0.2.0",
        "(reads status/v1)",
        "cohub (reads )",
        "cohub (reads status/v1) ",
        "cohub(reads status/v1)",
        "c (reads A/v1)",
    ],
)
def test_version_without_an_announcement_announces_nothing(version: str) -> None:
    """A connector of 0.2, or any other that says nothing of forms, is written to as ever."""
    assert announced(version) == ()


@given(texts)
def test_any_version_line_is_read(version: str) -> None:
    """A stranger's version never raises."""
    assert len(announced(version)) <= 16


def test_a_cut_reason_ends_between_two_characters() -> None:
    """A reason of 200 bytes is whole; of a longer one no half letter stays."""
    assert cut_line("я" * 100) == "я" * 100
    assert cut_line("x" + "я" * 100) == "x" + "я" * 99
    assert len(cut_line("长" * 100).encode()) <= LINE_BYTES_MAX


@pytest.mark.parametrize(
    "origin",
    ["", "-", "hub.example/uz/", "hub.example/uz/0A1b2c3d", "hub.example/uz/0a1b2c3d/", "hub.example/uz/0a1b2c3d\n",
     "hub.example/kz/0a1b2c3d", "hub.exam/uz/0a1b2c3d", "x/hub.example/uz/0a1b2c3d", "hub.example/uz/٠a1b2c3d"],
)  # fmt: skip
def test_lane_of_somebody_else_is_not_ours(origin: str) -> None:
    """Only the hub's and the center's own names and an epoch make an origin."""
    assert is_origin(ORIGIN, HUB, "uz")
    assert not is_origin(origin, HUB, "uz")
