"""What commands tell as HQ's word is what HQ has sealed: an UPDATE in the database changes none of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub.hq.clock import clock_standing
from hub.hq.folder import HubFolder
from hub.hq.identity import read_hq_keys
from hub.hq.lookup import find_center, find_entity, list_entities
from hub.hq.rules import read_rules
from hub.ledger.witness import Witnesses
from hub.protocol.errors import Fatal, NotFound
from hub.replay.rejudge import newest_basis
from tests.support.center import NOW, Center
from tests.support.hq import Hq, center_record
from tests.support.peek import edit
from tests.support.witness import Witness

OF_HQ = "WHERE center = 'hq'"
REST = "digest, lane_id, sequence, record_lane_id, record_sequence, changed_by, recorded_at_us FROM entity"
EDITS = {
    "center closed": f"UPDATE entity SET status = 'closed', document = replace(document, 'active', 'closed') {OF_HQ}",
    "center renamed": f"UPDATE entity SET document = replace(document, 'Co-center', 'Nobody') {OF_HQ}",
    "rules raised": f"UPDATE entity SET document = replace(document, '\"number\":2', '\"number\":9') {OF_HQ}",
    "all gone": f"DELETE FROM entity {OF_HQ}",
    "one more": "INSERT INTO entity SELECT stream, 'hq:xx', center, status, version,"
    f" replace(document, 'hq:uz', 'hq:xx'), {REST} WHERE stream = 'center' AND id = 'hq:uz'",
    "clock said to be wrong": "INSERT INTO entity SELECT 'clock', 'hq:clock', center, status, version, document,"
    f" {REST} WHERE stream = 'center' AND id = 'hq:uz'",
    "another's word as HQ's": f"UPDATE entity SET document = 'zz' {OF_HQ}",
}


def told(where: HubFolder) -> dict[str, Any]:
    """Return what the commands tell of HQ's words."""
    with where.snapshot() as now:
        log = now.log_standing()
        found: dict[str, Any] = {
            "centers": now.centers(),
            "center": find_center(now, "uz").registered,
            "listed": list_entities(now, "center", None),
            "schemas": list_entities(now, "schema", 3),
            "clock": clock_standing(now, NOW).reason,
            "log": (log.witnesses, log.cosigned, log.believed),
            "witnesses": now.witnesses(),
            "may cosign": Witnesses.of(now.registry),
            "basis": newest_basis(now.lane).registry,
        }
    with where.log() as reader:
        found["active"] = reader.active()
    return found | {"rules": read_rules(where).in_force}


@pytest.fixture
async def where(tmp_path: Path) -> HubFolder:
    """Return a hub of two centers, of which one has a witness."""
    uz = Center("uz")
    hq = await Hq.open(tmp_path)
    await hq.register(uz, keys=[*center_record(uz)["keys"], Witness(uz).key()])
    await hq.register(Center("kz"))
    await hq.store.close()
    return HubFolder(tmp_path)


@pytest.mark.parametrize("name", EDITS)
def test_edited_entities_are_nobodys_word(where: HubFolder, name: str) -> None:
    """Everything is told as HQ has sealed it."""
    before = told(where)
    assert (before["rules"], before["active"], before["log"][0]) == (2, {"uz", "kz"}, 2)
    edit(where.database, EDITS[name])
    assert told(where) == before


def test_one_entity_whose_row_was_edited_is_told_by_nobody(where: HubFolder) -> None:
    """Its digest and its event stand in that row: it is said what to do."""
    edit(where.database, EDITS["center renamed"])
    with (
        where.snapshot() as now,
        pytest.raises(Fatal, match=r"another center hq:uz .*hub audit verify"),
    ):
        find_entity(now, "center", "hq:uz")
    edit(where.database, EDITS["one more"])
    with where.snapshot() as now, pytest.raises(Fatal, match="another center hq:xx than the sealed"):
        find_entity(now, "center", "hq:xx")


def test_lane_that_hq_has_not_sealed_is_told_with_the_way_out(where: HubFolder) -> None:
    edit(where.database, "UPDATE receipt SET seal = x'00'")
    with where.snapshot() as now, pytest.raises(Fatal, match=r"not what HQ has sealed.*hub audit verify"):
        now.centers()


@pytest.mark.parametrize(
    "edited",
    ["receipt SET seal = 'zz'", "receipt SET note = 7", "receipt SET last = 'zz'", "ledger SET data = 'zz'"],
)
def test_rows_of_the_lane_that_are_of_another_kind_are_told_with_the_way_out(where: HubFolder, edited: str) -> None:
    """No error of Python's, whichever column it is."""
    edit(where.database, f"UPDATE OR IGNORE {edited}")
    with where.snapshot() as now, pytest.raises(Fatal, match=r"not what HQ has sealed.*hub audit verify"):
        now.centers()


def test_database_without_keys_beside_it_tells_nothing_of_hq(where: HubFolder) -> None:
    (where.keys / "trust.note").unlink()
    with pytest.raises(NotFound, match="no hub here"):
        read_hq_keys(where.keys)
    with where.snapshot() as now, pytest.raises(NotFound):
        now.rules()
