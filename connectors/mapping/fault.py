"""All that is wrong with a mapping, said at once: nobody mends a file word by word, trying it again each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from hub.protocol.errors import UsageError

_SHOWN_MAX: Final = 20


class WrongMapping(UsageError):
    """A mapping that can't be used as it is, or not for this sheet; each reason is a sentence of its own."""

    def __init__(self, name: str, reasons: Sequence[str]) -> None:
        self.name = name
        self.reasons = tuple(dict.fromkeys(reasons))
        if len(self.reasons) == 1:
            message = f"{name}: {self.reasons[0]}"
        else:
            numbered = [f"({number}) {reason}" for number, reason in enumerate(self.reasons[:_SHOWN_MAX], 1)]
            more = f"; and {len(self.reasons) - _SHOWN_MAX} more" if len(self.reasons) > _SHOWN_MAX else ""
            message = f"{name}: {len(self.reasons)} things are wrong: {'; '.join(numbered)}{more}"
        super().__init__(message)


class NoSuchColumn(WrongMapping):
    """The sheet does not have columns that its mapping names; raised when a file is read. The file is refused."""

    def __init__(self, name: str, reasons: Sequence[str], columns: Sequence[str]) -> None:
        super().__init__(name, reasons)
        self.columns = tuple(dict.fromkeys(columns))

    @property
    def column(self) -> str:
        """The missing columns, as a person is told them."""
        return ", ".join(self.columns)


class Faults:
    """Collects what is wrong with one mapping. `with faults.gather():` lets the next look go on after a fault."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._reasons: list[str] = []
        self._columns: list[str] = []

    def note(self, reason: str) -> None:
        """Take up one reason."""
        self._reasons.append(reason)

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Take up what is raised inside."""
        try:
            yield
        except NoSuchColumn as exc:
            self._reasons += exc.reasons
            self._columns += exc.columns
        except WrongMapping as exc:
            self._reasons += exc.reasons

    def raise_all(self) -> None:
        """Errors: NoSuchColumn if nothing but columns is missing, WrongMapping if anything else is wrong."""
        if self._columns and len(self._columns) == len(self._reasons):
            raise NoSuchColumn(self.name, self._reasons, self._columns)
        if self._reasons:
            raise WrongMapping(self.name, self._reasons)
