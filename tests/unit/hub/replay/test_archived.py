"""Every answer is the same when the events' bytes were moved to the archive."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.domain.catalogue import STREAMS
from hub.replay.asof import AsOf
from hub.replay.decoding import Decoder
from hub.replay.diff import diff
from hub.replay.export import Selection, again
from hub.replay.follow import follow
from hub.replay.history import history
from hub.replay.rejudge import Judgement, newest_basis, rejudge
from hub.replay.source import Ledger
from hub.store.depot import open_depot
from hub.store.opener import open_archiver
from tests.support.archived import held, settle
from tests.support.hq import sealed_lane
from tests.support.lived import CORRELATION, day

IDS = (("offer", "uz:K-1"), ("offer", "uz:K-2"), ("deal", "kz:D-1"))


def _states(ledger: Ledger) -> Any:
    decoder = Decoder(ledger)
    return [
        state.as_dict()
        for when in (day(2), day(4), day(9))
        for happened in (False, True)
        for stream in STREAMS
        for state in AsOf(ledger, decoder, when, happened=happened).all(stream)
    ]


def _differences(ledger: Ledger) -> Any:
    decoder = Decoder(ledger)
    before, after = (AsOf(ledger, decoder, when) for when in (day(1), day(9)))
    return [found.as_dict() for found in diff(ledger, before, after, list(STREAMS))]


def _judged(ledger: Ledger) -> Iterator[Judgement]:
    judged_under = newest_basis(sealed_lane(Path(ledger.reader.location)))
    return rejudge(ledger, judged_under, [(lane, 1, lane.size) for lane in ledger.lanes])


QUESTIONS: dict[str, Callable[[Ledger], Any]] = {
    "states": _states,
    "differences": _differences,
    "histories": lambda ledger: [t.as_dict() for key in IDS for t in history(ledger, Decoder(ledger), *key)],
    "story": lambda ledger: follow(ledger, CORRELATION).as_dict(),
    "export": lambda ledger: [
        found.record("hub.example", day(9)) for found, _ in again(ledger, Decoder(ledger), Selection(ledger.lanes))
    ],
    "judgements": lambda ledger: [judgement.as_dict() for judgement in _judged(ledger)],
}


@pytest.fixture(scope="module")
def archived(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same hub with all but the newest commits in an archive."""
    folder = tmp_path_factory.mktemp("archived")
    path = folder / "hub.sqlite3"
    shutil.copy(database, path)
    settle(path)
    with open_archiver(path) as archiver:
        assert list(archiver.archive(open_depot(str(folder / "archive")), day(6), day(9)))
    assert sum(held(path).values()) < sum(held(database).values())
    return path


@pytest.mark.parametrize("question", QUESTIONS)
def test_answer_is_the_same_out_of_the_archive(database: Path, archived: Path, question: str) -> None:
    with Ledger.open(database) as whole, Ledger.open(archived) as moved:
        expected = QUESTIONS[question](whole)
        assert expected
        assert QUESTIONS[question](moved) == expected
