"""One suite for every store: how centers reach HQ."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hub.store.access_store import StoredAccess
from tests.support.center import NOW
from tests.support.engines import Engine
from tests.support.hq import Hq


async def test_center_that_was_given_nothing_has_no_row(hq: Hq) -> None:
    """It has the quota of all, and no credential."""
    assert await hq.store.access.every() == {}


async def test_each_credential_has_the_next_number(hq: Hq) -> None:
    """Whoever was told of one knows whether it is still the newest."""
    access = hq.store.access
    assert [await access.give("uz", b"1", NOW), await access.give("uz", b"2", NOW + timedelta(seconds=1))] == [1, 2]
    assert await access.give("kz", b"3", NOW) == 1
    found = await access.every()
    assert found == {
        "uz": StoredAccess(2, b"2", NOW + timedelta(seconds=1)),
        "kz": StoredAccess(1, b"3", NOW),
    }


async def test_quota_and_credential_stand_apart(hq: Hq) -> None:
    """Setting one leaves the other; what Kafka was brought to as well."""
    access = hq.store.access
    await access.limit("uz", 2048)
    assert await access.every() == {"uz": StoredAccess(rate=2048)}
    await access.give("uz", b"1", NOW)
    await access.keep({"uz": "abc", "kz": "def"}, NOW)
    await access.limit("uz", None)
    assert await access.every() == {
        "uz": StoredAccess(1, b"1", NOW, None, "abc", NOW),
        "kz": StoredAccess(kept="def", kept_at=NOW),
    }


async def test_all_of_it_is_there_after_a_restart(engine: Engine, tmp_path: Path) -> None:
    """It is in the database, not in the process."""
    store = await engine.open(tmp_path)
    await store.access.give("uz", b"1", NOW)
    await store.close()
    store = await engine.open(tmp_path)
    assert (await store.access.every())["uz"].sealed == b"1"
    await store.close()


_LATE = "given_at_us = 4611686018427387904"


@pytest.mark.parametrize(
    "edit",
    [
        "version = 'zz'",
        "version = -1",
        "version = 0",
        "sealed = NULL",
        "sealed = 'text'",
        "rate = 'many'",
        "rate = -5",
        "kept = x'00ff'",
        _LATE,
        "kept_at_us = 'never'",
        "center = CAST(x'ff' AS TEXT)",
    ],
)
async def test_row_that_somebody_edited_is_none(engine: Engine, tmp_path: Path, edit: str) -> None:
    """The others are read all the same, and the next credential goes on from what can be read."""
    if engine.is_typed and edit not in {"version = -1", "version = 0", "sealed = NULL", "rate = -5", _LATE}:
        pytest.skip("its columns have types, which nobody edits away")
    store = await engine.open(tmp_path)
    await store.access.give("kz", b"1", NOW)
    await store.access.give("uz", b"1", NOW)
    engine.edit(tmp_path, f"UPDATE access SET {edit} WHERE center = 'uz'")
    assert set(await store.access.every()) == {"kz"}
    await store.access.give("uz", b"2", NOW)
    await store.access.limit("uz", None)
    await store.access.keep({"uz": ""}, NOW)
    found = (await store.access.every())["uz"]
    assert (found.sealed, found.version > 0) == (b"2", True)
    await store.close()
