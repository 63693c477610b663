"""`hub replay` as a person calls it, and what it refuses. No broker runs here."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.center import Center, offer
from tests.support.hq import Hq
from tests.support.lived import CORRELATION, lived


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of the hub of tests.support.lived."""
    folder = tmp_path_factory.mktemp("lived") / "data"

    async def live() -> None:
        await (await lived(folder)).hq.store.close()

    asyncio.run(live())
    return folder


@pytest.fixture
def fed(hub: Any, tmp_path: Path, data: Path) -> Any:
    """Return the command line of a copy of that hub."""
    shutil.copytree(data, tmp_path / "data")
    return hub


def test_history_of_an_id_alone_shows_every_event_and_what_it_changed(fed: Any) -> None:
    done = fed("replay", "history", "uz:K-1")
    assert done.status == 0
    for expected in (
        "2026-03-01T12:00:00.000000Z  published: published, version 1",
        "trl                      4 → 5",
        "revised: OUT_OF_RANGE trl",
        "revised: WRONG_CENTER ce_subject",
        "event 2 of uz/0000cccc, happened 2026-03-06T08:00:00.000000Z",
        "First → First, again",
    ):
        assert expected in done.out
    told = json.loads(fed("replay", "history", "offer", "uz:K-1", "--json").out)
    assert [event["code"] for event in told].count("ACCEPTED") == 3
    assert told[1]["value"]["countries"] == ["UZ", "CN"]


def test_as_of_tells_known_and_happened_apart(fed: Any) -> None:
    known = json.loads(fed("replay", "as-of", "2026-03-04", "deal", "kz:D-1", "--json").out)
    happened = json.loads(fed("replay", "as-of", "2026-03-04", "deal", "kz:D-1", "--happened", "--json").out)
    assert (known["record"]["title"], known["status"]) == ("Licence", "opened")
    assert (happened["record"]["title"], happened["left_out"]) == ("Licence, amended", 1)
    people = fed("replay", "as-of", "2026-03-04", "kz:D-1", "--happened")
    assert "deal kz:D-1  opened, version 2, at 2026-03-04T23:59:59.999999Z" in people.out
    assert "1 event before that one is left out" in people.err


def test_as_of_of_a_stream_is_a_list(fed: Any) -> None:
    found = json.loads(fed("replay", "as-of", "2026-03-02T23:00:00+08:00", "offer", "--json").out)
    assert [(entity["id"], entity["version"]) for entity in found] == [("uz:K-1", 2), ("uz:K-2", 1)]
    done = fed("replay", "as-of", "now", "offer", "--limit", "1")
    assert ("uz:K-1" in done.out, "uz:K-2" in done.out) == (True, False)
    assert "the first 1; --limit shows more" in done.err
    assert json.loads(fed("replay", "as-of", "2020-01-01", "--json").out) == []
    assert fed("replay", "as-of", "2020-01-01").out == "HQ knew of nothing at 2020-01-01T23:59:59.999999Z\n"
    assert "yet to come" in fed("replay", "as-of", "2200-01-01", "offer").err


def test_diff_lists_fields(fed: Any) -> None:
    done = fed("replay", "diff", "2026-03-01", "2026-03-03")
    for expected in (
        "changed  offer uz:K-1",
        "4 → 5",
        "published → withdrawn",
        "added    deal kz:D-1  opened, version 1",
    ):
        assert expected in done.out
    found = json.loads(fed("replay", "diff", "2026-03-01", "2026-03-03", "offer", "--json").out)
    assert [(change["id"], change["what"]) for change in found] == [("uz:K-1", "changed"), ("uz:K-2", "changed")]
    nothing = fed("replay", "diff", "2026-03-06", "2026-03-07")
    assert "nothing changed" in nothing.out
    assert nothing.err == "--happened compares what had happened by then\n"
    assert fed("replay", "diff", "2020-03-06", "2020-03-07", "--happened").err == "--known compares what HQ knew then\n"
    assert json.loads(fed("replay", "diff", "2026-03-06", "2026-03-07", "--json").out) == []
    assert fed("replay", "diff", "2026-03-01", "2026-03-03", "--limit", "1").out.count("changed  ") == 1


def test_follow_draws_causes_and_effects(fed: Any) -> None:
    done = fed("replay", "follow", CORRELATION)
    assert "2 events, of kz, uz" in done.out
    assert "└─ kz: deal.opened kz:D-1" in done.out
    found = json.loads(fed("replay", "follow", CORRELATION, "--json").out)
    assert [(event["depth"], event["center"]) for event in found["events"]] == [(0, "uz"), (1, "kz")]


