"""Register and key file of persons are made together, all or nothing, whatever stops it and whoever else does it."""

from __future__ import annotations

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from connectors.mapping.person import PersonField, PersonSaid, person_identity
from connectors.runtime.persons import Persons
from connectors.runtime.persons.cipher import KEY_BYTES
from connectors.runtime.persons.register import KEYS, REGISTER
from tests.support.power import cut_at_each_statement

PLACE = PersonField("partner", "uz:P-1", "contact")
NIGORA = PersonSaid(person_identity(["nigora@example.org"]), {"name": "Nigora Karimova"})
PROGRAMS = 4


def make(office: Path) -> Persons:
    return Persons(office, "hub.example", "uz")


def seal(office: Path) -> str | None:
    with make(office) as persons:
        return persons.seal(PLACE, NIGORA).text


def test_power_cut_while_the_files_are_made_leaves_ones_that_start(tmp_path: Path) -> None:
    """At any statement: who was met is known after it, or is met again; nobody has to remove a file by hand."""
    office = tmp_path / "office"
    office.mkdir()
    cuts = cut_at_each_statement(lambda: seal(office), office, tmp_path / "cuts")
    assert len(cuts) > 12
    for cut in cuts:
        sealed = seal(cut)
        with make(cut) as persons:
            assert persons.seal(PLACE, NIGORA).text == sealed
            assert len(persons.everyone()) == 1


@pytest.mark.parametrize("left", [b"", bytes(KEY_BYTES), b"m" * KEY_BYTES, b"half"])
def test_key_file_that_a_power_cut_left_without_a_register_is_taken_up(tmp_path: Path, left: bytes) -> None:
    """Its one key, or as many bytes as the disk has of it, belong to nobody yet: the register is made for slot 0."""
    (tmp_path / KEYS).parent.mkdir(parents=True)
    (tmp_path / KEYS).write_bytes(left)
    assert seal(tmp_path) == seal(tmp_path)
    assert (tmp_path / KEYS).stat().st_size == 2 * KEY_BYTES


@pytest.mark.parametrize("tables", [1, 2, 3])
def test_half_made_register_is_completed(tmp_path: Path, tables: int) -> None:
    """Some tables are there, and nobody has said that they are all: nothing is in them, and the rest is made."""
    made, half = tmp_path / "made", tmp_path / "half"
    for office in (made, half):
        office.mkdir()
    seal(made)
    with closing(sqlite3.connect(made / REGISTER)) as db:
        statements = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    (half / REGISTER).parent.mkdir(parents=True)
    with closing(sqlite3.connect(half / REGISTER)) as db:
        for (statement,) in statements[:tables]:
            db.execute(statement)
        db.commit()
    assert seal(half) == seal(half)


def test_programs_that_make_the_files_at_once_all_have_them(tmp_path: Path) -> None:
    """One of them makes both; to the others the person is known already, under the one key."""
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(PROGRAMS)

    def start() -> None:
        together.wait()
        assert seal(tmp_path) is not None

    programs = [fork.Process(target=start) for _ in range(PROGRAMS)]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
    assert [program.exitcode for program in programs] == [0] * PROGRAMS
    with make(tmp_path) as persons:
        assert len(persons.everyone()) == 1
