"""The Faust app of a worker: its settings, and its one agent.

The app has one agent, which hands what each fetch brings to the Intakes; everything that decides lives behind those.
How a process runs it is in `hub.worker.supervision`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import faust
from faust.tables.manager import TableManager
from pydantic import Field, InstanceOf

from hub.base.total import read_totally
from hub.hq.settings import GroupOptions
from hub.kafka.cluster import Cluster
from hub.protocol.topics import topic_in
from hub.worker.faust_log import faust_log, quiet_logs
from hub.worker.lanes import Intakes, Lanes
from hub.worker.transport import FetchScheduler
from hub.worker.turns import FETCH_RECORDS_MAX

BUFFERED_FETCHES_MAX = 4096  # never reached: the transport stops fetching at 4000 records ahead; this counts fetches
METADATA_AGE_MAX_MS = 5_000  # a topic that was made after its center was added is seen within this time


class ReaderSettings(GroupOptions):
    """How a worker reads Kafka."""

    cluster: InstanceOf[Cluster] = Field(description="where the brokers are, and how they let us in")
    group: str = Field(default="hub-workers", description="consumer group that the workers share")


class _Tables(TableManager):
    """Faust waits a second at its start so that tables can register; there are none."""

    logger = faust_log

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class _Boot(faust.App.BootStrategy):
    """Starts no producer: the agent sends nothing, and the publisher has its own."""

    enable_kafka_producer = False


class App(faust.App):
    """A Faust app that knows the lanes it reads."""

    logger = faust_log
    BootStrategy = _Boot
    lanes: Lanes
    cluster: Cluster

    async def on_first_start(self) -> None:
        """Make no directories: they are for tables."""

    async def add_centers(self, centers: Iterable[str]) -> None:
        """Read the lanes of these centers too, within seconds. To be called in every worker.

        Centers that are read already are left alone. A topic that does not exist yet is read soon after it does.
        """
        known = {topic for channel in self.topics for topic in channel.topics}
        added = [topic for topic in map(topic_in, centers) if topic not in known]
        if added:
            await self.topics.add_topics(added)


def create_app(settings: ReaderSettings, intakes: Intakes, centers: Iterable[str]) -> App:
    """Return the app that reads `in.<center>` for the Intakes. Call it inside the loop that will run it."""
    quiet_logs()
    read_totally()
    app = App(
        settings.group,
        **settings.cluster.faust_options(),
        autodiscover=False,
        store="memory://",
        web_enabled=False,
        # reading
        ConsumerScheduler=FetchScheduler,
        TableManager=_Tables,
        broker_max_poll_records=FETCH_RECORDS_MAX,
        stream_buffer_maxsize=BUFFERED_FETCHES_MAX,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=METADATA_AGE_MAX_MS,
        # the group: one standby would give every one-partition topic to one worker
        table_standby_replicas=0,
        consumer_group_instance_id=settings.instance,
        broker_session_timeout=settings.session_s,
        broker_heartbeat_interval=settings.session_s / 6,
        broker_rebalance_timeout=settings.session_s * 2,
        broker_request_timeout=max(30.0, settings.session_s),
        # nothing of Faust's own in Kafka
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=1,
        stream_wait_empty=False,
    )
    app.lanes = Lanes(intakes)
    app.cluster = settings.cluster
    topic = app.topic(
        *map(topic_in, sorted(set(centers))), key_serializer="raw", value_serializer="raw", value_type=None, acks=False
    )

    @app.agent(topic, name="consolidator", concurrency=1)
    async def consolidator(stream: Any) -> None:
        try:
            async for event in stream.events():
                await app.lanes.take(event.value)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # noqa: BLE001 - whatever it is, the process must not go on without it
            # Faust would acknowledge the message, start the agent again and go on. It gets no chance: this task
            # lives on and does nothing until the app is stopped.
            app.lanes.fail(exc)
            await asyncio.Event().wait()

    return app
