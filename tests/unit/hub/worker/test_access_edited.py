"""What no audit checks of how centers reach HQ's Kafka, and why that is no harm, column by column."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs

from hub.hq.access import mark, members
from hub.kafka.administration import administration
from hub.kafka.desired import office_rights
from hub.kafka.rights import quota_entity
from hub.protocol.scram import Credential
from hub.store.tables import ACCESS
from tests.support.access import Bench
from tests.support.peek import ask, edit

UZ: Final = Credential.of("of uz", bytes(32), 4096)
KZ: Final = Credential.of("of kz", bytes(32), 4096)
# By column what a row may well have; `{other}` is what the row of kz has.
EDITS: Final[dict[str, tuple[str, ...]]] = {
    "center": ("'zz'", "'admin'", "'node-1'", "'worker'"),
    "version": ("7", "1000000", "0"),
    "sealed": ("{other}", "x'00'", "NULL", "substr(sealed, 1, 40)"),
    "given_at_us": ("0", "NULL", "{other}"),
    "rate": ("1024", "1073741824"),
    "kept": ("''", "'open'", "'closed'", "{other}"),
    "kept_at_us": ("0", "NULL", "4102444800000000"),
}
EACH: Final = [(column, value) for column, values in EDITS.items() for value in values]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench.open(tmp_path)
    await made.give("uz", UZ)
    await made.give("kz", KZ)
    await made.settle()
    yield made
    await made.store.close()


def test_every_column_is_edited() -> None:
    """A new one has its reason, too."""
    assert [*EDITS] == [column.name for column in ACCESS.columns]


@pytest.mark.parametrize(("column", "value"), EACH)
@pytest.mark.parametrize("is_started_again", [False, True])
async def test_edited_row_gives_nobody_the_rights_or_the_password_of_another(
    bench: Bench, tmp_path: Path, column: str, value: str, is_started_again: bool
) -> None:
    """Rights follow from the hq lane; a credential opens under its own center's name alone, or it is none."""
    path = tmp_path / "hub.sqlite3"
    keeper = bench.keeper()
    await bench.settle(keeper)
    users = dict(bench.broker.access.users)
    edit(path, f"UPDATE access SET {column} = {value.format(other=other(path, column))} WHERE center = 'uz'")
    with capture_logs():
        await bench.settle(bench.keeper() if is_started_again else keeper)
    assert bench.broker.access.users == users
    for center in ("uz", "kz"):
        assert await bench.rights(center) == office_rights(center, may_write=True)
    for stranger in ("zz", "admin", "node-1"):
        assert await bench.rights(stranger) == set()


@pytest.mark.parametrize(("column", "value"), EACH)
async def test_what_is_noted_as_kept_is_so_after_the_next_look(
    bench: Bench, tmp_path: Path, column: str, value: str
) -> None:
    """`hub center show` can be lied to until then, a few seconds."""
    path = tmp_path / "hub.sqlite3"
    edit(path, f"UPDATE access SET {column} = {value.format(other=other(path, column))} WHERE center = 'uz'")
    with capture_logs():
        await bench.settle()
    there = await bench.store.access.every()
    (uz,) = members([("uz", "active")], there)
    async with administration(bench.cluster) as access:
        quotas = await access.quotas()
    assert quotas[quota_entity("uz")]["producer_byte_rate"] == float(uz.rate)  # what is shown is what is so
    is_readable = column != "sealed" and "uz" in there
    assert ("uz" in there and there["uz"].kept == mark(uz)) == is_readable  # else it is shown as not kept


async def test_former_password_that_is_put_back_is_not_the_seal_key(bench: Bench, tmp_path: Path) -> None:
    """What stood in a backup logs in again, and no more: whoever gives the next one ends that, too."""
    path = tmp_path / "hub.sqlite3"
    former = ask(path, "SELECT sealed FROM access WHERE center = 'uz'")
    newer = Credential.of("newer", bytes(32), 4096)
    assert await bench.give("uz", newer) == 2
    edit(path, "UPDATE access SET sealed = ?, version = 1 WHERE center = 'uz'", former)
    await bench.settle()
    assert logs_in_by(bench, UZ)
    last = Credential.of("last", bytes(32), 4096)
    assert await bench.give("uz", last) == 2
    await bench.settle()
    assert logs_in_by(bench, last)


def other(path: Path, column: str) -> str:
    """Return what kz has in this column, as SQL."""
    return str(ask(path, f"SELECT quote({column}) FROM access WHERE center = 'kz'"))


def logs_in_by(bench: Bench, credential: Credential) -> bool:
    return bench.broker.access.users["uz"] == (credential.iterations, credential.salt, credential.salted_password)
