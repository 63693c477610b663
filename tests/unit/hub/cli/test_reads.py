"""What a person or a program reads of a hub: status, lanes, entities, quarantine. No broker runs here."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from hub.base import output
from hub.broker.ports import choose_port
from hub.ledger.lane import Status
from hub.store.sqlite import SqliteStore
from tests.support.center import NOW, Center, Sent, offer
from tests.support.hq import Hq


@pytest.fixture
def fed(hub: Any, tmp_path: Path) -> Any:
    """Return the command line of a hub that has taken 3 offers of uz, one of them bad, and one stranger's record."""

    async def feed() -> None:
        uz = Center("uz")
        hq = await Hq.open(tmp_path / "data", uz, Center("kz"))
        records = [
            *uz.opened(2),
            uz.sealed(uz.append(uz.event("net.cohub.offer.published.v1", "K-9", offer(title="Bad", trl=12)))),
            Sent(b"uz:1", b"\x00junk", (("ce_id", b"1"),), offset=9),
        ]
        await hq.feed("uz", records)
        await hq.feed("uz", records[:1])
        await hq.store.close()

    asyncio.run(feed())
    return hub


def test_status_tells_of_every_center_and_adds_up(fed: Any) -> None:
    found = json.loads(fed("status", "--json").out)
    centers = {c["center"]: c for c in found["centers"]}
    uz = centers["uz"]
    assert (uz["status"], uz["events"], uz["accepted"], uz["rejected"]) == ("reading", 4, 3, {"OUT_OF_RANGE": 1})
    assert (uz["duplicates"], uz["missing"], uz["lag"], uz["unpublished"]) == (1, 0, None, 4)
    assert uz["last_receipt_at"].startswith("2026-03-01")
    assert (centers["kz"]["status"], centers["kz"]["why"]) == ("new", "no worker has read it yet")
    totals = found["totals"]
    assert (totals["events"], totals["accepted"], totals["receipts"], totals["quarantined"]) == (4, 3, 1, 1)
    assert totals["entities"] == {"offer": 2}
    assert totals["published_backlog"] == 4
    assert "no worker has run here" in found["broker"]["state"]


def test_status_for_people_has_the_same_numbers(fed: Any) -> None:
    out = fed("status").out
    assert "events 4: accepted 3, rejected: OUT_OF_RANGE 1; duplicates 1, missing 0, forks 0" in out
    assert "entities offer 2" in out


def test_status_counts_the_forks_of_each_center(hub: Any, tmp_path: Path) -> None:
    """A lane that was sealed twice over one position stands out by its center, not in the total alone."""

    async def fork() -> None:
        uz = Center("uz")
        hq = await Hq.open(tmp_path / "data", uz, Center("kz"))
        await hq.feed("uz", uz.opened(2))
        await hq.store.keep_evidence(uz.origin, 3, b"ours", b"theirs", NOW)
        await hq.store.close()

    asyncio.run(fork())
    found = json.loads(hub("status", "--json").out)
    assert {c["center"]: c["forks"] for c in found["centers"]} == {"kz": 0, "uz": 1}
    assert found["totals"]["forks"] == 1
    assert "forks" in hub("status").out


def test_status_with_the_broker_away_says_so(fed: Any) -> None:
    done = fed("status", "--json", "--bootstrap", f"127.0.0.1:{choose_port()}")
    assert done.status == 0
    assert "does not answer, so lags are unknown" in json.loads(done.out)["broker"]["state"]


def test_show_lists_a_stream_and_tells_of_the_rest(fed: Any) -> None:
    done = fed("show", "offer", "--limit", "1")
    assert "uz:K-1" in done.out
    assert "1 of 2" in done.err
    assert [row["id"] for row in json.loads(fed("show", "offer", "--json").out)] == ["uz:K-1", "uz:K-2"]
    assert json.loads(fed("show", "offer", "--center", "kz", "--json").out) == []


def test_show_one_entity_has_its_record_and_its_event(fed: Any) -> None:
    found = json.loads(fed("show", "offer", "uz:K-2", "--json").out)
    assert (found["id"], found["status"], found["version"], found["at"]) == ("uz:K-2", "published", 1, 3)
    assert found["record"]["title"] == "Offer 2"
    assert found["origin"] == "hub.example/uz/0000abcd"
    assert "Offer 2" in fed("show", "offer", "uz:K-2").out
    assert "HQ has no offer uz:K-9" in fed("show", "offer", "uz:K-9").err


