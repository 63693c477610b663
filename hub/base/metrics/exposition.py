"""A book in Prometheus's text format, by Prometheus's own library, which is imported by whoever is asked for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from hub.base.metrics.book import Book, Labels, Spread
from hub.base.metrics.declared import Kind, Metric

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family

__all__ = ["CONTENT_TYPE_LATEST", "Exposition"]


class Exposition(Collector):
    """Writes a book, and what the library knows of the process itself."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return all of it, as it is now."""
        self._book.refresh()
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Family]:
        """Yield each metric with its samples."""
        for metric, values in self._book.values():
            kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
            family = kind(metric.name, metric.says, labels=metric.labels)
            for labels, value in values.items():
                family.add_metric(_checked(metric, labels), value)
            yield family
        for metric, spreads in self._book.spreads():
            yield _histogram(metric, spreads)

    def describe(self) -> Iterable[Family]:
        """Yield nothing: it is not asked for what it has before it is asked for all."""
        return ()


def _histogram(metric: Metric, spreads: Mapping[Labels, Spread]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.says, labels=metric.labels)
    for labels, spread in spreads.items():
        family.add_metric(_checked(metric, labels), list(_cumulated(metric, spread)), spread.sum)
    return family


def _cumulated(metric: Metric, spread: Spread) -> Iterator[tuple[str, float]]:
    upto = 0
    for bound, count in zip((*map(str, metric.buckets), "+Inf"), spread.counts, strict=True):
        upto += count
        yield bound, float(upto)


def _checked(metric: Metric, labels: Labels) -> Labels:
    if len(labels) != len(metric.labels):
        raise KeyError(f"{metric.name} has the labels {metric.labels}, came {labels}")
    return labels
