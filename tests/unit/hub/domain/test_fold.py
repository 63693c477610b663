"""Which event is legal when, and what it leaves."""

from __future__ import annotations

import pytest

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.domain.stream import EventKind
from hub.protocol.errors import Rejected
from hub.protocol.verdict import Code

# Nothing follows these: what is closed or terminated is a matter of record, what HQ announced is never taken back.
FINAL = {("center", "closed"), ("deal", "closed"), ("deal", "terminated"), ("schema", "announced"), ("lane", "open")}
# What cannot be undone: a signed deal was signed. Everything else that is not final can be reached from anywhere.
ONE_WAY = {("deal", "signed", "opened")}


def statuses(stream: str) -> set[str]:
    return {kind.status_after for kind in STREAMS[stream].events if kind.status_after is not None}


def shortest_path(stream: str, status: str | None, wanted: str, *, carrying: bool) -> tuple[EventKind, ...] | None:
    """Return the fewest events from one status to another, with one that carries the record if it must."""
    paths: dict[tuple[str | None, bool], tuple[EventKind, ...]] = {(status, not carrying): ()}
    waiting = list(paths)
    for here in waiting:
        if here == (wanted, True):
            return paths[here]
        for kind in STREAMS[stream].events:
            there = (kind.status_after or here[0], here[1] or kind.carries_record)
            if here[0] in kind.legal_in and there not in paths:
                paths[there] = (*paths[here], kind)
                waiting.append(there)
    return None


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
def test_lifecycle_begins_with_the_whole_record(stream: str) -> None:
    """What may begin an entity carries the record and leaves a status: there is no entity without either."""
    for kind in STREAMS[stream].events:
        if None in kind.legal_in:
            assert kind.carries_record
            assert kind.status_after is not None


@pytest.mark.parametrize("stream", sorted(STREAMS))
def test_lifecycle_every_status_is_reachable_from_nothing(stream: str) -> None:
    """A new entity that is already in any status gets there by legal events."""
    for wanted in statuses(stream):
        assert shortest_path(stream, None, wanted, carrying=True)


@pytest.mark.parametrize("stream", sorted(STREAMS))
def test_lifecycle_every_status_and_record_is_reachable_but_for_what_is_documented(stream: str) -> None:
    """From a status that is not final every other, with any record, can be reached, the one-way ones excepted."""
    for status in statuses(stream) - {final for name, final in FINAL if name == stream}:
        for wanted in statuses(stream):
            if (stream, status, wanted) not in ONE_WAY:
                assert shortest_path(stream, status, wanted, carrying=False) is not None
                assert shortest_path(stream, status, wanted, carrying=True) is not None


@pytest.mark.parametrize(("stream", "status"), sorted(FINAL))
def test_lifecycle_nothing_follows_a_final_status(stream: str, status: str) -> None:
    """A final status is final."""
    assert not [kind for kind in STREAMS[stream].events if status in kind.legal_in]


@pytest.mark.parametrize("stream", sorted(STREAMS))
def test_lifecycle_paths_fold(stream: str) -> None:
    """A path is what the fold accepts, and one that carries the record leaves the new record."""
    for status in statuses(stream):
        for wanted in statuses(stream):
            path = shortest_path(stream, status, wanted, carrying=True)
            entity = Entity(stream, "uz:1", "uz", status, 1, "old", {"v": "old"})
            for step in path or ():
                entity = fold(entity, step, "uz:1", "uz", {"v": "new"})
            if path is not None:
                assert (entity.status, entity.record) == (wanted, {"v": "new"})


def test_lifecycle_new_and_closed_deal_takes_three_events() -> None:
    """A deal that is new and closed already was opened, signed, closed."""
    path = shortest_path("deal", None, "closed", carrying=True)
    assert path is not None
    assert [step.name for step in path] == ["opened", "signed", "closed"]
