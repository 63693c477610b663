"""Jobs in processes of their own: what one of them raises comes back, whatever it is made of."""

from __future__ import annotations

import pytest

from hub.audit.jobs import Tick, run
from hub.protocol.errors import AgainstRules, CohubError, Fatal, Retriable, UsageError
from hub.protocol.verdict import Code
from hub.store.reader import Unreadable

RAISED = {
    "rules": AgainstRules("it is against a rule", Code.INCONSISTENT, "field", "params"),
    "unreadable": Unreadable("hub.sqlite3", "it is damaged"),
    "busy": Retriable("it is in use"),
}


def job(center: str, tick: Tick) -> str:
    tick(1)
    raise RAISED[center]


@pytest.mark.parametrize(("center", "kind"), [("rules", UsageError), ("unreadable", Fatal), ("busy", Fatal)])
def test_error_of_a_process_is_told_with_its_text(center: str, kind: type[CohubError]) -> None:
    """An error that is made of more than a text must not be lost on its way."""
    with pytest.raises(kind) as told:
        list(run(job, [center, center], 2, lambda _: None))
    assert type(told.value) is kind
    assert str(told.value) == str(RAISED[center])
