"""Which event is legal when, and what it leaves."""

from __future__ import annotations

import pytest

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.domain.lifecycle import FINAL_STATUSES, shortest_path, statuses
from hub.protocol.errors import Rejected
from hub.protocol.verdict import Code

# What cannot be undone: a signed deal was signed. Everything else that is not final can be reached from anywhere.
ONE_WAY = {("deal", "signed", "opened"), ("partner", "ended", "ended")}


def offer(status: str) -> Entity:
    return Entity("offer", "uz:1", "uz", status, 5, "net.cohub.offer.published.v1", {"title": "old"})


@pytest.mark.parametrize(
    ("status", "name", "code"),
    [
        (None, "revised", Code.UNKNOWN_ENTITY),
        (None, "withdrawn", Code.UNKNOWN_ENTITY),
        ("published", "published", Code.ALREADY_EXISTS),
        ("withdrawn", "revised", Code.ILLEGAL_TRANSITION),
        ("withdrawn", "withdrawn", Code.ILLEGAL_TRANSITION),
    ],
)
def test_event_out_of_turn_is_rejected(status: str | None, name: str, code: Code) -> None:
    """An event that is not legal in the entity's status says so by its code."""
    entity = None if status is None else offer(status)
    with pytest.raises(Rejected) as caught:
        fold(entity, KINDS[f"net.cohub.offer.{name}.v1"], "uz:1", "uz", {})
    assert caught.value.code == code


def test_status_change_keeps_the_record_and_shows_its_reason() -> None:
    """An event that carries no record leaves the record, and its own fields stay visible."""
    value = {"reason": "sold", "effective_on": None}
    after = fold(offer("published"), KINDS["net.cohub.offer.withdrawn.v1"], "uz:1", "uz", value)
    assert (after.status, after.version, after.record, after.changed) == ("withdrawn", 6, {"title": "old"}, value)


def test_whole_record_replaces_the_record_and_clears_the_reason() -> None:
    """An event that carries the record replaces all of it: there are no patches."""
    withdrawn = fold(offer("published"), KINDS["net.cohub.offer.withdrawn.v1"], "uz:1", "uz", {"reason": "sold"})
    after = fold(withdrawn, KINDS["net.cohub.offer.published.v1"], "uz:1", "uz", {"title": "new"})
    assert (after.status, after.version, after.record, after.changed) == ("published", 7, {"title": "new"}, None)


@pytest.mark.parametrize("stream", sorted(STREAMS))
def test_lifecycle_every_status_is_reachable_from_nothing(stream: str) -> None:
    """A new entity that is already in any status gets there by legal events, with its record."""
    for wanted in statuses(stream):
        path = shortest_path(stream, None, wanted)
        assert path
        assert path[0].carries_record


@pytest.mark.parametrize("stream", sorted(STREAMS))
def test_lifecycle_every_status_is_reachable_unless_documented(stream: str) -> None:
    """From a status that is not final every other can be reached, the one-way ones excepted; from a final one none."""
    for status in statuses(stream):
        for wanted in statuses(stream):
            final = (stream, status) in FINAL_STATUSES
            for changes in (False, True):
                path = shortest_path(stream, status, wanted, record_changes=changes)
                if final:
                    assert path == (() if status == wanted and not changes else None)
                elif (stream, status, wanted) not in ONE_WAY:
                    assert path is not None


@pytest.mark.parametrize("stream", sorted(STREAMS))
def test_lifecycle_paths_fold(stream: str) -> None:
    """A path is what the fold accepts, and with record_changes it leaves the new record."""
    for status in statuses(stream):
        for wanted in statuses(stream):
            path = shortest_path(stream, status, wanted, record_changes=True)
            entity = Entity(stream, "uz:1", "uz", status, 1, "old", {"v": "old"})
            for step in path or ():
                entity = fold(entity, step, "uz:1", "uz", {"v": "new"})
            if path is not None:
                assert (entity.status, entity.record) == (wanted, {"v": "new"})


def test_lifecycle_new_and_closed_deal_takes_three_events() -> None:
    """A deal that is new and closed already was opened, signed, closed."""
    path = shortest_path("deal", None, "closed")
    assert path is not None
    assert [step.name for step in path] == ["opened", "signed", "closed"]