def test_show_takes_a_key_as_a_person_writes_it(hub: Any, tmp_path: Path) -> None:
    """Connectors percent-encode a key; nobody has to type that, and lists show both forms."""
    kz = Center("kz")
    written, sent = "З-1 й", "%D0%97-1%20%D0%B9"

    async def feed() -> None:
        hq = await Hq.open(tmp_path / "data", kz)
        opened = kz.opened(1)
        event = kz.event("net.cohub.offer.published.v1", sent, offer(title="Printer"))
        await hq.feed("kz", [*opened, kz.sealed(kz.append(event))])
        await hq.store.close()

    asyncio.run(feed())
    for key in (written, unicodedata.normalize("NFD", written), sent):
        assert json.loads(hub("show", "offer", f"kz:{key}", "--json").out)["id"] == f"kz:{sent}"
    assert f"kz:{sent} (kz:{written})" in hub("show", "offer").out
    assert f"kz:{sent} (kz:{written})" in hub("show", "offer", f"kz:{written}").out
    assert "HQ has no offer kz:З-2" in hub("show", "offer", "kz:З-2").err


def test_output_goes_on_where_a_console_lacks_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    output.line("Ташкент")
    output.table("", ["name"], [["Ташкент"]])
    assert written.getvalue().count(b"???????") == 2


def test_lane_list_and_show(fed: Any) -> None:
    lanes = {lane["origin"]: lane for lane in json.loads(fed("lane", "list", "--json").out)}
    assert lanes["hub.example/uz/0000abcd"]["size"] == 4
    assert any(lane["center"] == "hq" for lane in lanes.values())
    shown = json.loads(fed("lane", "show", "uz", "--json").out)
    assert shown["measures"] == {
        "hub.example/uz/0000abcd lane.open": "1",
        "hub.example/uz/0000abcd offer.published": "2",
    }
    assert "reading" in fed("lane", "show", "uz").out
    assert "HQ has read nothing of it yet" in fed("lane", "show", "kz").err
    assert "known are kz, uz" in fed("lane", "show", "xx").err


def test_quarantine_list_and_show(fed: Any) -> None:
    (row,) = json.loads(fed("quarantine", "list", "--json").out)
    assert (row["center"], row["offset"], row["reason"]) == ("uz", 9, "NOT_ATTRIBUTABLE")
    shown = json.loads(fed("quarantine", "show", str(row["id"]), "--json").out)
    assert (shown["key"], shown["headers"], bytes.fromhex(shown["value_hex"])) == ("uz:1", {"ce_id": "1"}, b"\x00junk")
    assert "NOT_ATTRIBUTABLE" in fed("quarantine", "list", "--center", "uz").out
    assert "ce_id" in fed("quarantine", "show", str(row["id"])).out
    assert fed("quarantine", "show", "99").status == 2


def stand(data: Path, status: Status) -> int:
    """Stop the intake of uz; return its term."""

    async def stop() -> int:
        store = SqliteStore.open(data / "hub.sqlite3")
        term = (await store.claim(["uz"], "test"))["uz"].term
        await store.set_status("uz", term, status, "for a test\nwith a second line")
        await store.close()
        return term

    return asyncio.run(stop())


def changes(data: Path) -> tuple[int, str]:
    async def read() -> tuple[int, str]:
        store = SqliteStore.open(data / "hub.sqlite3")
        found = await store.changes()
        await store.close()
        return found.intakes["uz"]

    return asyncio.run(read())


@pytest.mark.parametrize("status", [Status.PARKED, Status.FORKED])
def test_lane_resume_keeps_the_term_so_that_the_owner_goes_on(fed: Any, tmp_path: Path, status: Status) -> None:
    """A new term would fence out the very worker that should go on."""
    term = stand(tmp_path / "data", status)
    assert "for a test" in fed("status").out
    done = fed("lane", "resume", "uz")
    assert f"it was {status}" in done.out
    assert changes(tmp_path / "data") == (term, "reading")


def test_lane_resume_of_a_waiting_lane_says_what_it_waits_for(fed: Any, tmp_path: Path) -> None:
    term = stand(tmp_path / "data", Status.WAITING)
    done = fed("lane", "resume", "uz")
    assert done.status == 2
    assert "waits for HQ" in done.err
    assert changes(tmp_path / "data") == (term, "waiting")


def test_lane_resume_of_a_reading_lane_changes_nothing(fed: Any) -> None:
    assert fed("lane", "resume", "uz").out == "uz is being read\n"


def test_schema_check_passes_on_what_is_released(hub: Any) -> None:
    done = hub("schema", "check")
    assert done.status == 0
    assert "are as released" in done.out
    assert json.loads(hub("schema", "check", "--json").out) == []
