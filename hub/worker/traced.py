"""What a worker tells of traces: an event that was taken and decided, and what of it went out.

A trace is the center's, by the signed `ce_traceparent` of its event: what is in it decides nothing, and what is no
traceparent is of no trace. Records of `state.*` say nothing of it, for they follow from the ledger byte for byte
(docs/adr/0040): that one went out is told by its span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hub.base.traces.spans import CENTER, EVENT, SEQUENCE, TOPIC, TYPE, VERDICT, Facts, Kind, Traces, now_ns
from hub.domain.stream import HQ
from hub.ledger.publication import Event, Publication
from hub.ledger.step import Step
from hub.protocol.topics import topic_in, topic_out
from hub.protocol.traceparent import TRACEPARENT, Traceparent, read_traceparent

NS_PER_S: Final = 1_000_000_000
Told = Callable[[Sequence[Publication], int], None]  # what the broker has acknowledged, and when it began to go out


def tell_nobody(_found: Sequence[Publication], _began_ns: int) -> None:
    """Tell nobody."""


def step_teller(traces: Traces, before: Callable[[Step, float], None]) -> Callable[[Step, float], None]:
    """Return what is told of a step and the seconds that it took: `before`, and a span for each event of a trace."""
    if not traces.is_on:
        return before

    def tell(step: Step, seconds: float) -> None:
        before(step, seconds)
        ended_ns = now_ns()
        for commit in step.commits:
            center = commit.lane.center
            for pending, row in zip(commit.stretch.events, commit.rows, strict=True):
                after = read_traceparent(pending.headers.get(TRACEPARENT))
                if after is None:
                    continue
                facts: Facts = {
                    CENTER: center, TOPIC: topic_in(center), SEQUENCE: row.sequence, VERDICT: str(row.code),
                    EVENT: _text(pending.headers.get("ce_id")), TYPE: _text(pending.headers.get("ce_type")),
                }  # fmt: skip
                traces.tell("decide", after, ended_ns - int(seconds * NS_PER_S), ended_ns, facts, Kind.CONSUMER)

    return tell


def published_teller(traces: Traces) -> Told:
    """Return what is told of what went out: a span for the receipt, for the event, and for the state that it left."""
    if not traces.is_on:
        return tell_nobody

    def tell(found: Sequence[Publication], began_ns: int) -> None:
        ended_ns = now_ns()
        for publication in found:
            for event, after in _within(publication):
                for topic in _topics(publication, event):
                    facts: Facts = {CENTER: publication.center, SEQUENCE: event.sequence, TOPIC: topic}
                    traces.tell("publish", after, began_ns, ended_ns, facts, Kind.PRODUCER)

    return tell


def _within(publication: Publication) -> Iterator[tuple[Event, Traceparent]]:
    for event in publication.events:
        content = next((content for name, content in event.headers if name == TRACEPARENT), None)
        if (after := read_traceparent(content)) is not None:
            yield event, after


def _topics(publication: Publication, event: Event) -> Iterator[str]:
    """Yield where something of an event went: the state only where it is the newest of its entity there."""
    if publication.center != HQ and publication.receipts:
        yield topic_out(publication.center)
    yield "events"
    for known in publication.entities:
        if known.sequence == event.sequence:
            yield f"state.{known.entity.stream}"


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")[:200]
