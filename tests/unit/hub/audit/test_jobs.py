"""Jobs in processes of their own: what one of them raises comes back, whatever it is made of."""

from __future__ import annotations

import pytest

from hub.audit.jobs import run
from hub.protocol.errors import CohubError, Fatal, UsageError
from tests.support.failing_job import RAISED, fail


@pytest.mark.parametrize(("center", "kind"), [("rules", UsageError), ("unreadable", Fatal), ("busy", Fatal)])
def test_error_of_a_process_is_told_with_its_text(center: str, kind: type[CohubError]) -> None:
    """An error that is made of more than a text must not be lost on its way."""
    with pytest.raises(kind) as told:
        list(run(fail, [center, center], 2, lambda _: None))
    assert type(told.value) is kind
    assert str(told.value) == str(RAISED[center])
