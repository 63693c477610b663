"""Traces that are kept in a list, for tests that want no collector."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from hub.base.traces.spans import Facts, Kind
from hub.protocol.traceparent import Traceparent


@dataclass
class Begun:
    kept: KeptTraces
    name: str
    traceparent: Traceparent
    facts: Facts

    def end(self) -> None:
        self.kept.begun.append((self.name, self.traceparent, dict(self.facts)))


@dataclass
class KeptTraces:
    """Listens, and keeps what it is told."""

    is_on: bool = True
    begun: list[tuple[str, Traceparent, dict[str, Any]]] = field(default_factory=list)
    told: list[tuple[str, Traceparent, dict[str, Any]]] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def begin(self, name: str, began_ns: int, facts: Facts) -> Begun:
        number = next(self._numbers)
        return Begun(self, name, Traceparent(number, number), facts)

    def tell(
        self, name: str, after: Traceparent, began_ns: int, ended_ns: int, facts: Facts, kind: Kind = Kind.INTERNAL
    ) -> None:
        assert began_ns <= ended_ns
        self.told.append((name, after, dict(facts)))
