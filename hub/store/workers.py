"""What workers say of themselves in the database: which live, which release each is, which rules and schemas it knows.

Such a word is a lease: it holds until a time. It lies in the table of leases, by a name that no task has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from hub.protocol.moment import from_us

WORKER: Final = "worker "
_SAYS: Final = " knows the rules "
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_GROUP: Final = "group:"
_SCHEMA: Final = re.compile(r"s[0-9a-f]{1,8}")  # its id; releases that know of no such words pass over them
NEVER: Final = datetime.max.replace(tzinfo=UTC)
KEPT: Final = timedelta(days=30)  # what workers of long ago said is of no use to anybody


@dataclass(frozen=True, slots=True)
class LivingWorker:
    """A worker's word of itself: it holds until `until`. `owner` is what an intake calls it, `<host>:<process>`."""

    owner: str
    release: str
    rules: tuple[int, ...]
    until: datetime
    schemas: frozenset[int] = frozenset()  # ids of those that it can read; older ones do not say
    group: str = ""  # in which it shares the lanes; nor do they say that

    @property
    def name(self) -> str:
        """The lease's name."""
        return WORKER + self.owner

    def to_text(self) -> str:
        """Return what is kept beside the name."""
        words = [*map(str, self.rules), *(f"s{one:x}" for one in sorted(self.schemas))]
        return self.release + _SAYS + " ".join([*words, *([_GROUP + self.group] if self.group else [])])

    @classmethod
    def of(cls, name: str, said: object, until_us: object) -> Self:
        """Return what a lease says; of a text that no release has written, a worker that knows no rules.

        A time that no calendar has is taken for one that never comes: the next worker that starts takes such a row
        away, and until then it may be somebody's who lives.
        """
        release, _, rules = str(said).partition(_SAYS)
        known = tuple(int(number) for number in rules.split() if _NUMBER.fullmatch(number))
        schemas = frozenset(int(word[1:], 16) for word in rules.split() if _SCHEMA.fullmatch(word))
        group = next((word.removeprefix(_GROUP) for word in rules.split() if word.startswith(_GROUP)), "")
        try:
            until = from_us(until_us) if isinstance(until_us, int) else NEVER
        except OverflowError:
            until = NEVER
        return cls(str(name).removeprefix(WORKER), release, known, until, schemas, group)
