"""What is kept of the link says how it was, since when, and when it was last seen to be so."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, TopicAuthorizationFailedError
from structlog.testing import capture_logs

from connectors.runtime.link import CONFIRM_EVERY, BrokerAway, Link
from connectors.runtime.outbox.meta import NEVER_LINKED, LinkState
from connectors.runtime.settings import make_settings
from hub.protocol.errors import Malformed, Retriable
from schemas.words.said import said
from tests.support.office import CENTER, HUB, NOW, Office

SETTINGS = make_settings({"hub": HUB, "center": CENTER, "bootstrap": "localhost:9"}, "test")
SECOND = timedelta(seconds=1)


class Clock:
    """The time, which the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def test_link_says_since_when_it_is_as_it_is_and_when_it_was_last_seen_so(office: Office) -> None:
    """The first look begins a state; each later one confirms it, another reason for the same state begins none."""
    clock, database = Clock(), office.outbox.database
    link = Link(SETTINGS, office.outbox, clock=clock)
    assert database.link() == NEVER_LINKED
    link.is_down(Retriable("no route"))
    clock.now += SECOND
    link.is_down(Retriable("refused"))
    assert database.link() == LinkState("down", NOW, NOW + SECOND, "refused", said("errors.other", detail="refused"))
    clock.now += SECOND
    link.is_up()
    assert database.link() == LinkState("up", NOW + 2 * SECOND, NOW + 2 * SECOND)
    clock.now += CONFIRM_EVERY
    link.is_up()
    assert database.link() == LinkState("up", NOW + 2 * SECOND, NOW + 2 * SECOND + CONFIRM_EVERY)


@pytest.mark.parametrize("weather", [TimeoutError(), KafkaTimeoutError(), KafkaConnectionError("x"), OSError("x")])
def test_bad_weather_is_told_as_such(weather: Exception, office: Office) -> None:
    """A client's errors have no words for people: a line that fails is no program that failed."""
    link = Link(SETTINGS, office.outbox)
    link.is_down(weather)
    assert office.outbox.database.link().reason == f"localhost:9 can't be reached ({type(weather).__name__})"


def test_link_is_confirmed_now_and_then(office: Office) -> None:
    """What was just noted is not written once more; a clock that went back is no reason to wait."""
    clock, database = Clock(), office.outbox.database
    link = Link(SETTINGS, office.outbox, clock=clock)
    link.is_up()
    clock.now += CONFIRM_EVERY - SECOND
    link.is_up()
    assert database.link().last_true == NOW
    clock.now = NOW - SECOND
    link.is_up()
    assert database.link().last_true == NOW - SECOND


@pytest.mark.parametrize(
    "link", [NEVER_LINKED, LinkState("up", NOW, NOW), LinkState("down", None, NOW, 'no "route": {')]
)
def test_link_state_goes_round(link: LinkState) -> None:
    """What is kept is what is read."""
    assert LinkState.from_text(link.to_text()) == link


def test_link_state_of_no_release_is_malformed() -> None:
    """It is shown, not guessed at."""
    with pytest.raises(Malformed, match="'perhaps'"):
        LinkState.from_text("perhaps")


def test_outage_is_a_line_of_the_log_at_its_start_and_one_at_its_end(office: Office) -> None:
    """Not one for every try of every reader; what is no weather is told once."""
    clock = Clock()
    link = Link(SETTINGS, office.outbox, clock=clock)
    with capture_logs() as logs:
        link.is_up()
        for _ in range(30):
            clock.now += SECOND
            link.is_down(BrokerAway("errors.unreachable_somehow", servers="localhost:9", detail="TimeoutError"))
            link.tell_lost("answers_lost", BrokerAway("errors.unreachable_somehow", servers="x", detail="y"))
            link.tell_lost("registry_lost", TimeoutError())
            link.tell_lost("trust_lost", TopicAuthorizationFailedError("hub.trust"))
        link.is_up()
    told = [(entry["event"], entry["log_level"]) for entry in logs if entry["log_level"] != "debug"]
    assert told == [("link_made", "info"), ("link_down", "warning"), ("trust_lost", "info"), ("link_up", "info")]
    assert logs[-1]["down_s"] == 29
