"""An audit under every number of rules: nothing found in what HQ decided by them, and what is newer is no finding."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hub.audit.findings import What
from hub.audit.verify import verify
from hub.base.command import NEWER_STATUS
from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.hq.headquarters import adoption
from hub.protocol.errors import Newer
from hub.protocol.remark import RepeatedIds
from hub.protocol.rules import NEWEST, RULES
from hub.replay.fold import read_bases
from hub.replay.rejudge import newest_basis, rejudge
from hub.replay.source import Ledger
from hub.store.released import released_schemas
from hub.store.sqlite import SqliteStore
from tests.support.center import offer
from tests.support.evidence import TRUST, TRUST_NOTE, Story
from tests.support.hq import sealed_lane
from tests.unit.hub.evidence.test_rules import faulty_story, later_release

UZ = "hub.example/uz/00000001"
REPEATED = "019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d01"


@pytest.mark.parametrize("number", RULES)
def test_whatever_hq_decided_is_decided_again(tmp_path: Path, number: int) -> None:
    """Each fault of an event gets its verdict again under the rules of its basis; so it does in a replay."""
    told = asyncio.run(faulty_story(tmp_path, RULES[number]))
    assert verify(told.database, TRUST).findings == []
    assert verify(told.database, TRUST, processes=2).findings == []
    with Ledger.open(told.database) as ledger:
        spans = [(lane, 1, lane.size) for lane in ledger.lanes]
        assert [j for j in rejudge(ledger, newest_basis(sealed_lane(told.database)), spans) if j.is_other] == []


def test_ledger_that_went_from_rules_to_rules_is_decided_again(tmp_path: Path) -> None:
    """A verdict by the old rules stays right, and today's rules say what they would have been."""

    async def tell() -> Path:
        story = await Story.open(tmp_path, RULES[1])
        await story.take("uz", [story.event("uz", "offer.published", "K-1", offer(title=" Pump"))])
        await story.hq.headquarters.say([adoption(2, None)], story.now)
        await story.take("uz", [story.event("uz", "offer.published", "K-2", offer(title=" Pump"))])
        await story.close()
        return story.database

    database = asyncio.run(tell())
    assert verify(database, TRUST).findings == []
    with Ledger.open(database) as ledger:
        spans = [(lane, 1, lane.size) for lane in ledger.lanes]
        other = [j for j in rejudge(ledger, newest_basis(sealed_lane(database)), spans) if j.is_other]
    assert [(j.subject, j.then[0], j.now[0]) for j in other] == [("uz:K-1", "ACCEPTED", "BAD_FIELD")]


def repeating_story(folder: Path) -> Path:
    """Return the database of an HQ that accepted one id twice of a center; a rejected event's may come again."""
    repeated = REPEATED

    async def tell() -> Path:
        story = await Story.open(folder, NEWEST)

        def event(center: str, key: str, **fields: Any) -> None:
            events.append(story.event(center, "offer.published", key, offer(**fields), event_id=repeated))

        events: list[object] = []
        event("uz", "K-1", trl=99)
        event("uz", "K-1")
        await story.take("uz", events)  # type: ignore[arg-type]
        events = []
        event("uz", "K-2")
        await story.take("uz", events)  # type: ignore[arg-type]
        events = []
        event("kz", "K-2")
        await story.take("kz", events)  # type: ignore[arg-type]
        await story.close()
        return story.database

    return asyncio.run(tell())


def test_id_of_two_accepted_events_is_found(tmp_path: Path) -> None:
    """It is no verdict, for nothing that a verdict depends on says so; a rejected event's id may come again."""
    for processes in (1, 2):
        report = verify(repeating_story(tmp_path / str(processes)), TRUST, processes=processes)
        found = report.findings
        assert [(f.what, f.lane, f.first) for f in found] == [(What.REPEATED_ID, UZ, 4)]
        assert found[0].detail == f"{REPEATED} is that of {UZ} 3"
        assert report.repeated == {"uz": RepeatedIds(1, "00000001", 4)}


def tell_of(folder: Path, *options: str) -> tuple[int, dict[str, str]]:
    """Run an audit, and return its exit status and what is to be told to centers then."""

    async def remarks() -> dict[str, str]:
        store = SqliteStore.open(folder / "hub.sqlite3")
        try:
            return dict((await store.changes()).remarks)
        finally:
            await store.close()

    status = run_command(["audit", "verify", *options], Settings(folder))
    return status, asyncio.run(remarks())


