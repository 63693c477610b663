"""Who has which key, where at HQ they stand, and who was erased: `keys/persons.sqlite3` beside `keys/persons.keys`.

Neither a key nor a plaintext is in it: a person is known by the HMAC of what tells them from others, under a key that
is slot 0 of the key file. So its journal, its free pages and its copies give nobody away, but to those who have that
key as well and guess.

Order of writing: a key is on the disk before the register names its slot, and the register before anything is sealed
for HQ. A crash between leaves a key that nobody is known by; the next start destroys it.
"""

from __future__ import annotations

import hmac
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from connectors.mapping.person import Instead, PersonField, PersonSaid
from connectors.mapping.problem import LocalCode
from connectors.runtime.persons import cipher
from connectors.runtime.persons.cipher import KEY_BYTES, Located
from connectors.runtime.persons.files import open_files
from connectors.runtime.persons.keyfile import KeyFile
from connectors.runtime.told import OfficeError, OfficeFatal, OfficeWaits
from hub.domain.sealed import key_id_of
from hub.protocol.moment import write_time

REGISTER: Final = "keys/persons.sqlite3"
KEYS: Final = "keys/persons.keys"


@dataclass(frozen=True, slots=True)
class RegisteredPerson:
    """One person as the register has them. erased_at is a text as HQ writes times, None while they are not erased."""

    number: int
    slot: int
    erased_at: str | None


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a person stands: parts is None where nobody can read it any more."""

    stream: str
    subject: str
    field: str
    parts: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure did: where the person stood; again: they had been erased before."""

    uses: tuple[Use, ...]
    erased_at: str
    again: bool


