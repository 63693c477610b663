"""What a connector tells of traces: a row that was read, the event that was sealed, and sent.

No name of a file, no key of a row, nothing of what it says: who keeps traces is not told what an office reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from connectors.runtime.outbox.lane import Batch
from connectors.runtime.outbox.queue import NewEvent
from hub.base.traces.spans import CENTER, EVENT, SEQUENCE, TOPIC, TYPE, Begun, Kind, Traces, now_ns
from hub.protocol.traceparent import TRACEPARENT, Traceparent, read_traceparent


def traced(traces: Traces, events: Iterable[NewEvent], began_ns: int, begun: list[Begun]) -> list[NewEvent]:
    """Return events, each with the trace that begins with its row; what is begun goes into `begun`.

    They are as they came where nobody listens. `begun` is to be ended once the events are durable.
    """
    if not traces.is_on:
        return list(events)
    found = []
    for event in events:
        span = traces.begin("read row", began_ns, {EVENT: event.id, TYPE: event.type})
        if span is not None:
            begun.append(span)
        found.append(event if span is None else replace(event, traceparent=span.traceparent.to_text()))
    return found


class BatchTraces:
    """Tells what becomes of the batches of one center."""

    def __init__(self, traces: Traces, center: str, topic: str) -> None:
        self._traces = traces
        self._facts = {CENTER: center, TOPIC: topic}

    def began(self) -> int:
        """Return when what is done now began, 0 where nobody listens. Units: nanoseconds since 1970."""
        return now_ns() if self._traces.is_on else 0

    def sealed(self, batch: Batch, began_ns: int) -> None:
        """Tell of a batch that was sealed just now."""
        self._tell("seal", batch, began_ns, Kind.INTERNAL)

    def sent(self, batch: Batch, began_ns: int) -> None:
        """Tell of a batch that the broker has acknowledged just now."""
        self._tell("send", batch, began_ns, Kind.PRODUCER)

    def _tell(self, name: str, batch: Batch, began_ns: int, kind: Kind) -> None:
        if self._traces.is_on:
            ended_ns = now_ns()
            for sequence, after in _within(batch):
                self._traces.tell(name, after, began_ns, ended_ns, self._facts | {SEQUENCE: sequence}, kind)


def _within(batch: Batch) -> Iterator[tuple[int, Traceparent]]:
    """Yield the events of a batch that are of a trace, each by its sequence."""
    for sequence, record in enumerate(batch.records, batch.first):
        content = next((content for name, content in record.headers if name == TRACEPARENT), None)
        if (after := read_traceparent(content)) is not None:
            yield sequence, after
