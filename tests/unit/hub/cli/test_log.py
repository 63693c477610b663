"""`hub log …`: how the log stands, its checkpoints, its tree; and what is said where there is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.hq.identity import Identity, load_identity
from hub.protocol.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from hub.protocol.proof import TlogProof
from hub.protocol.tree import leaf_hash
from tests.support.center import NOW
from tests.support.notarized import ORIGIN, add_receipts, notarize
from tests.support.peek import opened


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def identity(made: Any, data_dir: Path) -> Identity:
    """Return a hub whose log has 3 checkpoints over 30 receipts, and 5 receipts that are not in it."""
    made("center", "list")
    identity = load_identity(data_dir / "keys")
    asyncio.run(log_all(data_dir, identity))  # makes the database
    for _ in range(3):
        add_receipts(data_dir / "hub.sqlite3", "uz", 10)
        asyncio.run(log_all(data_dir, identity))
    add_receipts(data_dir / "hub.sqlite3", "uz", 5)
    return identity


async def log_all(data_dir: Path, identity: Identity) -> None:
    async with opened(data_dir / "hub.sqlite3") as store:
        await notarize(store, identity)


async def keep(data_dir: Path, note: bytes) -> None:
    """Keep a note of size 99 as evidence against HQ's log."""
    async with opened(data_dir / "hub.sqlite3") as store:
        await store.keep_evidence(ORIGIN, 99, b"", note, NOW)


def test_status_says_size_cosignatures_and_what_is_behind(made: Any, identity: Identity) -> None:
    done = made("log", "status")
    assert done.status == 0, done.err
    assert "size 30" in done.out
    assert "cosigned by 0 of 0 centers: not yet believed" in done.out
    assert "not in the log yet: 5" in done.out
    found = json.loads(made("log", "status", "--json").out)
    assert (found["size"], found["behind"], found["believed"], found["rolled_back"]) == (30, 5, False, None)


def test_status_of_a_rolled_back_database_is_an_alarm_with_the_remedy(
    made: Any, identity: Identity, data_dir: Path
) -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 99, bytes(32)), [identity.log, identity.log_long], NOW)
    asyncio.run(keep(data_dir, note))
    done = made("log", "status")
    assert done.status == 1
    assert "size 99" in done.err
    assert "put the newest copy back" in done.err
    assert made("log", "status", "--json").status == 1


def test_checkpoint_prints_the_stored_note(made: Any, identity: Identity) -> None:
    newest, note = open_checkpoint(made("log", "checkpoint").out.encode())
    assert newest.size == 30
    note.verify([identity.log.verifier])
    note.verify([identity.log_long.verifier])
    assert open_checkpoint(made("log", "checkpoint", "20").out.encode())[0].size == 20


def test_checkpoint_that_there_is_not_is_said(made: Any, identity: Identity) -> None:
    assert "no such checkpoint" in made("log", "checkpoint", "21").err
    assert "no checkpoint is believed yet" in made("log", "checkpoint", "--believed").err
    assert made("log", "checkpoint", "21").status == 2


def test_proof_holds_by_itself(made: Any, identity: Identity) -> None:
    """Whoever has HQ's log key and this text alone sees the receipt, and that it is in the log."""
    done = made("log", "proof", "uz", "17")
    assert done.status == 0, done.err
    proof = TlogProof.from_text(done.out)
    assert proof.extra is not None
    assert b"uz 17" in proof.extra
    for key in (identity.log.verifier, identity.log_long.verifier):
        assert proof.verify(leaf_hash(proof.extra), [key]).size == 30
    assert made("log", "proof", "hub.example/uz/feed0000", "17").out == done.out


def test_proof_of_what_is_not_in_the_log_is_refused(made: Any, identity: Identity) -> None:
    assert "no receipt in the log covers sequence 31 yet" in made("log", "proof", "uz", "31").err
    assert "HQ has no lane kz" in made("log", "proof", "kz", "1").err


def test_export_writes_the_tree_and_says_what_is_new(
    made: Any, identity: Identity, tmp_path: Path, data_dir: Path
) -> None:
    folder = str(tmp_path / "www")
    done = made("log", "export", folder)
    assert done.status == 0, done.err
    assert "size 30, 30 new; wrote 3 files" in done.out
    asyncio.run(log_all(data_dir, identity))
    found = json.loads(made("log", "export", folder, "--json").out)
    assert (found["size"], found["before"], found["left_out"]) == (35, 30, [])


def test_export_into_something_else_is_refused(made: Any, identity: Identity, tmp_path: Path) -> None:
    (tmp_path / "thing").write_text("")
    done = made("log", "export", str(tmp_path))
    assert done.status == 2
    assert "expected an empty folder" in done.err


def test_log_without_a_hub_says_where_to_begin(hub: Callable[..., Any], tmp_path: Path) -> None:
    for command in (("status",), ("checkpoint",), ("export", str(tmp_path / "x"))):
        done = hub("log", *command)
        assert done.status == 2
        assert "run `hub up` or `hub init`" in done.err
