"""A center that is added while two workers of one group run: one of them reads its lane within seconds."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import pytest

from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.hq.settings import WorkerOptions
from hub.protocol.control import enrolment
from hub.protocol.receipt import Receipt
from hub.store.postgres_open import bring_up_to_date
from hub.worker import app, service, transport
from tests.support.center import Center
from tests.support.network import Network
from tests.support.postgres import PostgresServer
from tests.support.worker import answers, produce

WITHIN_S: Final = 10.0  # what is promised
BUSY_S: Final = 30.0  # what a machine may take that does much else


def added(network: Network, center: Center, note: Path) -> int:
    """Register a center as an operator does; return the command's status."""
    note.write_bytes(enrolment(center.hub, center.id, "seal", center.signer))
    words = ["center", "add", center.id, "--name", center.id, "--country", "KG", "--direction", "west"]
    words += ["--stream", "offer", "--enrolment", str(note)]
    return run_command(words, Settings(network.hub.data_dir))


async def settled(network: Network, workers: int) -> None:
    """Return once so many workers have lanes to read, whatever was dealt before."""

    def owners() -> int:
        return int(network.ask("SELECT count(DISTINCT owner) FROM intake WHERE center <> 'hq'"))

    await network.until(lambda: owners() == workers, 90)


@pytest.mark.long
@pytest.mark.fault
@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_center_that_is_added_is_read_within_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the worker that has its lane then; from the command's end to the receipt of the office's first event."""
    server = PostgresServer()
    try:
        server.start()
        await server.ask("postgres", "CREATE DATABASE hub")
        await asyncio.to_thread(bring_up_to_date, server.server("hub"))
        network = await Network.set_up(tmp_path, ("uz", "kz"), server=server.server("hub"))
        try:
            network.another_worker()
            workers = [network.worker, *network.more]
            for program in workers:
                program.start()
            await settled(network, len(workers))

            for center in (Center("kg"), Center("by")):
                assert await asyncio.to_thread(added, network, center, tmp_path / f"{center.id}.note") == 0
                began_s = time.monotonic()
                await produce(network.hub.bootstrap, f"in.{center.id}", center.opened(1))
                found: list[Receipt] = []
                while not found:
                    assert time.monotonic() - began_s < BUSY_S, network.last_words()
                    said = await answers(network.hub, center.id)
                    found = [receipt for receipt in said if isinstance(receipt, Receipt)]
                took_s = time.monotonic() - began_s
                with capsys.disabled():
                    print(f"{center.id} was answered {took_s:.1f} s after it was added")  # noqa: T201
                assert [(receipt.first, receipt.last, receipt.decisions) for receipt in found] == [(1, 2, ())]
            assert all(program.is_running for program in workers)
            assert [program.ended for program in workers] == [[], []]
        finally:
            network.kill()
    finally:
        server.remove()


def test_what_a_worker_waits_for_is_within_what_is_promised() -> None:
    """The clocks whose sum bounds it, whatever the machine; what work there is takes the rest.

    A worker looks into the hq lane and makes the topic; whoever deals the lanes may have asked the broker for topics
    just before; the others hear of the new deal by their next heartbeat; a fetch of idle lanes is under way.
    """
    heartbeat_s = WorkerOptions().session_s / 6
    waits_s = service.LOOK_EVERY_S + app.METADATA_AGE_MAX_MS / 1000 + heartbeat_s + transport.FETCH_WAIT_MAX_MS / 1000
    assert waits_s < 0.8 * WITHIN_S