class Persons:
    """The persons of one office. Nothing is opened, and no file made, before the first person is met.

    Guards: `_lock` makes the connection the work of one thread at a time; SQLite's own lock keeps other processes out.
    Shapes: `read_only` is for those who look: it makes no key and writes nothing. A new person is then sealed with a
            key that is forgotten with this object.
    """

    def __init__(
        self, office: Path, hub: str, center: str, *, read_only: bool = False, keys: KeyFile | None = None
    ) -> None:
        self.path = office / REGISTER
        self._keys = KeyFile(office / KEYS) if keys is None else keys
        self._hub, self._center = hub, center
        self._read_only = read_only
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._marks = b""
        self._passing: dict[str, bytes] = {}  # by identity: keys of those that a reader meets for the first time

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the register. Idempotent."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @property
    def is_there(self) -> bool:
        """Whether anybody was ever sealed here."""
        return self.path.exists()

    def seal(self, place: PersonField, person: PersonSaid) -> Instead:
        """Return what HQ gets of a person in a place; a key is made for one who has none.

        Somebody erased is not sealed again: where HQ had them, it is told that they are erased.
        Errors: Retriable; UsageError or Fatal, if key file and register do not belong together.
        """
        with self._lock:
            if self._read_only and not self.is_there:
                return Instead(self._seal_in_passing(place, person))
            found = self.find(person.identity)
            if found is None and self._read_only:
                return Instead(self._seal_in_passing(place, person))
            if found is None:
                found = self._admit(person.identity)
            key = None if found.erased_at else self._keys.read(found.slot)
            if key is None:
                return Instead(self._erased_value(found, place), LocalCode.PERSON_ERASED)
            return Instead(self._seal_with(key, found, place, person))

    def unseal(self, place: PersonField, text: str) -> dict[str, str] | None:
        """Return what a text that was sealed here says, None if it is erased (or was never ours to read)."""
        with self._lock:
            for passing in self._passing.values():
                if cipher.key_id(passing, self._located(place)) == key_id_of(text):
                    return cipher.unseal(passing, self._located(place), text)
            if not self.is_there:
                return None
            rows = self._read(
                "SELECT slot FROM use JOIN person ON person.id = use.person WHERE key_id=? AND erased_at IS NULL",
                (key_id_of(text),),
            )
            key = self._keys.read(rows[0][0]) if rows else None
            return None if key is None else cipher.unseal(key, self._located(place), text)

    def find(self, identity: str) -> RegisteredPerson | None:
        """Return a person by what tells them from others (`person_identity`); None if nobody is known by it."""
        with self._lock:
            if self._read_only and not self.is_there:
                return None
            self._open()
            rows = self._read("SELECT id, slot, erased_at FROM person WHERE mark=?", (self._mark(identity),))
            return RegisteredPerson(*rows[0]) if rows else None

    def numbered(self, number: int) -> RegisteredPerson | None:
        """Return the person who has a number in `everyone`; None if nobody has."""
        return next((one for one in self.everyone() if one.number == number), None)

    def others(self, person: RegisteredPerson) -> list[RegisteredPerson]:
        """Return who else stands or stood in the places of a person, and can be read: it may be the same one."""
        if not self.is_there:
            return []
        rows = self._read(
            "SELECT DISTINCT person.id, slot, erased_at "
            "FROM use AS own JOIN use AS their USING (stream, subject, field) JOIN person ON person.id = their.person "
            "WHERE own.person=?1 AND their.person<>?1 AND erased_at IS NULL ORDER BY person.id",
            (person.number,),
        )
        return [RegisteredPerson(*row) for row in rows]

    def everyone(self) -> list[RegisteredPerson]:
        """Return every person, in the order in which they were met."""
        if not self.is_there:
            return []
        return [RegisteredPerson(*row) for row in self._read("SELECT id, slot, erased_at FROM person ORDER BY id")]

    def uses(self, person: RegisteredPerson) -> list[Use]:
        """Return where a person stands or stood, and what stands there as far as it can be read."""
        rows = self._read(
            "SELECT stream, subject, field, sealed FROM use WHERE person=? ORDER BY stream, subject, field",
            (person.number,),
        )
        found = []
        for stream, subject, field, text in rows:
            parts = None if text is None else self.unseal(PersonField(stream, subject, field), text)
            found.append(Use(stream, subject, field, parts))
        return found

    def erasures(self) -> int:
        """Return a number that changes when somebody is erased or let in again: then rows are to be read again."""
        if not self.is_there:
            return 0
        return int(self._read("SELECT coalesce(max(value), 0) FROM meta WHERE name='erasures'")[0][0])

    def erase(self, person: RegisteredPerson) -> Erasure:
        """Destroy a person's key; return what that made unreadable. Can be repeated, also after a crash in the middle.

        Errors: UsageError, if the key can't be overwritten: then nothing was done.
        """
        with self.transaction() as connection:
            uses = tuple(self.uses(person))
            self._keys.destroy(person.slot)
            # The key is gone from here on, whatever happens: whoever reads its zeros takes the person as erased.
            now = write_time(datetime.now(UTC))
            done = connection.execute(
                "UPDATE person SET erased_at=? WHERE id=? AND erased_at IS NULL", (now, person.number)
            )
            connection.execute("UPDATE use SET sealed=NULL WHERE person=?", (person.number,))
            if done.rowcount:
                _count_erasure(connection)
            erased_at = connection.execute("SELECT erased_at FROM person WHERE id=?", (person.number,)).fetchone()[0]
            return Erasure(uses, erased_at, again=not done.rowcount)

    def readmit(self, person: RegisteredPerson) -> None:
        """Let somebody who was erased be sealed again, under a new key. What was erased stays so.

        Errors: UsageError, if the person is not erased.
        """
        with self.transaction() as connection:
            done = connection.execute(
                "UPDATE person SET mark=NULL WHERE id=? AND erased_at IS NOT NULL AND mark IS NOT NULL",
                (person.number,),
            )
            if not done.rowcount:
                raise OfficeError("errors.not_erased")
            _count_erasure(connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside a transaction, durable on leaving; one inside another joins it.

        Errors: Retriable, if another process writes, or the disk is full.
        """
        with self._lock, self._translated():
            connection = self._open()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                self._keys.sync()  # a key is on the disk before anybody is known to have it
                self._commit(connection)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _commit(self, connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")

    def _admit(self, identity: str) -> RegisteredPerson:
        with self.transaction() as connection:
            found = self.find(identity)  # another process may have met them just now
            if found is not None:
                return found
            slot = self._keys.add(os.urandom(KEY_BYTES))
            number = connection.execute(
                "INSERT INTO person (mark, slot) VALUES (?, ?)", (self._mark(identity), slot)
            ).lastrowid
            assert number is not None
            return RegisteredPerson(number, slot, None)

    def _seal_with(self, key: bytes, person: RegisteredPerson, place: PersonField, said: PersonSaid) -> str:
        text = cipher.seal(key, self._located(place), said.parts)
        at = (person.number, place.stream, place.subject, place.field)
        before = self._read("SELECT sealed FROM use WHERE person=? AND stream=? AND subject=? AND field=?", at)
        if not self._read_only and before != [(text,)]:
            with self.transaction() as connection:
                connection.execute(
                    "INSERT INTO use VALUES (?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (person, stream, subject, field) DO UPDATE SET sealed=excluded.sealed",
                    (*at, key_id_of(text), text),
                )
        return text

    def _erased_value(self, person: RegisteredPerson, place: PersonField) -> str | None:
        """Return the value by which HQ learns that it can't be read; None where HQ never had this person."""
        rows = self._read(
            "SELECT key_id FROM use WHERE person=? AND stream=? AND subject=? AND field=?",
            (person.number, place.stream, place.subject, place.field),
        )
        return cipher.erased(rows[0][0]) if rows else None

    def _seal_in_passing(self, place: PersonField, person: PersonSaid) -> str:
        key = self._passing.setdefault(person.identity, os.urandom(KEY_BYTES))
        return cipher.seal(key, self._located(place), person.parts)

    def _located(self, place: PersonField) -> Located:
        return Located(self._hub, self._center, place.stream, place.subject, place.field)

    def _mark(self, identity: str) -> bytes:
        return hmac.digest(self._marks, identity.encode(), "sha256")

    def _read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self._translated():
            return self._open().execute(sql, values).fetchall()

    def _open(self) -> sqlite3.Connection:
        """Return the connection; open both files, or make them, the first time."""
        if self._connection is None:
            with self._translated():
                self._connection, self._marks = open_files(self.path, self._keys, read_only=self._read_only)
        return self._connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as exc:
            raise OfficeWaits("errors.persons_busy", path=self.path) from exc
        except sqlite3.DatabaseError as exc:
            raise OfficeFatal("errors.persons_broken", path=self.path, keys=self._keys.path.name) from exc


def _count_erasure(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO meta VALUES ('erasures', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
