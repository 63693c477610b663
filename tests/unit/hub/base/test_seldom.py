"""Lines about strangers: said, counted, and never a flood."""

from __future__ import annotations

import structlog
from structlog.testing import capture_logs

from hub.base.seldom import EVERY_S, Seldom


def test_event_is_said_at_once_and_then_once_a_minute_with_how_often_it_came() -> None:
    """Whoever writes a million records writes no million lines, and no topic speaks for another."""
    now = [0.0]
    with capture_logs() as logs:
        seldom = Seldom(structlog.get_logger(), lambda: now[0])
        for number in range(1000):
            now[0] = number * EVERY_S / 400
            seldom.warning("strange", topic="out.uz", offset=number)
        seldom.warning("strange", topic="hub.trust", times=3)
    assert [(e["topic"], e["times"], e.get("offset")) for e in logs] == [
        ("out.uz", 1, 0),
        ("out.uz", 400, 400),
        ("out.uz", 400, 800),
        ("hub.trust", 3, None),
    ]
