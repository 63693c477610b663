"""What HQ tells of traces, and that nothing that stands in a traceparent changes a verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.base.traces.spans import NO_TRACES
from hub.ledger.publication import publications
from hub.ledger.step import Step
from hub.protocol.limits import ATTRIBUTE_BYTES_MAX
from hub.protocol.traceparent import TRACEPARENT, Traceparent
from hub.worker.traced import published_teller, step_teller, tell_nobody
from tests.contract.conftest import prepared
from tests.support.center import Center, Sent, offer
from tests.support.hq import Hq
from tests.support.traced import KeptTraces

PUBLISHED = "net.cohub.offer.published.v1"
FIRST, SECOND = Traceparent(1, 2), Traceparent(3, 4, is_sampled=False)
FOREIGN = [
    b"", b"00", b"ff-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01", b"of another system entirely", "след".encode(),
    b"x" * ATTRIBUTE_BYTES_MAX,
]  # fmt: skip


def lane(center: Center, contents: list[bytes | None]) -> list[Sent]:
    """Return a sealed lane whose offers have these traceparents."""
    records = [center.opening()]
    for number, content in enumerate(contents, 1):
        record = center.event(PUBLISHED, f"K-{number}", offer(title=f"Offer {number}"))
        records.append(center.append(record if content is None else record.plus(TRACEPARENT, content)))
    return [*records[:-1], center.sealed(records[-1])]


async def step_of(folder: Path, contents: list[bytes | None]) -> Step:
    hq, center = await Hq.open(folder, Center("uz")), Center("uz")
    step, _ = await prepared(hq, center, lane(center, contents))
    await hq.store.close()
    return step


async def test_events_of_a_trace_are_told_and_no_others(tmp_path: Path) -> None:
    """Decided by their codes; out to the center, to everybody, and as the newest state of their entity."""
    contents = [FIRST.to_text().encode(), None, *FOREIGN, SECOND.to_text().encode()]
    step, kept, seconds = await step_of(tmp_path, contents), KeptTraces(), list[float]()
    step_teller(kept, lambda _, took_s: seconds.append(took_s))(step, 0.25)
    assert seconds == [0.25]
    assert [(name, after, facts["cohub.verdict"], facts["cohub.sequence"]) for name, after, facts in kept.told] == [
        ("decide", FIRST, "ACCEPTED", 2), ("decide", SECOND, "ACCEPTED", len(contents) + 1),
    ]  # fmt: skip
    kept.told.clear()
    published_teller(kept)(publications(step), 1)
    assert [(name, after, facts["messaging.destination.name"]) for name, after, facts in kept.told] == [
        ("publish", after, topic) for after in (FIRST, SECOND) for topic in ("out.uz", "events", "state.offer")
    ]


@pytest.mark.parametrize(
    "content", [*FOREIGN, FIRST.to_text().encode(), b"x" * (ATTRIBUTE_BYTES_MAX + 1), b"\xff", b"\0"]
)
async def test_traceparent_changes_no_verdict(tmp_path: Path, content: bytes) -> None:
    """It is judged as any header is, by its length and its characters; what it says of a trace is asked by nobody."""
    traced = await step_of(tmp_path / "traced", [content])
    other = await step_of(tmp_path / "other", [None])
    usual = [row.code for commit in other.commits for row in commit.rows]
    codes = [row.code for commit in traced.commits for row in commit.rows]
    may_be = len(content) <= ATTRIBUTE_BYTES_MAX and content not in (b"\xff", b"\0")
    assert codes == (usual if may_be else [usual[0], "BAD_HEADERS"])
    kept = KeptTraces()
    step_teller(kept, lambda *_: None)(traced, 0.0)
    assert [row.code for commit in traced.commits for row in commit.rows] == codes


def test_nobody_is_told_where_nobody_listens() -> None:
    """And what counted steps before is asked as it was: nothing stands before it."""

    def count(_step: Step, _seconds: float) -> None:
        """Count."""

    assert step_teller(NO_TRACES, count) is count
    assert published_teller(NO_TRACES) is tell_nobody
