"""Jobs in processes of their own: what one of them raises comes back, whatever it is made of."""

from __future__ import annotations

import gc

import pytest

from hub.audit.jobs import run, spared_collector
from hub.protocol.errors import CohubError, Fatal, UsageError
from tests.support.failing_job import RAISED, fail


@pytest.mark.parametrize(("center", "kind"), [("rules", UsageError), ("unreadable", Fatal), ("busy", Fatal)])
def test_error_of_a_process_is_told_with_its_text(center: str, kind: type[CohubError]) -> None:
    """An error that is made of more than a text must not be lost on its way."""
    with pytest.raises(kind) as told:
        list(run(fail, [center, center], 2, lambda _: None))
    assert type(told.value) is kind
    assert str(told.value) == str(RAISED[center])


def test_what_was_frozen_before_stays_out_of_the_collectors_sight() -> None:
    """A process that froze what lives as long as itself would go through all of it again after its first audit."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(700, 10, 10)
    try:
        with spared_collector():
            assert gc.get_threshold() == (200_000, 10, 10)
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == (700, 10, 10)
    finally:
        gc.set_threshold(*before)
