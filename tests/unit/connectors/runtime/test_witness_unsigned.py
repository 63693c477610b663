"""What stands beside HQ's notes is signed by nobody: it stops no witness, and accuses nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from connectors.runtime.outbox import Outbox
from connectors.runtime.witness_state import WitnessState
from hub.kafka.memory import MemoryBroker
from hub.protocol.witness import AFTER_HEADER, LEAVES_HEADER
from tests.support.folder import until
from tests.support.log import leaf
from tests.support.witnesses import Bench, publish, sizes


@pytest.mark.parametrize("headers", [(), ((AFTER_HEADER, b"1"), (LEAVES_HEADER, leaf(9)))])
async def test_new_witness_waits_where_a_stranger_displaced_hqs_record(
    bench: Bench, broker: MemoryBroker, headers: tuple[tuple[str, bytes], ...]
) -> None:
    """A genuine note without its leaves, or with others, in the place of HQ's: no break, and nothing older cosigned."""
    records = [bench.hq.append(leaf(n)) for n in range(4)]
    await publish(broker, records[0], replace(records[1], headers=headers), *records[2:])
    async with bench.running() as outbox:
        await until(lambda: len(bench.answers.alarms) == 1)
        assert "the leaves from 1 on are nowhere, and HQ has signed 4" in bench.answers.alarms[0]
        assert (outbox.witnessed.stopped(), sizes(bench)) == (None, [])
        assert outbox.witnessed.status()["state"] == WitnessState.MISSING
    async with bench.running() as outbox:  # what it had read in vain is read again by the next run
        await publish(broker, records[1])
        await until(lambda: sizes(bench) == [4])
        assert outbox.witnessed.status()["state"] == WitnessState.READS
        await until(lambda: bench.answers.alarms[1:] == [""])
        assert outbox.witnessed.breaks() == []
    assert bench.answers.tries < 20


async def test_witness_cosigns_on_whatever_is_copied_beside_hqs_records(bench: Bench, broker: MemoryBroker) -> None:
    """Copies of what HQ signed, without leaves or with others, hold nobody up who has read HQ's own."""
    records = [bench.hq.append(leaf(n)) for n in range(3)]
    await publish(broker, *records)
    async with bench.running() as outbox:
        await until(lambda: sizes(bench) == [3])
        junk = [replace(record, headers=((AFTER_HEADER, b"0"), (LEAVES_HEADER, b"?"))) for record in records]
        await publish(broker, *junk, bench.hq.append(leaf(3)), *junk)
        await until(lambda: sizes(bench)[-1] == 4)
        assert (outbox.witnessed.stopped(), bench.answers.alarms) == (None, [])


async def test_old_checkpoints_said_again_are_read_once_more_and_not_again(bench: Bench, broker: MemoryBroker) -> None:
    """What is not remembered any more is looked for from the topic's beginning, once; cosigning goes on meanwhile."""
    records = [bench.hq.append(leaf(n)) for n in range(5)]
    await publish(broker, *records)
    async with bench.running():
        await until(lambda: sizes(bench) == [5])
    with Outbox(bench.path) as outbox, outbox.database.transaction() as connection:
        connection.execute("DELETE FROM log_checkpoint")
    with capture_logs() as logs:
        async with bench.running() as outbox:
            await publish(broker, records[1], records[3])
            await until(lambda: any(line["event"] == "log_read_again" for line in logs))
            await publish(broker, bench.hq.append(leaf(5)), records[0])
            await until(lambda: sizes(bench)[-1] == 6)
            await publish(broker, records[2], bench.hq.append(leaf(6)))
            await until(lambda: sizes(bench)[-1] == 7)
            assert outbox.witnessed.breaks() == []
    assert [line["event"] for line in logs].count("log_read_again") == 1
