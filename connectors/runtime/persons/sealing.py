"""What the mapping calls for each person of a row, and what makes sure that keys are durable before they are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, Protocol

import structlog

from connectors.mapping.outcome import RowOutcome
from connectors.mapping.person import Instead, PersonField, PersonSaid
from connectors.mapping.problem import LocalCode
from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.meta import persons_wait
from connectors.runtime.persons.register import Persons
from connectors.runtime.registry import Registry
from hub.domain.catalogue import STREAMS

CHUNK_ROWS: Final = 500

log = structlog.get_logger(__name__)


class Sealing:
    """Seals the persons of rows (a `SealPerson`), as far as HQ can take them.

    Shapes: dataschemas has what stands in `ce_dataschema` of each type of event. Where HQ has not announced one of
            those that a field needs, its release is older than ours, and the rest of the row is sent without; that is
            remembered in the outbox for as long as HQ can't be asked.
    """

    def __init__(
        self, persons: Persons, dataschemas: Mapping[str, str], registry: Registry, database: Database
    ) -> None:
        self.persons = persons
        self._dataschemas = dataschemas
        self._registry = registry
        self._database = database
        self._taken: dict[str, bool] = {}

    def __call__(self, place: PersonField, person: PersonSaid) -> Instead:
        """Return what HQ gets of a person. Errors: those of `Persons.seal`."""
        if not self.is_taken(place.stream, place.field):
            return Instead(None, LocalCode.PERSON_WAITS)
        return self.persons.seal(place, person)

    def is_taken(self, stream: str, field: str) -> bool:
        """Return whether HQ reads the events that have this field; where nothing is known of it, that it does."""
        name = persons_wait(stream, field)
        if not self._registry.known:
            if name not in self._taken:
                self._taken[name] = self._database.meta(name) is None
            return self._taken[name]
        taken = all(
            self._registry.announced(self._dataschemas[kind.type])
            for kind in STREAMS[stream].events
            if kind.carries_record and field in kind.model.model_fields
        )
        if taken != self._taken.get(name):
            self._database.set_meta(name, None if taken else 1)
            self._taken[name] = taken
            if not taken:
                log.warning("persons_wait_for_hq", stream=stream, field=field)
        return taken


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
