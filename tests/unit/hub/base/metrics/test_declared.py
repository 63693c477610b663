"""What is declared is named as Prometheus names things, and docs/metrics.md says all of it."""

from __future__ import annotations

import re
from typing import Final

import pytest

from hub.base.metrics.declared import METRICS, Kind, Metric, Who
from hub.base.metrics.page import TARGET, page

# A label's values are bounded: by a closed list of ours, by the routes that there are, or by the registry.
BOUNDED: Final = {
    "cause", "code", "method", "name", "reason", "release", "route", "state", "status", "verdict", "way", "why",
}  # fmt: skip
BY_CENTER: Final = {"cohub_worker_lane_stopped"}  # only of centers that are registered, and need somebody
UNITS: Final = ("_seconds", "_bytes", "_total", "_info", "_ratio")
COUNTED: Final = (
    "_lanes", "_records", "_events", "_centers", "_receipts", "_number", "_rows", "_files", "_orphans", "_sessions",
    "_waiting", "_basis", "_behind", "_up", "_ready", "_stopped", "_alarm",
)  # fmt: skip
OURS: Final = [metric for metric in METRICS if metric.is_ours]


def test_page_is_what_is_declared() -> None:
    """docs/metrics.md is the declarations; `python -m hub.base.metrics.page` writes it."""
    assert TARGET.read_text("utf-8") == page()


def test_names_are_each_declared_once() -> None:
    """No two metrics share a name, nor a sample's."""
    names = [name for metric in METRICS for name in metric.series]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric.name)
def test_metric_is_named_by_the_rules(metric: Metric) -> None:
    """It begins with whose it is, ends with a base unit or with what is counted, and a counter with `_total`."""
    begin = "cohub_" if metric.who is Who.EVERY else f"cohub_{metric.who}_"
    assert re.fullmatch(begin + "[a-z][a-z_]*[a-z]", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert metric.name.endswith((*UNITS, *COUNTED))
    assert metric.says
    assert not metric.says.endswith(".")


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric.name)
def test_labels_have_few_values(metric: Metric) -> None:
    """A label is of a closed list; a center is one only where it needs somebody, and of no key, row or address."""
    allowed = BOUNDED | ({"center"} if metric.name in BY_CENTER else set())
    assert set(metric.labels) <= allowed
    assert list(metric.buckets) == sorted(metric.buckets)
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
