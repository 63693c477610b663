"""Persons of one office: each has a key, erasing destroys it for good, and no file but the key file knows any."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import sys
from pathlib import Path

import pytest

from connectors.mapping.person import Instead, PersonField, PersonSaid, person_identity
from connectors.mapping.problem import LocalCode
from connectors.runtime.persons import Persons, RegisteredPerson
from connectors.runtime.persons.cipher import KEY_BYTES
from connectors.runtime.persons.register import KEYS, REGISTER
from hub.domain.sealed import key_id_of
from hub.protocol.errors import Fatal, UsageError

PLACE = PersonField("partner", "uz:P-1", "contact")
OTHER_PLACE = PersonField("partner", "uz:P-2", "contact")
NIGORA = PersonSaid(person_identity(["nigora@example.org"]), {"name": "Nigora Karimova", "phone": "+998712000000"})
TIMUR = PersonSaid(person_identity(["timur@example.org"]), {"name": "Timur Aliev"})


def make(office: Path, *, read_only: bool = False) -> Persons:
    return Persons(office, "hub.example", "uz", read_only=read_only)


def known(persons: Persons, identity: str) -> RegisteredPerson:
    found = persons.find(identity)
    assert found is not None
    return found


def text(instead: Instead) -> str:
    assert instead.text is not None
    return instead.text


def everything(office: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(office.rglob("*")) if path.is_file())


def test_person_is_sealed_the_same_again_after_a_restart(tmp_path: Path) -> None:
    """The key is kept: the same row gives the same text for ever, and what was sealed can be read here."""
    with make(tmp_path) as persons:
        sealed = persons.seal(PLACE, NIGORA)
        assert persons.seal(PLACE, NIGORA) == sealed
    with make(tmp_path) as persons:
        assert persons.seal(PLACE, NIGORA) == sealed
        assert persons.unseal(PLACE, text(sealed)) == NIGORA.parts
        assert sealed.remark is None


def test_identity_does_not_depend_on_capitals_widths_and_spaces(tmp_path: Path) -> None:
    """One who is typed a little differently is the same person."""
    with make(tmp_path) as persons:
        persons.seal(PLACE, NIGORA)
        for written in ("Nigora@Example.ORG", " nigora@example.org ", "ｎｉｇｏｒａ@example.org"):
            assert persons.find(person_identity([written])) == persons.find(NIGORA.identity) != None  # noqa: E711
        assert person_identity(["a b", "c"]) != person_identity(["a", "b c"])


def test_two_persons_and_two_places_have_nothing_in_common(tmp_path: Path) -> None:
    """Nobody without the keys can see that one person stands in two places."""
    with make(tmp_path) as persons:
        texts = [text(persons.seal(place, who)) for place in (PLACE, OTHER_PLACE) for who in (NIGORA, TIMUR)]
        assert len({key_id_of(one) for one in texts}) == 4
        assert persons.unseal(OTHER_PLACE, texts[2]) == NIGORA.parts
        assert persons.unseal(PLACE, texts[2].replace("sealed", "sealex")) is None


def test_files_hold_no_plaintext_and_are_their_owners_alone(tmp_path: Path) -> None:
    """Neither what is said of a person nor who it is stands in any file; only the owner reads them."""
    with make(tmp_path) as persons:
        persons.seal(PLACE, NIGORA)
        persons.seal(PLACE, TIMUR)
        found = everything(tmp_path)
    for plain in ("Nigora", "Karimova", "+998712000000", "nigora@", "timur", "example.org"):
        assert plain.encode() not in found
        assert plain.encode("utf-16-le") not in found
    if sys.platform != "win32":
        assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in (KEYS, REGISTER)} == {0o600}


def test_erase_destroys_the_key_and_leaves_a_tombstone(tmp_path: Path) -> None:
    """No byte of the key is left in any file, the value reads erased, and the person is not sealed again."""
    with make(tmp_path) as persons:
        sealed = text(persons.seal(PLACE, NIGORA))
        kept = text(persons.seal(OTHER_PLACE, TIMUR))
        person = persons.find(NIGORA.identity)
        assert person is not None
        key = (tmp_path / KEYS).read_bytes()[person.slot * KEY_BYTES :][:KEY_BYTES]
        before = persons.erasures()
        done = persons.erase(known(persons, NIGORA.identity))
        assert (done.again, [use.parts for use in done.uses]) == (False, [NIGORA.parts])
        assert key not in everything(tmp_path)
        assert key[:16] not in everything(tmp_path)
        assert persons.erasures() != before
        assert persons.unseal(PLACE, sealed) is None
        assert persons.seal(PLACE, NIGORA) == Instead(f"erased.v1.{key_id_of(sealed)}", LocalCode.PERSON_ERASED)
        assert persons.seal(OTHER_PLACE, NIGORA) == Instead(None, LocalCode.PERSON_ERASED)
        assert persons.unseal(OTHER_PLACE, kept) == TIMUR.parts
    assert sealed.encode() not in everything(tmp_path)


def test_erase_twice_says_when_it_was_done(tmp_path: Path) -> None:
    """Erasing is idempotent."""
    with make(tmp_path) as persons:
        persons.seal(PLACE, NIGORA)
        first = persons.erase(known(persons, NIGORA.identity))
        again = persons.erase(known(persons, NIGORA.identity))
        assert (again.again, again.erased_at) == (True, first.erased_at)


def test_erase_is_seen_by_a_connector_that_runs(tmp_path: Path) -> None:
    """Two processes share the files: the next row that the running one reads finds the person erased."""
    with make(tmp_path) as running, make(tmp_path) as other:
        sealed = text(running.seal(PLACE, NIGORA))
        other.erase(known(other, NIGORA.identity))
        assert running.seal(PLACE, NIGORA).text == f"erased.v1.{key_id_of(sealed)}"
        assert running.unseal(PLACE, sealed) is None


def test_crash_in_the_middle_of_an_erasure_leaves_the_person_erased(tmp_path: Path) -> None:
    """The zeros are written first: where the register lacks its entry the person is erased all the same."""
    with make(tmp_path) as persons:
        sealed = text(persons.seal(PLACE, NIGORA))
        person = persons.find(NIGORA.identity)
        assert person is not None
    with (tmp_path / KEYS).open("r+b") as file:
        file.seek(person.slot * KEY_BYTES)
        file.write(bytes(KEY_BYTES))
    with make(tmp_path) as persons:
        assert persons.seal(PLACE, NIGORA).text == f"erased.v1.{key_id_of(sealed)}"
        assert [use.parts for use in persons.uses(person)] == [None]
        assert persons.erase(known(persons, NIGORA.identity)).again is False


def test_crash_between_a_key_and_its_person_leaves_no_key(tmp_path: Path) -> None:
    """A key that nobody has is destroyed by the next start; half of one is written over."""
    with make(tmp_path) as persons:
        persons.seal(PLACE, NIGORA)
    with (tmp_path / KEYS).open("ab") as file:
        file.write(b"k" * KEY_BYTES + b"half")
    with make(tmp_path) as persons:
        persons.seal(PLACE, TIMUR)
        assert b"kkkk" not in everything(tmp_path)
        found = persons.find(TIMUR.identity)
        assert found is not None
        assert found.slot == 3
        assert persons.seal(PLACE, TIMUR) == persons.seal(PLACE, TIMUR)


def test_rolled_back_transaction_leaves_nobody_half_known(tmp_path: Path) -> None:
    """A reading that fails takes its new persons with it; they are met again by the next."""
    with make(tmp_path) as persons:
        sealed = []

        def fail() -> None:
            with persons.transaction():
                sealed.append(text(persons.seal(PLACE, NIGORA)))
                raise OSError

        with pytest.raises(OSError):
            fail()
        assert persons.find(NIGORA.identity) is None
        assert text(persons.seal(PLACE, NIGORA)) not in sealed


def test_old_copy_of_the_key_file_brings_nobody_back(tmp_path: Path) -> None:
    """Keys that an erasure destroyed are destroyed again when somebody restores the file."""
    with make(tmp_path) as persons:
        sealed = text(persons.seal(PLACE, NIGORA))
        shutil.copy(tmp_path / KEYS, tmp_path / "copy")
        persons.erase(known(persons, NIGORA.identity))
    shutil.move(tmp_path / "copy", tmp_path / KEYS)
    with make(tmp_path) as persons:
        person = persons.find(NIGORA.identity)
        assert person is not None
        assert persons.unseal(PLACE, sealed) is None
    assert (tmp_path / KEYS).read_bytes()[person.slot * KEY_BYTES :][:KEY_BYTES] == bytes(KEY_BYTES)


def test_files_that_do_not_belong_together_stop_the_connector(tmp_path: Path) -> None:
    """Losing one of the two files is never taken for a new beginning: that would seal everybody anew."""
    for name in ("a", "b"):
        with make(tmp_path / name) as persons:
            (tmp_path / name).mkdir(exist_ok=True)
            persons.seal(PLACE, NIGORA)
    shutil.copy(tmp_path / "a" / KEYS, tmp_path / "b" / KEYS)
    with make(tmp_path / "b") as persons, pytest.raises(Fatal, match="is not the key file of"):
        persons.seal(PLACE, NIGORA)
    (tmp_path / "a" / REGISTER).unlink()
    with make(tmp_path / "a") as persons, pytest.raises(UsageError, match="is gone"):
        persons.seal(PLACE, NIGORA)
    (tmp_path / "b" / KEYS).unlink()
    with make(tmp_path / "b") as persons, pytest.raises(UsageError, match="can't read the keys"):
        persons.seal(PLACE, NIGORA)
    with make(tmp_path / "c") as persons:
        (tmp_path / "c" / "keys").mkdir(parents=True)
        (tmp_path / "c" / REGISTER).write_bytes(b"no database at all, for sure")
        with pytest.raises(Fatal, match="is damaged"):
            persons.seal(PLACE, NIGORA)


def test_readmitted_person_gets_a_new_key_and_the_old_values_stay_erased(tmp_path: Path) -> None:
    """Somebody who agrees again is sealed anew; what was erased is not brought back by it."""
    with make(tmp_path) as persons:
        old = text(persons.seal(PLACE, NIGORA))
        with pytest.raises(UsageError, match="is not erased"):
            persons.readmit(known(persons, NIGORA.identity))
        persons.erase(known(persons, NIGORA.identity))
        persons.readmit(known(persons, NIGORA.identity))
        new = text(persons.seal(PLACE, NIGORA))
        assert key_id_of(new) != key_id_of(old)
        assert persons.unseal(PLACE, old) is None
        assert persons.unseal(PLACE, new) == NIGORA.parts
        assert [person.erased_at is None for person in persons.everyone()] == [False, True]


def test_others_in_the_same_places_are_known(tmp_path: Path) -> None:
    """Somebody whose mail has changed is another person here: who erases one is told of the other."""
    with make(tmp_path) as persons:
        persons.seal(PLACE, NIGORA)
        persons.seal(PLACE, PersonSaid(person_identity(["new@example.org"]), NIGORA.parts))
        persons.seal(OTHER_PLACE, TIMUR)
        old, new, timur = persons.everyone()
        assert (persons.others(old), persons.others(new), persons.others(timur)) == ([new], [old], [])
        assert persons.numbered(new.number) == new
        assert persons.numbered(99) is None
        persons.erase(old)
        assert persons.others(new) == []


def test_reader_writes_nothing_and_reads_what_there_is(tmp_path: Path) -> None:
    """A preview makes neither a key nor a file, and can show what it has sealed in passing."""
    with make(tmp_path, read_only=True) as looking:
        sealed = text(looking.seal(PLACE, NIGORA))
        assert looking.unseal(PLACE, sealed) == NIGORA.parts
        assert (looking.everyone(), looking.erasures(), list(tmp_path.iterdir())) == ([], 0, [])
    with make(tmp_path) as persons:
        kept = text(persons.seal(PLACE, TIMUR))
        persons.seal(OTHER_PLACE, NIGORA)
        persons.erase(known(persons, NIGORA.identity))
    before = everything(tmp_path)
    with make(tmp_path, read_only=True) as looking:
        assert looking.seal(PLACE, TIMUR).text == kept
        assert looking.seal(PLACE, NIGORA) == Instead(None, LocalCode.PERSON_ERASED)
        assert text(looking.seal(PLACE, PersonSaid("somebody new", {"name": "x"}))).startswith("sealed.v1.")
    assert everything(tmp_path) == before


def test_register_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    """What a later release has written is not guessed at."""
    with make(tmp_path) as persons:
        persons.seal(PLACE, NIGORA)
    with sqlite3.connect(tmp_path / REGISTER) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with make(tmp_path) as persons, pytest.raises(UsageError, match="later release"):
        persons.seal(PLACE, NIGORA)


def test_register_and_keys_that_are_both_removed_are_made_anew(tmp_path: Path) -> None:
    """What a message about damaged files offers at last: persons are sealed again, under other keys."""
    with make(tmp_path) as persons:
        before = text(persons.seal(PLACE, NIGORA))
    (tmp_path / REGISTER).write_bytes(b"no database at all, for sure")
    with make(tmp_path) as persons, pytest.raises(Fatal, match="is damaged"):
        persons.seal(PLACE, NIGORA)
    for path in (tmp_path / "keys").glob("persons.*"):
        path.unlink()
    with make(tmp_path) as persons:
        after = text(persons.seal(PLACE, NIGORA))
        assert persons.unseal(PLACE, after) == NIGORA.parts
        assert persons.unseal(PLACE, before) is None
    assert after != before
