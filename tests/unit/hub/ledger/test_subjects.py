"""Which entities are asked for before events are decided."""

from __future__ import annotations

import pytest

from hub.ledger.lane import Lane
from hub.ledger.reading import Pending, Stretch
from hub.ledger.subjects import subjects
from hub.protocol.tree import Edge
from tests.support.center import Sent


@pytest.mark.parametrize("subject", [b"uz:\0", b"uz:a\x01", b"uz:\x7f", b"uz:\xc2\x85", b"uz:\xff", b"uz:\n"])
def test_entity_of_an_id_that_none_can_have_is_not_asked_for(subject: bytes) -> None:
    """Such an event is rejected, and a database may not even take the question."""
    headers: dict[str, bytes | None] = {"ce_type": b"net.cohub.offer.published.v1", "ce_subject": subject}
    good = headers | {"ce_subject": b"uz:K-1"}
    events = [
        Pending(number, Sent(None, None, ()), each, b"", b"", None) for number, each in enumerate((headers, good))
    ]
    found, _ = subjects([Stretch(Lane("o", "uz", "0000abcd"), tuple(events), Edge())])
    assert found == {("offer", "uz:K-1")}
