"""The book: what one process has counted. Plain numbers in dictionaries, for one event loop.

To count costs a third of a microsecond, and is done once a step, never once an event. What is only looked up when
somebody asks (how many lanes there are, how full a disk is) is put there by a *source*, which is called then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from hub.base.metrics.declared import Kind, Metric
from hub.protocol.errors import CohubError

log = structlog.get_logger(__name__)

Labels = tuple[str, ...]
Source = Callable[["Book"], None]


@dataclass(slots=True)
class Spread:
    """What a histogram has seen under some labels: how many values up to each bound, and beyond; their sum."""

    counts: list[int]
    sum: float = 0.0


@dataclass(slots=True)
class Book:
    """The values of one process's metrics.

    Errors: KeyError for labels that are more or fewer than the metric has, when it is read.
    """

    _values: dict[Metric, dict[Labels, float]] = field(default_factory=dict)
    _spreads: dict[Metric, dict[Labels, Spread]] = field(default_factory=dict)
    _sources: list[Source] = field(default_factory=list)

    def add(self, metric: Metric, amount: float = 1.0, *labels: str) -> None:
        """Count so much more."""
        found = self._values.setdefault(metric, {})
        found[labels] = found.get(labels, 0.0) + amount

    def put(self, metric: Metric, value: float, *labels: str) -> None:
        """Note what a gauge stands at."""
        self._values.setdefault(metric, {})[labels] = value

    def put_all(self, metric: Metric, values: Mapping[Labels, float]) -> None:
        """Note what a metric stands at under all of its labels: under others it is not there any more."""
        self._values[metric] = dict(values)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Count one value of a histogram."""
        found = self._spreads.setdefault(metric, {})
        spread = found.get(labels)
        if spread is None:
            spread = found[labels] = Spread([0] * (len(metric.buckets) + 1))
        spread.counts[bisect_left(metric.buckets, value)] += 1
        spread.sum += value

    def ask(self, source: Source) -> None:
        """Have `source` put its values whenever the book is to be read."""
        self._sources.append(source)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Forget behind this context whom to ask since it began, and what gauges stand at: what they tell of has ended.

        Whoever is asked still puts his own again. Counters go on.
        """
        known = len(self._sources)
        try:
            yield
        finally:
            del self._sources[known:]
            for metric in [metric for metric in self._values if metric.kind is Kind.GAUGE]:
                del self._values[metric]

    def refresh(self) -> None:
        """Ask every source. One that can't answer now leaves what it said last, and hides no other."""
        for source in self._sources:
            try:
                source(self)
            except (CohubError, OSError) as exc:
                log.info("metrics_source_failed", error=str(exc))

    def values(self) -> Iterator[tuple[Metric, Mapping[Labels, float]]]:
        """Yield counters and gauges; a counter without labels is there from the beginning, at zero."""
        yield from self._values.items()

    def spreads(self) -> Iterator[tuple[Metric, Mapping[Labels, Spread]]]:
        """Yield histograms."""
        yield from self._spreads.items()

    def begin(self, *metrics: Metric) -> None:
        """Let counters without labels begin at zero, so that their first count is seen as growth."""
        for metric in metrics:
            if metric.kind is Kind.COUNTER and not metric.labels:
                self._values.setdefault(metric, {}).setdefault((), 0.0)
