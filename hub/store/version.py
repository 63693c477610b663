"""The version of a database: which release's tables it has, and from which version on programs may use it.

Workers of two releases run beside each other while a hub is upgraded. Whoever brings the tables up to date writes into
the database since which version's tables a program may go on reading and writing it (docs/adr/0037).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from hub.base.release import release
from hub.protocol.errors import UsageError
from hub.store.moved import MOVED, MOVED_AWAY

HEAD: Final = "0014"
# The oldest version whose programs read and write rightly what stands in the tables of HEAD, and the release that
# brought it. A migration that only adds what older programs need not know leaves both as they are: a table, an index,
# a column that has a default or may be empty. Any other one sets both to its own.
COMPATIBLE_SINCE: Final = "0014"
SINCE_RELEASE: Final = "0.3.0"

TABLE: Final = "alembic_version"
READ: Final = f"SELECT * FROM {TABLE}"  # noqa: S608 - a constant; migrations before 0013 have one column alone
WRITE: Final = f"UPDATE {TABLE} SET compatible_since = '{COMPATIBLE_SINCE}', since_release = '{SINCE_RELEASE}'"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Version:
    """What a database says of its tables.

    Shapes: `number` is the newest migration's, None where there are no tables; `since` the oldest one whose programs
        may use them, and `since_release` the release that brought that; None in what releases up to 0.2 have written.
    """

    number: str | None = None
    since: str | None = None
    since_release: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, object] | None) -> Self:
        """Return what a row of the table says, None where there is none. What is no text says nothing."""
        told = {} if row is None else {name: str(value) for name, value in row.items() if value is not None}
        return cls(told.get("version_num"), told.get("compatible_since"), told.get("since_release"))

    @property
    def is_own(self) -> bool:
        """Whether the tables are those of this release."""
        return self.number == HEAD

    @property
    def is_newer(self) -> bool:
        """Whether a newer release has made the tables."""
        return self.number is not None and self.number != MOVED and self.number > HEAD

    @property
    def is_usable(self) -> bool:
        """Whether this release may read and write them: they are its own, or newer ones that say so."""
        return self.is_own or (self.is_newer and _is_number(self.since) and str(self.since) <= HEAD)

    def refuse(self, location: str = "") -> None:
        """Return if this release may use the database. Errors: UsageError with the remedy."""
        if not self.is_usable:
            raise UsageError(f"{location}: {self._refusal()}" if location else self._refusal())

    def refuse_others(self, location: str) -> None:
        """Return if the tables are exactly this release's, for whoever copies all of them. Errors: UsageError."""
        self.refuse(location)
        if not self.is_own:
            raise UsageError(
                f"{location}: the database is at version {self.number} and has tables that this release ({release()},"
                f" {HEAD}) would leave out: do it by the release that ran `hub migrate`"
            )

    def _refusal(self) -> str:
        if self.number == MOVED:
            return f"this database {MOVED_AWAY}"
        if not self.is_newer:
            return (
                f"the database is at version {self.number or 'none'}, expected {HEAD}: `hub migrate` brings it up"
                " to date (in SQLite `hub up` and `hub worker` do, too)"
            )
        which = f"cohub {self.since_release} or newer" if self.since_release else "a newer cohub"
        return (
            f"the database is at version {self.number}, this release knows up to {HEAD}, and only programs from version"
            f" {self.since or self.number} on may use it; this is cohub {release()}: install {which}"
        )


def _is_number(version: str | None) -> bool:
    return version is not None and len(version) == len(HEAD) and version.isascii() and version.isdecimal()
