"""Every durable write of the persons' files fails once; nobody is half known, and no destroyed key comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from connectors.mapping.person import PersonField, PersonSaid, person_identity
from connectors.mapping.problem import LocalCode
from connectors.runtime.persons import Persons
from connectors.runtime.persons.cipher import KEY_BYTES
from connectors.runtime.persons.faulty import FaultyPersons
from connectors.runtime.persons.register import KEYS
from hub.base.faulty import Fault
from hub.domain.sealed import key_id_of
from hub.protocol.errors import Retriable, UsageError

PLACE, OTHER_PLACE = PersonField("partner", "uz:P-1", "contact"), PersonField("partner", "uz:P-2", "contact")
NIGORA = PersonSaid(person_identity(["nigora@example.org"]), {"name": "Nigora Karimova"})
TIMUR = PersonSaid(person_identity(["timur@example.org"]), {"name": "Timur Aliev"})
WRITES = 17  # of the life below, when nothing fails
T = TypeVar("T")


def again(step: Callable[[], T]) -> T:
    """Do what a caller does: the same once more, after it was told that it failed."""
    try:
        return step()
    except (Retriable, UsageError):
        return step()


def sealed(persons: Persons, place: PersonField, person: PersonSaid) -> str:
    text = again(lambda: persons.seal(place, person)).text
    assert text is not None
    return text


def keys(office: Path) -> list[bytes]:
    data = (office / KEYS).read_bytes()
    return [data[at : at + KEY_BYTES] for at in range(0, len(data), KEY_BYTES)]


def live(persons: Persons, office: Path) -> None:
    """Two persons are sealed, one of them is erased, read again, let in and sealed anew."""
    first = sealed(persons, PLACE, NIGORA)
    theirs = sealed(persons, OTHER_PLACE, TIMUR)
    nigora = persons.find(NIGORA.identity)
    assert nigora is not None
    key = keys(office)[nigora.slot]
    again(lambda: persons.erase(nigora))
    assert all(key not in path.read_bytes() for path in office.rglob("*") if path.is_file())
    gone = again(lambda: persons.seal(PLACE, NIGORA))
    assert (gone.text, gone.remark) == (f"erased.v1.{key_id_of(first)}", LocalCode.PERSON_ERASED)
    assert persons.unseal(PLACE, first) is None
    try:
        persons.readmit(nigora)
    except Retriable:
        # Whether it was done says the register: who was let in again is known by nothing any more.
        if persons.find(NIGORA.identity) is not None:
            persons.readmit(nigora)
    newer = sealed(persons, PLACE, NIGORA)
    assert newer != first
    assert persons.unseal(PLACE, newer) == NIGORA.parts
    assert persons.unseal(OTHER_PLACE, theirs) == TIMUR.parts


def test_life_without_a_fault_has_as_many_writes_as_are_tried(tmp_path: Path) -> None:
    """Were there more of them, some would go untried below."""
    with FaultyPersons(tmp_path, "hub.example", "uz") as persons:
        live(persons, tmp_path)
        assert persons.faults.writes == WRITES


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", range(1, WRITES + 1))
def test_life_goes_on_when_a_write_fails(tmp_path: Path, nth: int, fault: Fault) -> None:
    with FaultyPersons(tmp_path, "hub.example", "uz") as persons:
        persons.faults.plan(fault, nth)
        live(persons, tmp_path)
    with Persons(tmp_path, "hub.example", "uz") as persons:
        living = [one for one in persons.everyone() if one.erased_at is None]
        assert len(living) == 2
        # The register's own key, and theirs: a key that nobody is known by was destroyed by this start.
        assert sum(1 for key in keys(tmp_path) if any(key)) == 1 + len(living)
