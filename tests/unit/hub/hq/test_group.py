"""A hub's workers share one group: its own, or that of an older worker that still reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.hq.group import group_of
from hub.store.workers import LivingWorker

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOON, BEFORE = NOW + timedelta(seconds=9), NOW - timedelta(seconds=1)
OWN = "hub-workers.hub.example"
OLD = LivingWorker("elsewhere:1", "cohub 0.3.0", (1,), SOON)
NEW = LivingWorker("elsewhere:2", "cohub 0.4.0", (1,), SOON, frozenset({7}), OWN)


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        ([], OWN),
        ([NEW], OWN),
        ([OLD], "hub-workers"),
        ([OLD, NEW], "hub-workers"),
        ([LivingWorker("elsewhere:2", "cohub 0.4.0", (1,), SOON, frozenset(), "hub-workers")], "hub-workers"),
        ([LivingWorker("elsewhere:2", "cohub 0.4.0", (1,), SOON, frozenset(), "chosen")], "chosen"),
        ([LivingWorker("elsewhere:1", "cohub 0.3.0", (1,), BEFORE)], OWN),
        ([LivingWorker("here:1", "cohub 0.3.0", (1,), SOON)], OWN),
    ],
    ids=["none lives", "one of its own", "an older one", "both", "a new one among old ones", "a chosen one",
         "an older one has ended", "it itself"],
)  # fmt: skip
def test_worker_joins_the_group_of_those_that_live(workers: list[LivingWorker], expected: str) -> None:
    """Two groups would both read every lane."""
    assert group_of("hub.example", workers, "here:1", NOW) == expected


def test_two_hubs_on_one_cluster_share_no_group() -> None:
    """Each has its own name in it."""
    assert group_of("a.example", [], "here:1", NOW) != group_of("b.example", [], "here:1", NOW)


def test_group_that_a_worker_names_is_read_back() -> None:
    """A text that says none is of a release that knew of one group alone."""
    assert LivingWorker.of(NEW.name, NEW.to_text(), None).group == OWN
    assert LivingWorker.of(OLD.name, OLD.to_text(), None).group == ""
