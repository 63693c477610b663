"""What the mapping calls for each person of a row, and what makes sure that keys are durable before they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final, Protocol

from connectors.mapping.message import LocalCode
from connectors.mapping.outcome import RowOutcome
from connectors.mapping.person import Instead, PersonSaid, Place
from connectors.runtime.persons.register import Persons
from hub.domain.catalogue import STREAMS

CHUNK_ROWS: Final = 500


class Sealing:
    """Seals the persons of rows (a `SealPerson`), as far as HQ can take them.

    Shapes: dataschemas has what stands in `ce_dataschema` of each type of event; `announced` tells of one whether HQ
            reads it. Where it does not, its release is older than ours, and the rest of the row is sent without.
    """

    def __init__(self, persons: Persons, dataschemas: Mapping[str, str], announced: Callable[[str], bool]) -> None:
        self.persons = persons
        self._dataschemas = dataschemas
        self._announced = announced

    def __call__(self, place: Place, person: PersonSaid) -> Instead:
        """Return what HQ gets of a person. Errors: those of `Persons.seal`."""
        if not self.is_taken(place.stream, place.field):
            return Instead(None, LocalCode.PERSON_WAITS)
        return self.persons.seal(place, person)

    def is_taken(self, stream: str, field: str) -> bool:
        """Return whether HQ reads the events that have this field; also where that is not known yet."""
        return all(
            self._announced(self._dataschemas[kind.type])
            for kind in STREAMS[stream].events
            if kind.carries_record and field in kind.model.model_fields
        )


class _Outcomes(Protocol):
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[RowOutcome]: ...


class Durable:
    """The outcomes of a table, some hundred read at a time: their keys are on the disk before the first is seen.

    One transaction of the register serves all of them, so that a sheet of a thousand new persons waits for the disk
    as rarely as the events do.
    """

    def __init__(self, outcomes: _Outcomes, persons: Persons) -> None:
        self._outcomes = outcomes
        self._persons = persons

    def __len__(self) -> int:
        return len(self._outcomes)

    def __iter__(self) -> Iterator[RowOutcome]:
        rows = iter(self._outcomes)
        while True:
            with self._persons.transaction():
                part = list(islice(rows, CHUNK_ROWS))
            if not part:
                return
            yield from part
