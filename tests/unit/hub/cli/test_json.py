"""What programs read of a hub: the keys of every command's JSON, in their order.

None goes without a release that says so. A key more is no break; it is added here.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hub.hq.identity import make_identity
from tests.support.center import HUB, NOW, Sent
from tests.support.lived import lived

KEY = "id purpose status replaced_lost status_reason vkey"
CENTER = "id status country direction keys languages name streams timezone zone"
INTAKE = (
    "center status why cause owner position origin size epochs events accepted rejected duplicates missing unpublished "
    "forks last_receipt_at seen_at presence told alarm reads_on strangers quarantined_bytes unkept"
)
LANE = "origin center epoch size published missing closed_by recorded_at state_digest"
ENTITY = "center changed id kind record status stream version"
QUARANTINED = "id center offset reason detail bytes recorded_at digest"
LOG = "size signed_at cosigned witnesses believed believed_size behind rolled_back owed lost"
CONTRACT = "contract deal center status standing counterpart other_deal amount currency other_amount other_currency"
CLOCK = "at ahead since ahead_until reason corrections"
TOTALS = "events accepted rejected duplicates missing receipts quarantined forks entities published_backlog basis"


@pytest.fixture
def old(hub: Any, tmp_path: Path) -> Any:
    """Return the command line of a hub that lived for some days, had a fork, and keeps a stranger's record."""

    async def live() -> None:
        found = await lived(tmp_path / "data", make_identity(tmp_path / "data" / "keys", HUB))
        await found.hq.feed("kz", [Sent(b"uz:1", b"\x00junk", (("ce_id", b"1"),), offset=99)])
        await found.hq.store.keep_evidence(found.uz.origin, 3, b"ours", b"theirs", NOW)
        await found.hq.store.close()

    asyncio.run(live())
    return hub


def keys(value: Any, *path: str | int) -> str:
    """Return the keys of the object at `path`."""
    for step in path:
        value = value[step]
    return " ".join(value)


def test_json_of_every_reading_command_has_the_keys_that_programs_know(old: Any) -> None:
    """A program that reads one of them goes on after an update."""

    def read(*arguments: str) -> Any:
        done = old(*arguments, "--json")
        assert done.status == 0, done.err
        return json.loads(done.out)

    status = read("status")
    assert keys(status) == "at worker needs centers totals invitations rules workers log clock broker"
    assert keys(status, "centers", 0) == f"{INTAKE} registered lag"
    assert keys(status, "totals") == TOTALS
    assert keys(status, "log") == f"{LOG} centers strange_cosignatures keys_signed"
    assert keys(status, "log", "centers", 0) == "center key cosigned cosigned_at alarm"
    assert keys(status, "clock") == CLOCK
    assert keys(read("clock", "show")) == CLOCK
    assert keys(read("rules")) == "in_force known workers"
    assert keys(status, "broker") == "bootstrap state"
    assert keys(read("view", "contracts"), 0) == CONTRACT
    references = read("view", "references", "deal", "kz:D-1")
    assert keys(references) == "names named_by"
    assert keys(read("view", "figures"), 0) == ("measure center amount currency entities converted converted_currency")
    offered = read("view", "figures", "offers_published", "--entities")
    assert keys(offered, 0) == "entity measure at center month amount currency converted converted_currency"
    assert keys(read("view", "list"), 0) == "view version state behind"
    assert keys(read("view", "check"), 0) == "view is_equal"
    assert keys(read("view", "rebuild"), 0) == "view digest"
    centers = read("center", "list")
    assert (keys(centers, 0), keys(centers, 0, "keys", 0)) == (CENTER, KEY)
    center = read("center", "show", "uz")
    assert (keys(center), keys(center, "registered"), keys(center, "standing")) == (
        "registered standing access invitation",
        CENTER,
        INTAKE,
    )
    assert keys(center, "access") == "state may version given_at quota kept_at"
    assert keys(read("lane", "list"), 0) == LANE
    shown = read("lane", "show", "uz")
    assert keys(shown) == f"{INTAKE} lanes measures evidence"
    assert (keys(shown, "lanes", 0), keys(shown, "evidence", 0)) == (LANE, "origin size ours theirs recorded_at")
    assert keys(read("show", "offer"), 0) == ENTITY
    assert keys(read("show", "deal", "kz:D-1")) == f"{ENTITY} digest origin at"
    assert keys(read("quarantine", "list"), 0) == QUARANTINED
    assert keys(read("quarantine", "show", "1")) == f"{QUARANTINED} key is_whole headers value_text value_hex"
    assert keys(read("log", "status")) == f"{LOG} worker"
    trusted = read("key", "list")
    assert keys(trusted) == "hub serial time reason keys"
    assert keys(trusted, "keys", 0) == "purpose name id kind status retired_at vkey"


def test_times_and_digests_are_text_of_one_form(old: Any) -> None:
    """RFC 3339 with an offset, and hexadecimal, wherever they stand."""
    lane = json.loads(old("lane", "list", "--json").out)[-1]
    assert (lane["recorded_at"], len(bytes.fromhex(lane["state_digest"]))) == ("2026-03-06T12:00:00+00:00", 32)
    deal = json.loads(old("show", "deal", "kz:D-1", "--json").out)
    assert len(bytes.fromhex(deal["digest"])) == 32