def test_center_is_told_of_its_repeated_ids_where_that_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written without the option; a part of the ledger says nothing of all of it."""
    database = repeating_story(tmp_path / "story")
    (tmp_path / "keys").mkdir(exist_ok=True)
    (tmp_path / "keys" / "trust.note").write_bytes(TRUST_NOTE)
    database.rename(tmp_path / "hub.sqlite3")
    assert tell_of(tmp_path) == (1, {})
    assert tell_of(tmp_path, "--tell", "--lane", UZ) == (2, {})
    assert "--tell is for an audit of the whole ledger" in capsys.readouterr().err
    assert tell_of(tmp_path, "--tell", "--json") == (1, {"uz": "REPEATED_ID 1 00000001 4"})
    said = capsys.readouterr()
    assert said.err == "HQ tells these centers what was found about their events: uz\n"
    assert [f["what"] for f in json.loads(said.out)["findings"]] == ["REPEATED_ID"]


# -- newer than this release ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of a hub that a later release has run."""
    folder = tmp_path_factory.mktemp("newer")

    async def tell() -> None:
        story = await Story.open(folder, NEWEST)
        await story.take("uz", [story.event("uz", "offer.published", "K-1", offer())])
        await story.hq.headquarters.say([adoption(3, "newer")], story.now)
        await story.take("uz", [story.event("uz", "offer.published", "K-2", offer())])
        await story.close()

    with later_release():
        asyncio.run(tell())
        assert verify(folder / "hub.sqlite3", TRUST).is_good
    (folder / "keys").mkdir(exist_ok=True)
    (folder / "keys/trust.note").write_bytes(TRUST_NOTE)
    return folder


@pytest.mark.parametrize("processes", [1, 2])
def test_ledger_of_later_rules_is_newer_and_has_no_finding(newer: Path, processes: int) -> None:
    """What is signed is checked all the same; what follows from rules that are not known is not."""
    report = verify(newer / "hub.sqlite3", TRUST, processes=processes)
    assert report.findings == []
    assert "rules 3 are in force" in report.newer
    assert not report.is_good
    assert any("a later release" in what for what in report.not_checked)


def test_newer_ledger_that_was_altered_is_not_good(newer: Path, tmp_path: Path) -> None:
    """Nobody hides a forgery behind a number."""
    copy = tmp_path / "hub.sqlite3"
    with closing(sqlite3.connect(newer / "hub.sqlite3")) as db, closing(sqlite3.connect(copy)) as into:
        db.backup(into)
        with into:
            into.execute("UPDATE ledger SET digest = zeroblob(32) WHERE subject = 'uz:K-2'")
    assert What.LEDGER_DIGEST in {found.what for found in verify(copy, TRUST).findings}


def test_type_of_the_hq_lane_that_is_not_known_counts_only_under_hqs_seal(newer: Path, tmp_path: Path) -> None:
    """Whoever writes HQ's database can't make of an event one of a later release: the bytes are what was sealed."""
    copy = tmp_path / "hub.sqlite3"
    with closing(sqlite3.connect(newer / "hub.sqlite3")) as db, closing(sqlite3.connect(copy)) as into:
        db.backup(into)
        with into:
            into.execute("UPDATE ledger SET type = 'net.cohub.nothing.said.v1' WHERE subject = 'hq:uz'")
    with later_release():
        report = verify(copy, TRUST)
    assert report.newer == ""
    assert What.VERDICT in {found.what for found in report.findings}


def test_commands_end_with_a_status_of_their_own(newer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script tells a ledger that is newer from one that is wrong."""
    data_dir = ["--data-dir", str(newer)]
    assert run_command(["audit", "verify", *data_dir], Settings()) == NEWER_STATUS
    assert "that says nothing against it" in capsys.readouterr().out
    assert run_command(["audit", "verify", "--json", *data_dir], Settings()) == NEWER_STATUS
    assert '"newer": "' in capsys.readouterr().out
    assert run_command(["replay", "rejudge", *data_dir], Settings()) == NEWER_STATUS
    assert "rules 3 are in force" in capsys.readouterr().err


def test_bases_of_a_newer_lane_are_not_guessed_at(newer: Path) -> None:
    """Replay that folds under a basis stops where it does not know the rules."""
    with Ledger.open(newer / "hub.sqlite3") as ledger, pytest.raises(Newer, match="rules 3 are in force"):
        read_bases(ledger, TRUST.hqs, released_schemas())
