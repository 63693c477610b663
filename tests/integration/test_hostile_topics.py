"""Strangers' batches on every topic that a hub and its offices read, with real processes at both ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from hub.protocol.topics import CHECKPOINTS, LANE, TRUST
from tests.support.hostile import hostile, write_all
from tests.support.network import Network, Program
from tests.support.sheet import Row

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="what a process takes of memory is read from /proc"),
]

GROWTH_BYTES_MAX: Final = 200 << 20
TAKEN: Final = {  # by any Kafka that we have met; others are refused by some
    "a header's name that is no UTF-8",
    "a key of 5,000 digits",
    "zstd",
    "garbage behind the gzip",
    "a megabyte that is a gigabyte",
    "14,000 records of 64 KiB",
    "10 million headers",
    "500,000 headers",
    "100,000 records of nothing",
    "16,000 records of nothing",
}


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    made = await Network.set_up(tmp_path, ("uz", "kz"))
    try:
        made.start()
        yield made
    finally:
        made.kill()


def peak_bytes(program: Program) -> int:
    """Return the most memory that a running process ever had."""
    status = Path(f"/proc/{program.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


@pytest.mark.long
async def test_no_batch_of_a_stranger_ends_anybody_or_fills_his_memory(network: Network) -> None:
    """Each process lives through all of them, stays within 200 MB more, and reads what comes behind."""
    for office in network.offices:
        for number in range(5):
            office.sheet.put(f"A{number}", Row(title=f"Title {number}"))
        office.sheet.save()
    await network.settle()
    watched = [network.worker, *(office.connector for office in network.offices)]
    before = {program.name: (program.pid, peak_bytes(program)) for program in watched}

    uz = network.offices[0]
    batches = hostile(b"hq:uz")
    for topic in ("in.uz", "out.uz", TRUST, CHECKPOINTS, LANE, "state.lane"):
        taken = await write_all(network.hub.bootstrap, topic, batches)
        assert taken >= TAKEN, (topic, TAKEN - taken)

    for office in network.offices:
        for number in range(5):
            office.sheet.put(f"B{number}", Row(title=f"Title {number}"))
        office.sheet.save()
        office.mark("SECOND")
    await network.until(lambda: all(office.is_settled() for office in network.offices), 120)
    await network.until(network.is_cosigned, 60)
    await asyncio.sleep(1)
    assert [program.ended for program in watched] == [[], [], []], network.last_words()
    after = {program.name: (program.pid, peak_bytes(program)) for program in watched}
    assert {name: pid for name, (pid, _) in after.items()} == {name: pid for name, (pid, _) in before.items()}
    grown = {name: peak - before[name][1] for name, (_, peak) in after.items()}
    assert max(grown.values()) < GROWTH_BYTES_MAX, grown

    kept = network.ask("SELECT json_group_array(detail) FROM quarantine WHERE reason = 'UNREADABLE_BATCH'")
    for why in ("zstd", "no gzip", "unpacks to more than", "headers", "has 100000 records"):
        assert why in kept
    assert network.ask("SELECT max(length(data)) FROM quarantine WHERE reason = 'UNREADABLE_BATCH'") <= 4096
    said = uz.folder.joinpath("cohub", "connector.log").read_text()
    for topic in ("out.uz", TRUST, CHECKPOINTS, LANE):
        assert f'"topic": "{topic}"' in said
    assert "batches_passed_over" in said
    assert await network.stop() == {program.name: 0 for program in reversed(watched)}
