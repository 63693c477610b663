"""`hub center rotate`, `--quota`, and what `hub center show` says of a center at the broker."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.hq.access import mark, opened, read_rate, write_rate
from hub.hq.access_key import AccessKey
from hub.kafka.desired import MIB, Member
from hub.protocol.errors import UsageError
from hub.protocol.scram import Credential
from hub.store.access_store import OPEN, StoredAccess
from hub.store.sqlite import SqliteStore

ADD = ("center", "add", "uz", "--name", "Ташкент", "--country", "UZ", "--direction", "north", "--language", "ru")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return where `made` has its hub."""
    return tmp_path / "data"


def shown(hub: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(hub("center", "show", "uz", "--json").out)["access"]
    return found


def stored(data_dir: Path, change: Callable[[SqliteStore], Any] | None = None) -> dict[str, StoredAccess]:
    """Return what the database has, after a change of it."""

    async def look() -> dict[str, StoredAccess]:
        store = SqliteStore.open(data_dir / "hub.sqlite3")
        try:
            if change is not None:
                await change(store)
            return await store.access.every()
        finally:
            await store.close()

    return asyncio.run(look())


def test_rotate_gives_a_password_that_hq_does_not_keep(made: Any, data_dir: Path, tmp_path: Path) -> None:
    """It is in one file of its owner's alone; the database has what Kafka needs, sealed, and the output has nothing."""
    made(*ADD)
    done = made("center", "rotate", "uz", "--to", str(tmp_path / "uz.password"))
    assert "uz.password in place of keys/kafka.password" in done.out
    assert done.status == 0, done.err
    password = (tmp_path / "uz.password").read_text().strip()
    assert stat.S_IMODE((tmp_path / "uz.password").stat().st_mode) == 0o600
    assert len(password) >= 43
    kept = stored(data_dir)["uz"]
    assert kept.sealed is not None
    credential = opened(AccessKey.load(data_dir / "keys"), "uz", kept.sealed)
    assert credential == Credential.of(password, credential.salt)
    assert password not in done.out + done.err
    everything = b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file())
    for secret in (password.encode(), credential.salted_password, credential.salted_password.hex().encode()):
        assert secret not in everything
    assert (shown(made)["version"], shown(made)["state"]) == (1, "waits")


def test_rotate_over_a_file_or_into_no_folder_changes_nothing(made: Any, data_dir: Path, tmp_path: Path) -> None:
    """The office goes on with the password that it has."""
    made(*ADD)
    made("center", "rotate", "uz", "--to", str(tmp_path / "uz.password"))
    again = made("center", "rotate", "uz", "--to", str(tmp_path / "uz.password"))
    assert (again.status, "is there already" in again.err) == (2, True)
    nowhere = made("center", "rotate", "uz", "--to", str(tmp_path / "gone" / "uz.password"))
    assert (nowhere.status, "has the password that it had" in nowhere.err) == (2, True)
    assert stored(data_dir)["uz"].version == 1


def test_rotate_of_a_center_that_is_not_there_or_closed_is_refused(made: Any, tmp_path: Path) -> None:
    """Nothing is made for it."""
    made(*ADD)
    assert "there is no center kz" in made("center", "rotate", "kz", "--to", str(tmp_path / "p")).err
    made("center", "close", "uz", "--reason", "left")
    assert "closed for good" in made("center", "rotate", "uz", "--to", str(tmp_path / "p")).err
    assert "closed for good" in made("center", "set", "uz", "--quota", "1MiB").err
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("name", ["admin", "worker", "web", "node-1"])
def test_no_center_is_called_like_a_login_of_hqs_own(made: Any, name: str) -> None:
    """Its password would be HQ's."""
    done = made("center", "add", name, *ADD[3:])
    assert (done.status, "a user of HQ's own" in done.err) == (2, True)


