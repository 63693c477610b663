"""What the transport relies on inside Faust, mode and aiokafka.

An upgrade that touches one of these fails here, not at a site: read what changed, see that the sentence beside it still
holds (and that the integration tests pass), then put in the new digest, which the failure prints.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.consumer import fetcher, group_coordinator, subscription_state
from aiokafka.record import default_records, memory_records
from faust.agents.agent import Agent
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport import by_url, conductor, consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.threads import QueueServiceThread, ServiceThread

from hub.worker.app import ReaderSettings, create_app
from hub.worker.lanes import Batch, Lanes, Stamp
from hub.worker.transport import Transport

RELIED_ON: list[tuple[Any, str, str]] = [
    (
        consumer.Consumer.getmany,
        "4b168d84882a",
        "calls _getmany once, then iterate, then _to_message for each; seeks if the flow has stopped",
    ),
    (
        consumer.Consumer._wait_next_records,
        "6218e1969a63",
        "waits for the flow, skips _getmany only if no partition is active",
    ),
    (
        consumer.Consumer.perform_seek,
        "0e8c130ff4b0",
        "asks seek_to_committed and remembers only the offsets that it returns",
    ),
    (
        consumer.Consumer.on_partitions_revoked,
        "d04b7ae72c6f",
        "returns after the flow was stopped and the buffers were emptied",
    ),
    (consumer.Consumer._drain_messages, "44a2500309e8", "passes on what getmany yields, in order, while offsets rise"),
    (driver.Consumer._to_message, "7c24f6511b2f", "reads nothing of a record that Batch does not have"),
    (driver.Consumer._new_consumer_thread, "0870ec53dea7", "is where the thread's class is chosen"),
    (
        driver.AIOKafkaConsumerThread._create_worker_consumer,
        "c2701bfc3e6f",
        "round robin without standbys; no auto-commit",
    ),
    (driver.AIOKafkaConsumerThread._fetch_records, "39a2c6c79fc1", "awaits nothing after fetched_records has returned"),
    (
        driver.ConsumerRebalanceListener.on_partitions_revoked,
        "348c3aec879f",
        "waits for Consumer.on_partitions_revoked",
    ),
    (
        conductor.Conductor._update_indices,
        "619b3247b96a",
        "returns the topics of all channels, and keeps the callbacks in use",
    ),
    (conductor.Conductor._update_tp_index, "e8e3ac9025ef", "gives a partition to every channel that names its topic"),
    (faust.App._on_partitions_revoked, "d5c895bbe57d", "stops the flow and clears the queues before it returns"),
    (faust.App._on_rebalance_when_stopped, "1b172d9af8ff", "calls Consumer.close when a rebalance meets a stop"),
    (driver.AIOKafkaConsumerThread.close, "d22efc59a1df", "closes the client from the app's loop: ours does not"),
    (driver.AIOKafkaConsumerThread.on_thread_stop, "8dfc004e258b", "stops the consumer in the thread's loop"),
    (faust.App._on_partitions_assigned, "de932b7927db", "ends in tables.on_rebalance, which wakes the recovery"),
    (Recovery._resume_streams, "d986a6710c1a", "resumes partitions, then seeks by perform_seek, then lets the flow go"),
    (
        Recovery._restart_recovery,
        "6bd8a8558a2d",
        "without tables only resumes the streams; starts over on IllegalStateError",
    ),
    (TableManager.on_start, "365dd25fbc0e", "differs from ours by its sleep alone"),
    (Agent._execute_actor, "c750b828d2bd", "would start an agent again that raises: ours never does"),
    (Service.crash, "14980000465d", "marks the parents too, so that app.wait_until_stopped returns"),
    (ServiceThread.start, "f11841038a03", "raises in the parent what the thread raised at its start"),
    (QueueServiceThread.call_thread, "479edda75b54", "runs the coroutine in the thread's loop, with two workers"),
    (AIOKafkaConsumer.start, "2f1ba7044332", "gives _fetch_max_wait_ms to the fetcher"),
    (AIOKafkaConsumer.stop, "bc5da9c98595", "closes the coordinator, the fetcher and the client, in this order"),
    (AIOKafkaConsumer.seek, "a9430f1f3b9a", "moves the position and drops what was fetched, without awaiting"),
    (fetcher.Fetcher.seek_to, "f0ba6aba6c22", "drops what was fetched and wakes the fetcher"),
    (
        fetcher.Fetcher.fetched_records,
        "be4348896b9b",
        "takes an empty set for all partitions; awaits nothing after taking records",
    ),
    (
        fetcher.Fetcher._proc_fetch_request,
        "59bf948fff47",
        "throws away an answer to an old position; out of range resets to earliest",
    ),
    (
        fetcher.PartitionRecords._unpack_records,
        "b803e6d46480",
        "checks sums, skips offsets that it has passed, goes on behind each batch",
    ),
    (memory_records._MemoryRecordsPy.next_batch, "f1779ecb6d0d", "hands on the batch in _next_slice"),
    (
        default_records._DefaultRecordBatchPy.__next__,
        "d05784bae3cb",
        "calls _read_msg for each record, from _buffer at _pos",
    ),
    (
        default_records._DefaultRecordBatchPy._maybe_uncompress,
        "c9d0dc2bed50",
        "leaves the records in _buffer, beginning at _pos",
    ),
    (
        subscription_state.Assignment.state_value,
        "183fea82ef48",
        "has a partition's position, which control batches move too",
    ),
    (
        group_coordinator.GroupCoordinator._on_join_prepare,
        "4d9524afc0ee",
        "is eager: revokes every partition; logs what a listener raises and goes on",
    ),
]


class NoIntakes:
    """Intakes that are never asked anything."""

    def attach(self, reader: Lanes) -> None:
        self.reader = reader

    async def assign(self, centers: Sequence[str]) -> dict[str, int | None]:
        raise NotImplementedError

    async def revoke(self, centers: Sequence[str]) -> None:
        raise NotImplementedError

    async def handle(self, center: str, records: Sequence[ConsumerRecord]) -> None:
        raise NotImplementedError


def plain(function: Any) -> Any:
    return inspect.unwrap(getattr(function, "fun", function))  # mode hides a service's task in an object


def digest(function: Any) -> str:
    return hashlib.sha256(inspect.getsource(plain(function)).encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("function", "pinned", "promise"), RELIED_ON, ids=[plain(function).__qualname__ for function, _, _ in RELIED_ON]
)
def test_relied_on_function_is_as_it_was_read(function: Any, pinned: str, promise: str) -> None:
    """The source that was read when the transport was written is the source that runs."""
    assert digest(function) == pinned, f"{plain(function).__qualname__} changed; does it still hold that it {promise}?"


def test_entry_point_names_the_transport() -> None:
    """`hub://` is found by Faust in any installation of cohub."""
    assert by_url("hub://localhost:9092") is Transport


async def test_batch_passes_through_the_driver_and_the_raw_codec_unchanged() -> None:
    """The object that `iterate` yields is the value of the event that the agent sees."""
    app = create_app(ReaderSettings(bootstrap="localhost:9092"), NoIntakes(), ["uz"])
    batch = Batch("in.uz", [], Stamp(1, 1), 17)
    reader = SimpleNamespace(app=SimpleNamespace(consumer_generation_id=3))
    message = driver.Consumer._to_message(reader, TP("in.uz", 0), batch)
    topic = app.topic("in.uz", key_serializer="raw", value_serializer="raw", acks=False)
    event = await topic.decode(message)
    assert event.value is batch
    assert (message.offset, message.generation_id) == (17, 3)


async def test_app_settings_keep_faust_out_of_kafka() -> None:
    """No leader topic, no tables, no standbys, no acknowledgements, no web server."""
    app = create_app(ReaderSettings(bootstrap="a:1,b:2"), NoIntakes(), ["uz", "kz"])
    conf = app.conf
    assert [str(url) for url in conf.broker] == ["hub://a:1", "hub://b:2"]
    assert conf.topic_disable_leader
    assert not conf.topic_allow_declare
    assert not conf.web_enabled
    assert conf.table_standby_replicas == 0
    assert conf.broker_max_poll_records == 2000
    (agent,) = app.agents.values()
    assert agent.concurrency == 1
    assert sorted(agent.channel.topics) == ["in.kz", "in.uz"]
    assert agent.channel.acks is False
