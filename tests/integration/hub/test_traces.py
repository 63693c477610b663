"""A row's trace on real parts: from the sheet to `state.*`, told to a collector as both ends tell any."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from connectors.runtime.daemon import Connector
from connectors.runtime.office import read_office
from connectors.runtime.outbox import Outbox
from hub.base.traces.options import TracesOptions
from hub.base.traces.telemetry import tracing
from hub.broker.embedded import EmbeddedKafka
from hub.protocol.record import SEAL_HEADER, canonical
from hub.protocol.traceparent import TRACEPARENT, read_traceparent
from hub.worker.service import WorkerSettings, run_worker
from tests.integration.hub.test_stories import Office
from tests.support.center import Center
from tests.support.collector import Collector, collecting
from tests.support.peek import is_published
from tests.support.worker import Hub, read_topic

pytestmark = pytest.mark.integration

ROWS = ("1,Licence,,,,opened", "2,Know-how,,,,opened", "3,Talks,nowhere,,,opened")
STEPS = ["read row", "seal", "send", "decide", "publish", "publish", "publish"]


async def said(hub: Hub, office: Office, collector: Collector | None) -> None:
    """Have a sheet read, its events decided, and published; with traces of both ends, or with none."""
    options = TracesOptions(endpoint=None if collector is None else collector.url)
    stop, ready = asyncio.Event(), asyncio.Event()
    settings = WorkerSettings(data_dir=hub.data_dir, cluster=hub.cluster, traces=options)
    with tracing(options, "cohub-worker") as at_hq, tracing(options, "cohub-connector") as at_office:
        hub.task = asyncio.create_task(run_worker(settings, stop, ready.set, traces=at_hq))
        connector = Connector(read_office(office.folder), traces=at_office)
        running = asyncio.create_task(connector.run())
        try:
            office.write(*ROWS)
            await office.until("accepted", "accepted", "rejected")
            await hub.until(is_published)
        finally:
            connector.stop()
            await running
            stop.set()
            await hub.task
            hub.task = None


def an_office(tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str) -> tuple[Hub, Office]:
    hub, center = Hub.make(tmp_path / "data", kafka.bootstrap), Center(f"{topic_prefix}-1", seed=os.urandom(32))
    return hub, Office(hub, center, tmp_path / "office")


async def test_row_is_one_trace_from_the_sheet_to_its_state(
    tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    """Each step of each row is told once, under the trace that its sealed event names; sent again it says the same."""
    hub, office = an_office(tmp_path, kafka, topic_prefix)
    await hub.register(office.center)
    with collecting() as collector:
        await said(hub, office, collector)
        spans = collector.spans()
    assert set(collector.paths) == {"/v1/traces"}

    records = [r for r in await read_topic(hub.bootstrap, f"in.{office.center.id}") if "ce_id" in dict(r.headers)]
    named = {dict(r.headers)["ce_id"].decode(): read_traceparent(dict(r.headers).get(TRACEPARENT)) for r in records}
    traces = {event: f"{found.trace:032x}" for event, found in named.items() if found is not None}
    assert len(traces) == len(ROWS) == len(set(traces.values())) == len(named) - 1  # not the one that opens the lane
    assert {span.trace for span in spans} == set(traces.values())
    for trace in traces.values():
        mine = sorted((one for one in spans if one.trace == trace), key=lambda one: STEPS.index(one.name))
        (root,) = (one for one in mine if not one.parent)
        assert {one.parent for one in mine if one is not root} == {root.span}
        is_taken = next(one.facts["cohub.verdict"] for one in mine if one.name == "decide") == "ACCEPTED"
        assert [one.name for one in mine] == (STEPS if is_taken else STEPS[:4])
        topics = {one.facts["messaging.destination.name"] for one in mine if one.name == "publish"}
        assert topics == ({f"out.{office.center.id}", "events", "state.deal"} if is_taken else set())
        assert {one.service for one in mine} == {"cohub-worker", "cohub-connector"}
        assert all(one.began_ns <= one.ended_ns for one in mine)

    with Outbox(office.folder / "outbox.sqlite3", read_only=True) as outbox:
        again = outbox.lane.load(1, office.center.signer)
        assert again is not None
        sent = [(r.key, r.value, [tuple(h) for h in r.headers if h[0] != SEAL_HEADER]) for r in records]
        kept = [(r.key, r.value, [h for h in r.headers if h[0] != SEAL_HEADER]) for r in again.records]
        assert kept == sent[: len(kept)]
        assert [canonical(r.headers, r.value) for r in again.records] == [
            canonical(r.headers, r.value) for r in records[: len(kept)]
        ]


async def test_without_the_setting_nothing_is_said_of_traces(
    tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    hub, office = an_office(tmp_path, kafka, topic_prefix)
    await hub.register(office.center)
    await said(hub, office, None)
    records = await read_topic(hub.bootstrap, f"in.{office.center.id}")
    assert len(records) > len(ROWS)
    assert [r for r in records if TRACEPARENT in dict(r.headers)] == []
