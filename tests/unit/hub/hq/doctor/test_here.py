"""What `hub doctor` finds on this machine: each fault is made in a real directory."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.hq.doctor.database import Kept, examine_database
from hub.hq.doctor.examined import Mark
from hub.hq.doctor.here import (
    examine_directory,
    examine_disk,
    examine_keys,
    examine_settings,
    examine_worker,
)
from hub.hq.folder import HubFolder

NOW = datetime.now(UTC)


@pytest.fixture
def where(tmp_path: Path) -> HubFolder:
    """Return a hub that was just made."""
    assert run_command(["init"], Settings(tmp_path / "data")) == 0
    return HubFolder(tmp_path / "data")


async def test_hub_that_was_just_made_is_well(where: HubFolder) -> None:
    """What the first start makes is whole and private."""
    async with where.headquarters():
        pass  # it has made the database
    settings, in_force = examine_settings(where, {})
    database, kept = examine_database(where, NOW)
    found = [examine_directory(where), settings, examine_keys(where), database]
    assert [one.case for one in found] == ["whole", "read", "there", "current"]
    assert in_force is not None
    assert kept == Kept()


def test_directory_without_a_hub_is_missing(tmp_path: Path) -> None:
    """A wrong --data-dir is told as that, and not as a broken hub."""
    assert examine_directory(HubFolder(tmp_path / "none")).case == "missing"
    assert examine_directory(HubFolder(tmp_path)).case == "missing"
    (tmp_path / "file").write_text("x")
    assert examine_directory(HubFolder(tmp_path / "file")).case == "unfit"


@pytest.mark.parametrize("name", ["", "keys", "hub.sqlite3", "worker.json"])
def test_what_others_may_read_is_named(where: HubFolder, name: str) -> None:
    """The directory, its keys, its database, and what the worker wrote."""
    path = where.data_dir / name
    if not path.exists():
        path.write_text("{}")
    path.chmod(0o755 if path.is_dir() else 0o644)
    found = examine_directory(where)
    assert (found.case, found.mark) == ("exposed", Mark.FAILS)
    assert str(path) in found.said.text()


def test_settings_that_cannot_be_read_are_told_without_a_secret(where: HubFolder) -> None:
    """The sentence names the setting; what stands there may be a password."""
    (where.data_dir / "hub.yaml").write_text("security: sentinel-77\n")
    found, in_force = examine_settings(where, {})
    assert (found.case, in_force) == ("wrong", None)
    assert "sentinel-77" not in str(found.plain())


def test_password_that_others_may_read_is_told(where: HubFolder) -> None:
    """In the environment, or in a file of its owner alone, it is no fault."""
    path = where.data_dir / "hub.yaml"
    path.write_text("security: {protocol: SASL_SSL, username: hq, password: sentinel-78}\n")
    path.chmod(0o644)
    found, _ = examine_settings(where, {})
    assert found.case == "exposed"
    assert "sentinel-78" not in str(found.plain())
    path.chmod(0o600)
    assert examine_settings(where, {})[0].case == "read"


@pytest.mark.parametrize("fault", ["gone", "damaged", "exposed", "no note"])
def test_key_that_is_not_as_it_should_be_is_told(where: HubFolder, fault: str) -> None:
    """Without it HQ signs nothing: which file, and what is wrong with it."""
    key = where.keys / "receipts.key"
    secret = key.read_text().strip()[-40:]
    if fault == "gone":
        key.unlink()
    elif fault == "damaged":
        key.write_text(f"PRIVATE+KEY {secret}\n")
    elif fault == "exposed":
        key.chmod(0o644)
    else:
        (where.keys / "trust.note").unlink()
    found = examine_keys(where)
    assert (found.case, found.mark) == ("unfit", Mark.FAILS)
    assert secret not in str(found.plain())


def test_database_of_another_release_is_told(where: HubFolder) -> None:
    """Also one that is none, and one that is not there yet."""
    where.database.write_bytes(b"no database at all" * 100)
    found, kept = examine_database(where, NOW)
    assert (found.case, kept) == ("unfit", None)
    where.database.unlink()
    found, kept = examine_database(where, NOW)
    assert (found.case, found.mark, kept) == ("none", Mark.WARNS, Kept())


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    ("total", "free", "expected"),
    [
        (500 << 30, 100 << 30, "free"),
        (500 << 30, 3 << 30, "free"),
        (500 << 30, 1 << 30, "low"),
        (10 << 30, (1 << 30) + 1, "free"),
        (10 << 30, 1 << 29, "low"),
        (500 << 30, 100 << 20, "full"),
    ],
)
def test_room_on_the_disk_is_told(
    where: HubFolder, monkeypatch: pytest.MonkeyPatch, total: int, free: int, expected: str
) -> None:
    """A large disk of which little is left is as good as a small one."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total, total - free, free))
    assert [one.case for one in examine_disk(where)] == [expected]


def test_worker_that_never_ran_is_a_warning_and_one_that_stopped_a_fault(where: HubFolder) -> None:
    """A hub that was just made has none; one that had one, and has none any more, takes nothing."""
    assert examine_worker(where, NOW).mark is Mark.WARNS
    where.worker_file.write_text('{"pid": 999999999, "host": null}')
    assert examine_worker(where, NOW).case == "stopped"
    where.worker_file.write_text(f'{{"pid": {os.getpid()}, "host": null}}')
    assert examine_worker(where, datetime.now(UTC)).case == "runs"
    assert examine_worker(where, datetime.now(UTC) + timedelta(minutes=5)).case == "silent"
