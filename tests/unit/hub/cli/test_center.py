"""Centers and their keys: what may be said, what is refused, and what the record has afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hub.ledger.reading import Heard, Reading
from hub.ledger.step import Step
from hub.protocol.control import More, Presence
from hub.store.sqlite import SqliteStore

ADD = ("center", "add", "uz", "--name", "Ташкент", "--country", "UZ", "--direction", "north", "--language", "ru")


def centers(hub: Any) -> dict[str, Any]:
    return {c["id"]: c for c in json.loads(hub("center", "list", "--json").out)}


def test_add_with_enrolment_registers_the_center_with_its_key(made: Any, note: Any) -> None:
    done = made(*ADD, "--stream", "offer", "--enrolment", note())
    assert done.status == 0, done.err
    center = centers(made)["uz"]
    assert (center["name"], center["country"], center["streams"], center["languages"]) == (
        "Ташкент",
        "UZ",
        ["offer"],
        ["ru"],
    )
    (key,) = center["keys"]
    assert (key["purpose"], key["status"], key["replaced_lost"]) == ("seal", "active", False)
    assert key["vkey"].startswith("hub.example/uz+")
    assert "Ташкент" in made("center", "list").out


def test_add_twice_is_refused(made: Any) -> None:
    assert made(*ADD).status == 0
    assert "is registered already" in made(*ADD).err


def test_add_for_another_center_or_hub_is_refused(made: Any, note: Any) -> None:
    assert "expected uz of hub.example" in made(*ADD, "--enrolment", note("kz")).err
    assert "expected uz of hub.example" in made(*ADD, "--enrolment", note(hub="other.example")).err
    assert centers(made) == {}


def test_add_with_a_damaged_note_is_refused(made: Any, note: Any, tmp_path: Any) -> None:
    path = tmp_path / "bad.note"
    path.write_bytes(Path(note()).read_bytes().replace(b"seal", b"sea1"))
    assert "no enrolment note" in made(*ADD, "--enrolment", str(path)).err
    assert "no such file" in made(*ADD, "--enrolment", str(tmp_path / "gone")).err.lower()


def test_add_with_a_stream_that_no_center_writes_is_refused(made: Any) -> None:
    assert (
        "expected one of activity, deal, deal_confirmation, investment, offer" in made(*ADD, "--stream", "schema").err
    )


def test_add_against_the_rules_says_which(made: Any) -> None:
    done = made("center", "add", "xx", "--name", "X", "--country", "XX", "--direction", "north")
    assert done.status == 2
    assert "not a code of the standard list (hq:xx country" in done.err


def test_new_key_is_vouched_for_by_the_active_one(made: Any, note: Any) -> None:
    made(*ADD, "--enrolment", note())
    assert made("center", "add-key", "uz", "--enrolment", note(seed=2, previous=1)).status == 0
    keys = centers(made)["uz"]["keys"]
    assert [k["status"] for k in keys] == ["active", "active"]
    assert not keys[1]["replaced_lost"]


def test_new_key_alone_needs_the_word_lost(made: Any, note: Any) -> None:
    made(*ADD, "--enrolment", note())
    alone = made("center", "add-key", "uz", "--enrolment", note(seed=2))
    assert alone.status == 2
    assert "--replaces-lost" in alone.err
    assert made("center", "add-key", "uz", "--enrolment", note(seed=2), "--replaces-lost").status == 0
    assert centers(made)["uz"]["keys"][1]["replaced_lost"]


def test_new_key_vouched_for_by_a_stranger_or_a_revoked_key_is_refused(made: Any, note: Any) -> None:
    made(*ADD, "--enrolment", note())
    assert made("center", "add-key", "uz", "--enrolment", note(seed=3, previous=2)).status == 2
    made("center", "add-key", "uz", "--enrolment", note(seed=2, previous=1))
    first = centers(made)["uz"]["keys"][0]["id"]
    assert made("center", "revoke-key", "uz", first, "--reason", "lost").status == 0
    assert made("center", "add-key", "uz", "--enrolment", note(seed=3, previous=1)).status == 2


def test_key_in_place_of_a_revoked_one_is_marked_as_replacing_a_lost_key(made: Any, note: Any) -> None:
    """To revoke the lost key first hides nothing: no earlier key has vouched for the new one."""
    made(*ADD, "--enrolment", note())
    made("center", "revoke-key", "uz", centers(made)["uz"]["keys"][0]["id"], "--reason", "the disk was stolen")
    assert made("center", "add-key", "uz", "--enrolment", note(seed=2)).status == 0
    assert [k["replaced_lost"] for k in centers(made)["uz"]["keys"]] == [False, True]


def test_revoked_key_keeps_the_reason(made: Any, note: Any) -> None:
    made(*ADD, "--enrolment", note())
    made("center", "revoke-key", "uz", centers(made)["uz"]["keys"][0]["id"], "--reason", "the disk was stolen")
    assert centers(made)["uz"]["keys"][0]["status_reason"] == "the disk was stolen"


def test_first_key_of_a_center_without_one_needs_nobody(made: Any, note: Any) -> None:
    assert "waits" in made(*ADD).out
    assert made("center", "add-key", "uz", "--enrolment", note()).status == 0
    assert not centers(made)["uz"]["keys"][0]["replaced_lost"]
    assert "has this key already" in made("center", "add-key", "uz", "--enrolment", note(), "--replaces-lost").err


def test_revoke_key_twice_or_unknown_is_refused(made: Any, note: Any) -> None:
    made(*ADD, "--enrolment", note())
    key = centers(made)["uz"]["keys"][0]["id"]
    assert f"it has {key}" in made("center", "revoke-key", "uz", "00000000", "--reason", "x").err
    assert made("center", "revoke-key", "uz", key, "--reason", "x").status == 0
    assert "revoked already" in made("center", "revoke-key", "uz", key, "--reason", "x").err


def test_suspend_and_resume_turn_the_status(made: Any) -> None:
    made(*ADD)
    assert made("center", "suspend", "uz", "--reason", "audit").status == 0
    assert centers(made)["uz"]["status"] == "suspended"
    again = made("center", "suspend", "uz", "--reason", "audit")
    assert again.status == 2
    assert "HQ has exactly this already" in again.err
    assert "not possible in the present status" in made("center", "suspend", "uz", "--reason", "other").err
    assert made("center", "resume", "uz").status == 0
    assert centers(made)["uz"]["status"] == "active"


def test_closed_center_is_closed_for_good(made: Any) -> None:
    made(*ADD)
    assert made("center", "close", "uz").status == 2
    assert made("center", "close", "uz", "--reason", "left").status == 0
    assert centers(made)["uz"]["status"] == "closed"
    assert "not possible in the present status" in made("center", "resume", "uz").err


def test_set_replaces_what_is_given_and_keeps_the_rest(made: Any, note: Any) -> None:
    made(*ADD, "--stream", "offer", "--enrolment", note())
    assert made("center", "set", "uz", "--stream", "deal", "--stream", "partner", "--yes").status == 0
    center = centers(made)["uz"]
    assert (center["streams"], center["name"], len(center["keys"])) == (["deal", "partner"], "Ташкент", 1)
    assert made("center", "set", "uz").status == 2
    assert "there is no center kz" in made("center", "set", "kz", "--name", "X").err


def test_set_takes_no_stream_away_unasked_and_shows_what_was_and_what_is(made: Any) -> None:
    """A forgotten --stream must not take a center's offers from it."""
    made(*ADD, "--stream", "offer", "--stream", "request")
    refused = made("center", "set", "uz", "--stream", "deal")
    assert refused.status == 2
    assert "could not report offer, request any more" in refused.err
    assert "--yes" in refused.err
    assert centers(made)["uz"]["streams"] == ["offer", "request"]
    added = made("center", "set", "uz", "--add-stream", "deal", "--add-stream", "offer")
    assert (added.status, centers(made)["uz"]["streams"]) == (0, ["offer", "request", "deal"])
    assert "offer; request; deal" in added.out
    assert made("center", "set", "uz", "--add-stream", "partner", "--remove-stream", "deal").status == 2
    done = made("center", "set", "uz", "--add-stream", "partner", "--remove-stream", "deal", "--yes", "--json")
    said = json.loads(done.out)
    assert said["before"]["streams"] == ["offer", "request", "deal"]
    assert said["after"]["streams"] == centers(made)["uz"]["streams"] == ["offer", "request", "partner"]
    assert "may not report it" in made("center", "set", "uz", "--remove-stream", "deal", "--yes").err
    assert "expected one of" in made("center", "set", "uz", "--add-stream", "nonsense").err
    assert "is what it was" in made("center", "set", "uz", "--add-stream", "offer").out


