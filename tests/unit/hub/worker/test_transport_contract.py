"""What the transport relies on inside Faust and mode, tried on them, without a broker.

An upgrade that changes one of these is told here by name, not at a site. What needs a broker to be seen is tried in
tests/integration/worker/test_transport_kafka.py; what is relied on inside aiokafka, in test_aiokafka_contract.py.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from faust.tables.manager import TableManager
from faust.transport import by_url
from mode import Service
from packaging.requirements import Requirement

from hub.kafka.cluster import Cluster
from hub.worker.app import ReaderSettings, create_app
from hub.worker.transport import Transport
from tests.support.fed import KZ, UZ, Fed, Journal, app_of, fetched, numbers

PYPROJECT = Path(__file__).parents[4] / "pyproject.toml"


# -- the versions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "extra"), [("aiokafka", None), ("faust-streaming", "hq")])
def test_version_is_one_that_this_was_written_for(name: str, extra: str | None) -> None:
    """Both are held below their next minor version, whose inner workings nobody has read yet."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    listed = project["optional-dependencies"][extra] if extra else project["dependencies"]
    (wanted,) = (found for found in map(Requirement, listed) if found.name == name)
    assert any(part.operator == "<" for part in wanted.specifier)
    assert wanted.specifier.contains(version(name))


# -- the way of what was fetched ---------------------------------------------------------------------------------------


def test_entry_point_names_the_transport() -> None:
    """`hub://` is found by Faust in any installation of cohub."""
    assert by_url("hub://localhost:9092") is Transport


async def test_fetch_passes_through_the_driver_and_the_raw_codec_unchanged(fed: Callable[..., Fed]) -> None:
    """The driver reads nothing of a record that ours does not have; the agent sees the value itself."""
    app = app_of("uz")
    consumer = fed(app)
    record = fetched(17)
    message = consumer._to_message(UZ, record)
    topic = app.topic("in.uz", key_serializer="raw", value_serializer="raw", acks=False)
    event = await topic.decode(message)
    assert event.value is record.value
    assert (message.offset, message.generation_id) == (17, app.consumer_generation_id)


async def test_getmany_asks_once_and_yields_one_message_for_each_fetch(fed: Callable[..., Fed]) -> None:
    """Faust's cost per message is paid once a fetch, in the order in which the scheduler gives them."""
    consumer = fed(app_of("uz", "kz"))
    consumer.answers = [{KZ: fetched(4, "kz"), UZ: fetched(5)}]
    assert await numbers(consumer) == [4, 5]
    assert consumer.asked == [{UZ, KZ}]


async def test_getmany_whose_flow_stopped_meanwhile_yields_nothing_and_seeks(fed: Callable[..., Fed]) -> None:
    """A rebalance that comes while records are fetched: nothing of them is handled, and positions are asked for."""
    consumer = fed(app_of("uz"))
    consumer.answers = [{UZ: fetched(1)}]
    consumer.meanwhile = consumer.stop_flow
    assert (await numbers(consumer), consumer.sought) == ([], 1)


async def test_getmany_waits_for_the_flow(fed: Callable[..., Fed]) -> None:
    """While a rebalance lasts nothing is fetched."""
    consumer = fed(app_of("uz"))
    consumer.stop_flow()
    consumer.answers = [{UZ: fetched(1)}]
    waiting = asyncio.create_task(numbers(consumer))
    for _ in range(10):
        await asyncio.sleep(0)
    assert (waiting.done(), consumer.asked) == (False, [])
    consumer.resume_flow()
    assert await asyncio.wait_for(waiting, 5) == [1]


async def test_getmany_fetches_nothing_while_no_lane_is_active(fed: Callable[..., Fed]) -> None:
    """And only then: a fetch of no lanes would be one of all lanes."""
    consumer = fed(app_of("uz"))
    consumer._active_partitions = set()
    asking = asyncio.create_task(numbers(consumer))
    for _ in range(10):
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert consumer.asked == []


async def test_messages_are_passed_on_in_order_while_their_numbers_rise(fed: Callable[..., Fed]) -> None:
    """Our numbers always rise, so that Faust's filter of duplicates drops none of ours, and gaps don't matter."""
    app, seen = app_of("uz"), list[int]()

    async def pass_on(message: Any) -> None:
        seen.append(message.offset)
        if message.offset == 9:
            consumer._stopped.set()

    consumer = fed(app, pass_on)
    consumer.answers = [{UZ: fetched(1)}, {UZ: fetched(5)}, {UZ: fetched(4)}, {UZ: fetched(9)}]
    await asyncio.wait_for(consumer._drain_messages(app._fetcher), 10)
    assert seen == [1, 5, 9]


async def test_seek_remembers_no_offset_that_it_is_not_told(fed: Callable[..., Fed]) -> None:
    """Our `seek_to_committed` returns none: nothing of Kafka's offsets can come back into play."""
    consumer = fed(app_of("uz"))
    await consumer.perform_seek()
    assert (dict(consumer._read_offset), dict(consumer._committed_offset)) == ({}, {})


# -- starting and failing ----------------------------------------------------------------------------------------------


async def test_tables_are_started_as_faust_does_without_its_second_of_waiting(fed: Callable[..., Fed]) -> None:
    """What Faust's own start does besides sleeping is all that ours does."""
    app, other = app_of("uz"), app_of("uz")
    fed(app), fed(other)
    ours = app.tables
    async with asyncio.timeout(0.5):
        await ours.on_start()

    class Theirs(TableManager):
        async def sleep(self, n: Any, *, loop: Any = None) -> None:
            """Waited for nobody."""

    theirs = Theirs(other)
    await theirs.on_start()
    assert (
        (ours.recovery.started, dict(ours._channels)) == (theirs.recovery.started, dict(theirs._channels)) == (True, {})
    )
    for tables in (ours, theirs):
        await tables.recovery.stop()


async def test_crash_of_a_part_is_seen_at_the_app(fed: Callable[..., Fed]) -> None:
    """A part that fails ends the wait for the app's end, and its reason is there."""
    app = app_of("uz")
    reason = ValueError("a part failed")
    part = Service(beacon=fed(app).beacon, loop=asyncio.get_running_loop())
    waiting = asyncio.create_task(app.wait_until_stopped())
    await asyncio.sleep(0)
    await part.crash(reason)
    assert app.crash_reason is reason
    await asyncio.wait_for(waiting, 5)


async def test_app_settings_keep_faust_out_of_kafka() -> None:
    """No leader topic, no tables, no standbys, no acknowledgements, no web server."""
    app = create_app(ReaderSettings(cluster=Cluster.at("a:1,b:2")), Journal(), ["uz", "kz"])
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