def test_quota_is_set_alone_or_with_other_changes(made: Any, data_dir: Path) -> None:
    """What was is put back by its word."""
    made(*ADD)
    assert made("center", "set", "uz", "--quota", "2MiB").status == 0
    assert stored(data_dir)["uz"].rate == 2 * MIB
    assert shown(made)["quota"] == "2MiB/s"
    done = made("center", "set", "uz", "--quota", "default", "--name", "Toshkent", "--json")
    assert json.loads(done.out)["after"]["name"] == "Toshkent"
    assert stored(data_dir)["uz"].rate is None
    assert shown(made)["quota"] == "1MiB/s"


def test_quota_is_not_set_where_the_rest_is_refused(made: Any, data_dir: Path) -> None:
    """What is asked for at once is done whole or not at all; a rate that is none is found first."""
    made(*ADD, "--stream", "offer")
    done = made("center", "set", "uz", "--quota", "2MiB", "--remove-stream", "offer")
    assert (done.status, "offer" in done.err) == (2, True)
    assert "uz" not in stored(data_dir)
    assert made("center", "set", "uz", "--quota", "much", "--name", "Toshkent").status == 2
    assert json.loads(made("center", "show", "uz", "--json").out)["registered"]["name"] != "Toshkent"


def test_programs_are_told_what_was_changed(made: Any, tmp_path: Path) -> None:
    """By each command that says something new of a center."""
    made(*ADD)

    def told(*arguments: str) -> Any:
        return json.loads(made("center", *arguments, "--json").out)

    assert told("set", "uz", "--quota", "2MiB") == {"before": None, "after": None, "quota": "2MiB/s"}
    assert told("set", "uz", "--name", "Toshkent")["quota"] is None
    assert told("rotate", "uz", "--to", str(tmp_path / "p"))["credential"] == 1
    for command, status in (("suspend", "suspended"), ("resume", "active"), ("close", "closed")):
        reason = [] if command == "resume" else ["--reason", "tried"]
        assert told(command, "uz", *reason)["after"]["status"] == status


def test_set_without_any_change_still_says_so(made: Any) -> None:
    """A quota counts as one."""
    made(*ADD)
    assert "nothing to change" in made("center", "set", "uz").err


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1MiB", MIB), ("512KiB/s", MIB // 2), ("1000000", 1_000_000), ("2MB", 2_000_000), ("default", None)],
)
def test_rate_is_read_as_people_write_it(text: str, rate: int | None) -> None:
    """Bytes a second, with or without a unit."""
    assert read_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1", "10KiB", "2GiB", "1.5MiB", "1 MiB MiB", "1mib", "٣MiB", "1TiB", "9" * 30]
)
def test_rate_that_is_open_to_two_readings_or_of_no_use_is_refused(text: str) -> None:
    """Less than a batch in five seconds would keep a center from ever sending one."""
    with pytest.raises(UsageError, match="256KiB/s to 1024MiB/s"):
        read_rate(text)


def test_rate_is_written_in_the_largest_unit_that_fits() -> None:
    """People compare it with what they typed."""
    assert [write_rate(rate) for rate in (MIB, MIB // 2, 1_000_000)] == ["1MiB/s", "512KiB/s", "1000000B/s"]


def test_show_says_whether_the_broker_has_it_as_it_should(made: Any, data_dir: Path) -> None:
    """What another status or release would want is not what it has."""
    made(*ADD)
    now = datetime.now(UTC)
    assert shown(made) | {"kept_at": None} == {
        "state": "waits",
        "may": "read and write",
        "version": 0,
        "given_at": None,
        "quota": "1MiB/s",
        "kept_at": None,
    }
    assert "does not have it so yet" in made("center", "show", "uz").out.replace("\n", " ")
    stored(data_dir, lambda store: store.access.keep({"uz": mark(Member("uz", "active"))}, now))
    assert shown(made)["state"] == "kept"
    assert "read and write; the broker has it so since" in " ".join(made("center", "show", "uz").out.split())
    made("center", "suspend", "uz", "--reason", "audit")
    assert (shown(made)["state"], shown(made)["may"]) == ("waits", "read")
    stored(data_dir, lambda store: store.access.keep({"uz": OPEN}, now))
    assert shown(made)["state"] == "open"
    assert "lets in everybody" in made("center", "show", "uz").out