def test_trust_prints_the_note_that_centers_pin(made: Any) -> None:
    assert made("trust").out.startswith("cohub-trust/v2\nhub.example\nserial 1\n")


def test_init_twice_is_refused_and_keeps_the_keys(made: Any, tmp_path: Any) -> None:
    before = (tmp_path / "data" / "keys" / "hq.key").read_text()
    assert made("init").status == 2
    assert made("init", "--hub", "other.example").status == 2
    assert (tmp_path / "data" / "keys" / "hq.key").read_text() == before


def hear(data: Path, *texts: Presence) -> None:
    """Have HQ hear what a center says of itself."""

    async def feed() -> None:
        store = SqliteStore.open(data / "hub.sqlite3")
        try:
            claimed = (await store.claim(["uz"], "test"))["uz"]
            for presence in texts:
                step = Step(Reading.of(claimed.intake), presence.time, (), {}, {}, (), (), (), Heard((presence,)))
                await store.commit(step, claimed.term)
        finally:
            await store.close()

    asyncio.run(feed())


def test_show_tells_what_the_office_says_of_itself(made: Any, note: Callable[..., str], tmp_path: Path) -> None:
    """How old its oldest waiting report is, how many rows it refused, why its connector ended; so does status."""
    assert made(*ADD, "--enrolment", note()).status == 0
    now = datetime.now(UTC)
    more = More(7_300, 12, "", ("status/v1",))
    hear(tmp_path / "data", Presence("uz", "", now - timedelta(minutes=5), 9, 3, "cohub 0.3.0", more))
    shown = made("center", "show", "uz")
    assert shown.status == 0
    assert "2 h old" in shown.out
    assert "12" in shown.out
    status = made("status").out
    assert {"oldest", "refused", "2", "12"} <= set(status.split())
    assert "ended" not in status

    last = replace(more, ended="the disk is full", oldest_s=None)
    hear(tmp_path / "data", Presence("uz", "", now, 9, 3, "cohub 0.3.0", last))
    shown = made("center", "show", "uz")
    assert (shown.status, "ended: the disk is full" in shown.out) == (0, True)  # it may have been stopped on purpose
    assert "uz: its connector ended" in made("status").out
    found = json.loads(made("status", "--json").out)["centers"][0]["presence"]
    assert (found["ended"], found["refused"], found["oldest_s"], found["reads"]) == (
        "the disk is full", 12, None, ["status/v1"],
    )  # fmt: skip
    found = json.loads(made("center", "show", "uz", "--json").out)
    assert (found["registered"]["id"], found["standing"]["presence"]["ended"]) == ("uz", "the disk is full")


def test_show_of_a_center_that_is_not_there_names_those_that_are(made: Any, note: Callable[..., str]) -> None:
    """A typing error is told from a center that nobody has heard."""
    made(*ADD, "--enrolment", note())
    done = made("center", "show", "zz")
    assert (done.status, "known are uz" in done.err) == (2, True)
