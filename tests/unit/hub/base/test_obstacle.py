"""The closed list of what keeps an office from HQ: each with a code, an exit status of its own, and words."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from hub.base.obstacle import (
    FAILED,
    STATUSES,
    Obstacle,
    exit_status,
    obstacle_of,
    obstacles_in,
    plain_obstacle,
    span_said,
)
from schemas.words import LANGUAGES, words
from schemas.words.said import Said, said

PAGE = Path(__file__).parents[4] / "docs" / "obstacles.md"
ROW = re.compile(r"^\| (\d+) \| `([a-z_]+)` \| (.+) \| (.+) \|$", re.MULTILINE)
TAKEN = {0, 1, 2, 3, 4, 70, 130}  # what else an exit status of ours may mean


def test_every_obstacle_has_a_status_of_its_own() -> None:
    """A script that asks `$?` knows which it is; none of the numbers means anything else."""
    assert set(STATUSES) == set(Obstacle)
    assert len(set(STATUSES.values())) == len(Obstacle)
    assert not TAKEN & set(STATUSES.values())
    assert max(STATUSES.values()) < 126  # shells use the others


def test_every_obstacle_has_words_in_each_language() -> None:
    """Nobody is left with a code."""
    office = words("office")
    for obstacle in Obstacle:
        texts = office.texts.get(f"obstacles.{obstacle}") or next(
            texts for name, texts in office.texts.items() if obstacle_of(Said(name, {})) is obstacle
        )
        assert set(texts) == set(LANGUAGES), obstacle
        assert len(set(texts.values())) == len(LANGUAGES), obstacle


def test_every_text_of_either_way_is_an_obstacle() -> None:
    """What a new version adds to what is said of HTTPS has a code, too."""
    others = {"obstacles.at", "way.at", "way.now_kafka", "way.now_https"}
    texts = {name for name in words("office").texts if name.startswith(("obstacles.", "way."))}
    assert {name for name in texts if obstacle_of(Said(name, {})) is None} == others


def test_page_for_people_has_every_obstacle() -> None:
    """docs/obstacles.md tells each code, its exit status, what it is and what to do."""
    rows = {code: int(status) for status, code, _, _ in ROW.findall(PAGE.read_text("utf-8"))}
    assert rows == {str(obstacle): status for obstacle, status in STATUSES.items()}


def test_texts_that_are_no_obstacle_are_none() -> None:
    """A name that only begins like one of these, or stands in another file, is not on the list."""
    assert obstacle_of(said("obstacles.nobody_listens")) is Obstacle.NOBODY_LISTENS
    assert obstacle_of(said("check.running")) is None
    assert obstacle_of(Said("obstacles.at", {"address": "a:1", "reason": "x"})) is None
    assert obstacle_of(Said("obstacles.nobody_listens", {}, "causes")) is None
    assert obstacle_of("obstacles.nobody_listens") is None


def test_obstacles_are_found_within_other_texts_with_their_addresses() -> None:
    """Whatever sentence they were put into: codes, values and where."""
    reason = said("obstacles.other_mechanism", mechanism="PLAIN", offered="SCRAM-SHA-512")
    whole = said(
        "errors.unreachable",
        obstacles=(
            said("obstacles.at", address="a:1", reason=said("obstacles.no_host")),
            said("obstacles.at", address="b:2", reason=reason),
        ),
    )
    assert [plain_obstacle(one) for one in obstacles_in(whole)] == [
        {"code": "no_host", "values": {"address": "a:1"}},
        {"code": "other_mechanism", "values": {"address": "b:2", "mechanism": "PLAIN", "offered": "SCRAM-SHA-512"}},
    ]
    assert [one.name for one in obstacles_in(Said.from_json(whole.to_json()))] == [
        "obstacles.no_host",
        "obstacles.other_mechanism",
    ]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], FAILED),
        (["a sheet is wrong"], FAILED),
        ([said("check.running"), said("obstacles.no_topic", topic="in.uz")], 51),
        ([said("obstacles.no_right_to_write", topic="in.uz"), said("obstacles.suspended")], 61),
        ([said("obstacles.login_refused"), said("obstacles.closed")], 62),
        ([said("obstacles.login_refused"), said("obstacles.no_host")], 50),
    ],
)
def test_status_is_that_of_what_explains_the_rest(texts: list[object], expected: int) -> None:
    """An office that is suspended may not write: the first is the reason, and the second what follows."""
    assert exit_status(texts) == expected


def test_long_times_are_told_in_days() -> None:
    """Nobody counts in thousands of hours."""
    assert span_said(timedelta(hours=-3, seconds=-5)).text() == "3:00:05"
    assert span_said(timedelta(hours=47)).text() == "47:00:00"
    assert span_said(timedelta(days=1825)).text("ru") == "1825 дн."
