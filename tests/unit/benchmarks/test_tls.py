"""What TLS costs is measured of the same work by both ways: every record is sent, and judged as it is to be."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from benchmarks.contender import log_to_stderr
from benchmarks.lanes import BenchLane
from benchmarks.required import require_taken
from benchmarks.throughput import make_hub
from benchmarks.tls import LARGE_SEALED_BY, SIZES, LargeLane, batched, tls
from connectors.runtime.link import KAFKA_BATCH_BYTES_MAX
from hub.broker.embedded import EmbeddedKafka
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters
from hub.hq.identity import load_identity
from hub.ledger.reading import Reading
from hub.protocol.plain_record import PlainRecord
from hub.protocol.record import SEAL_HEADER
from hub.store.consolidate import Driver, Instant
from hub.store.released import released_schemas
from hub.store.sqlite import SqliteStore


def size_of(key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> int:
    return len(key) + len(value) + sum(len(name) + len(content) for name, content in headers)


@pytest.mark.parametrize("size", SIZES)
def test_batches_are_what_a_connector_sends(size: str) -> None:
    """All records of the lane, each batch sealed in its last record, and none too large for Kafka."""
    lane, sealed_by, _ = SIZES[size]
    batches = list(batched(lane("uz", sealed_by), 600))
    assert sum(map(len, batches)) == 601  # and the opening
    assert {len(batch) for batch in batches[:-1]} == {sealed_by}
    for batch in batches:
        seals = [name for _, _, headers in batch for name, _ in headers if name == SEAL_HEADER]
        assert seals == [SEAL_HEADER]
        assert batch[-1][2][-1][0] == SEAL_HEADER
        assert sum(size_of(*row) for row in batch) < KAFKA_BATCH_BYTES_MAX


async def test_large_records_are_large_and_accepted(tmp_path: Path) -> None:
    """They have as much text as an offer may have, and a worker does the whole of its work for them."""
    lane = LargeLane("uz", LARGE_SEALED_BY)
    await make_hub(tmp_path, [lane])
    rows = list(lane.records(99, 25))
    assert 8_500 < sum(size_of(*row) for row in rows[1:]) / 99 < 9_500
    assert 650 < sum(size_of(*row) for row in list(BenchLane("uz").records(99, 25))[1:]) / 99 < 750
    identity = load_identity(HubFolder(tmp_path).keys)
    store = SqliteStore.open(HubFolder(tmp_path).database)
    try:
        basis = await Headquarters(store, identity, released_schemas()).basis()
        claimed = (await store.claim(["uz"], "test"))["uz"]
        written = [PlainRecord(key, value, [*headers], n) for n, (key, value, headers) in enumerate(rows)]
        at = Instant(datetime.now(UTC), 0.0)
        await Driver(store, store, identity).consolidate(Reading.of(claimed.intake), claimed.term, written, basis, at)
    finally:
        await store.close()
    require_taken(HubFolder(tmp_path).database, [lane])


def test_what_a_contender_logs_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning of a worker that ends would else be read in place of its figures."""
    before = structlog.get_config()
    try:
        log_to_stderr()
        structlog.get_logger().warning("access_waits")
    finally:
        structlog.configure(**before)
    said = capsys.readouterr()
    assert said.out == ""
    assert "access_waits" in said.err


@pytest.mark.long
@pytest.mark.integration
def test_stage_tells_both_clients_by_both_ways(tmp_path: Path) -> None:
    """It runs on two real brokers, one of them locked; how fast is nobody's promise."""

    async def run() -> dict[str, object]:
        async with EmbeddedKafka(tmp_path / "plain", plain=True) as plain:
            return await tls(plain, lanes=2, events=1200, rounds=1)

    found = asyncio.run(run())
    assert found.keys() == {"tls_vs_plain", "tls_us"}
    for side in ("producer", "worker"):
        for size in SIZES:
            assert found["tls_us"][side][size].keys() == {"plain", "tls"}  # type: ignore[index]
            assert found["tls_vs_plain"][side][size] > 0  # type: ignore[index]