def test_rejudge_counts_and_lists(fed: Any) -> None:
    found = json.loads(fed("replay", "rejudge", "--json").out)
    assert (found["other"], found["changed"]) == (0, [])
    assert {"then": "OUT_OF_RANGE", "now": "OUT_OF_RANGE", "events": 1} in found["counts"]
    part = json.loads(fed("replay", "rejudge", "--lane", "uz/0000aaaa", "--from", "4", "--to", "5", "--json").out)
    assert part["events"] == 2
    assert "0 would be decided otherwise" in fed("replay", "rejudge", "--center", "kz").out


def test_file_is_written_whole_and_never_over_another(fed: Any, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    found = json.loads(fed("replay", "to", str(path), "--center", "kz", "--all", "--json").out)
    assert (found["events"], found["stopped"]) == (5, False)
    assert len(path.read_text("utf-8").splitlines()) == 5
    again = fed("replay", "to", str(path))
    assert (again.status, "already" in again.err) == (2, True)
    assert "no event is selected" in fed("replay", "to", str(tmp_path / "none.avro"), "--from", "2027-01-01").out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("as-of", "2026-03-01T12:00:00", "offer"), "add Z, or an offset"),
        (("as-of", "soon"), "is no time"),
        (("as-of", "now", "ofer"), "there is no stream ofer"),
        (("as-of", "2020-01-01", "uz:K-1"), "HQ had accepted nothing of it"),
        (("history", "uz:K-77"), "HQ never had an event about uz:K-77"),
        (("diff", "now", "now", "deal", "uz:K-1"), "HQ never had an event about deal uz:K-1"),
        (("follow", "nobody"), "no event has nobody"),
        (("rejudge", "--lane", "uz/nothere"), "hub lane list"),
        (("rejudge", "--from", "4"), "name one with --lane"),
        (("rejudge", "--center", "zz"), "there are hq, kz, uz"),
        (("to", "in.uz"), "live topic"),
        (("to", "events"), "live topic"),
        (("to", "sandbox.events"), "which broker?"),
        (("to", "all.csv/x"), "no topic's name"),
        (("to", "x.jsonl", "--speed", "2"), "are for a topic"),
        (("to", "x.jsonl", "--stream", "ofer"), "there is no stream ofer"),
        (("to", "x.jsonl", "--filter", "a["), "--filter"),
        (("to", "nowhere/x.jsonl"), "there is no folder"),
    ],
)
def test_wrong_use_is_one_line_with_the_remedy(
    fed: Any, arguments: tuple[str, ...], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = fed("replay", *arguments)
    assert (done.status, done.out) == (2, "")
    assert expected in done.err
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]


def test_id_is_found_as_a_person_writes_it(hub: Any, tmp_path: Path) -> None:
    async def live() -> None:
        kz = Center("kz")
        hq = await Hq.open(tmp_path / "data", kz)
        records = [kz.opening(), kz.append(kz.event("net.cohub.offer.published.v1", "%D0%97-1", offer()))]
        await hq.feed("kz", [records[0], kz.sealed(records[1])])
        await hq.store.close()

    asyncio.run(live())
    assert "offer kz:З-1" in hub("replay", "history", "kz:З-1").out
    assert json.loads(hub("replay", "as-of", "now", "kz:З-1", "--json").out)["id"] == "kz:%D0%97-1"


def test_what_a_stranger_sent_draws_nothing_on_the_terminal(hub: Any, tmp_path: Path) -> None:
    """A rejected event may have any type, subject and id: escape sequences in them are not passed on."""

    async def live() -> None:
        kz = Center("kz")
        hq = await Hq.open(tmp_path / "data", kz)
        first = kz.opening()
        event = kz.event("net.cohub.offer.published.v1", "K-1", offer(), correlation_id="story")
        for name, content in (("ce_type", b"\x1b[2Jtype"), ("ce_id", b"\x1b]0;id\x07"), ("ce_causationid", b"\x1bc")):
            event = event.without(name).plus(name, content)
        await hq.feed("kz", [first, kz.sealed(kz.append(event))])
        await hq.store.close()

    asyncio.run(live())
    asked: list[tuple[str, ...]] = [("follow", "story"), ("follow", "story", "--json"), ("history", "offer", "kz:K-1")]
    for arguments in asked:
        done = hub("replay", *arguments)
        assert "type" in done.out or arguments[0] == "history", done
        assert "\x1b" not in done.out + done.err


def test_without_a_hub_every_command_says_so(hub: Any) -> None:
    for arguments in (("history", "a:b"), ("as-of", "now"), ("rejudge",), ("follow", "x"), ("to", "x.avro")):
        done = hub("replay", *arguments)
        assert (done.status, "there is no hub here" in done.err) == (2, True)
