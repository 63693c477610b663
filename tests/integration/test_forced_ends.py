"""A worker and a connector that can't end by themselves are ended, and say where they hung. With real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from connectors.runtime.life import look
from hub.base.ending import EXIT_BY_FORCE
from hub.broker.embedded import EmbeddedKafka
from tests.support.center import Center
from tests.support.network import Office, Program
from tests.support.sheet import Row
from tests.support.worker import Hub

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="a process is asked to stop by a signal"),
]

END_S: Final = 2

# What is put into the process before its own command runs: one part of it hangs in its own way.
SWALLOWS: Final = """
import asyncio
from {module} import {name} as part
async def {method}(self, *_args, **_more):
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass
part.{method} = {method}
"""
BLOCKS: Final = """
import asyncio, time
from {module} import {name} as part
async def {method}(self, *_args, **_more):
    await asyncio.sleep(3)
    while True:
        sum(range(1000))
part.{method} = {method}
"""
COMPUTES: Final = """
import asyncio
from {module} import {name} as part
def compute_for_ever():
    while True:
        sum(range(1000))
async def {method}(self, *_args, **_more):
    asyncio.get_running_loop().run_in_executor(None, compute_for_ever)
    await asyncio.sleep(600)
part.{method} = {method}
"""
WORKER: Final = {"module": "hub.worker.trust", "name": "TrustPublisher", "method": "run"}
OFFICE: Final = {"module": "connectors.runtime.trust", "name": "TrustReader", "method": "run"}


@pytest.fixture
async def hub(tmp_path: Path, kafka: EmbeddedKafka) -> Hub:
    (tmp_path / "hub").mkdir()
    made = Hub.make(tmp_path / "hub", kafka.bootstrap)
    (made.data_dir / "hub.yaml").write_text(f"worker: {{end_s: {END_S}}}\n")
    return made


@pytest.fixture
async def office(hub: Hub, tmp_path: Path, topic_prefix: str) -> Office:
    made = Office(Center(topic_prefix), tmp_path / "office")
    await hub.register(made.center)
    made.set_up(hub, end_s=END_S)
    made.sheet.put("A", Row(title="Title"))
    made.sheet.save()
    return made


@pytest.fixture
async def programs() -> AsyncIterator[list[Program]]:
    started: list[Program] = []
    yield started
    for program in started:
        program.kill()


def worker(hub: Hub, fault: str) -> Program:
    command = ["--data-dir", str(hub.data_dir), "worker", "--bootstrap", hub.bootstrap]
    program = f"{fault}\nfrom hub.cli.main import main\nmain({command!r})"
    return Program("worker", ["-c", program], hub.data_dir.parent)


def connector(office: Office, fault: str) -> Program:
    program = f"{fault}\nfrom connectors.cli.main import main\nmain({['run', '--office', str(office.folder)]!r})"
    return Program("connector", ["-c", program], office.folder.parent)


async def ended(program: Program, deadline_s: float = 40.0) -> int:
    """Return with what status it ended by itself."""
    until = time.monotonic() + deadline_s
    while program.is_running:
        assert time.monotonic() < until, "\n".join(program.said()[-20:])
        await asyncio.sleep(0.05)
    return program.ended[-1]


async def seen(program: Program, event: str, log: Path | None = None, times: int = 1, deadline_s: float = 40.0) -> None:
    until = time.monotonic() + deadline_s
    while sum(event in line for line in lines(program, log)) < times:
        assert program.is_running, "\n".join(program.said()[-20:])
        assert time.monotonic() < until
        await asyncio.sleep(0.05)


def lines(program: Program, log: Path | None) -> list[str]:
    if log is None:
        return program.said()
    return log.read_text("utf-8").splitlines() if log.exists() else []


def told(found: list[str]) -> dict[str, str]:
    found = [line for line in found if line.startswith("{")]  # others are of Python's own
    (said,) = [said for said in map(json.loads, found) if said.get("event") == "process_ended_by_force"]
    return dict(said)


hanging = pytest.mark.parametrize(
    ("fault", "is_asked", "reason", "place"),
    [
        pytest.param(
            SWALLOWS,
            True,
            "it was asked to stop",
            "trust",
            id="a task that swallows its cancellation",
            marks=pytest.mark.long,  # in CI where a part fails meanwhile, below
        ),
        pytest.param(BLOCKS, False, "its event loop has stood still", "in run", id="a blocked loop"),
        pytest.param(
            COMPUTES,
            True,
            "it was asked to stop",
            "compute_for_ever",
            id="a thread that computes on",
            marks=pytest.mark.long,
        ),
    ],
)


@hanging
async def test_worker_that_cannot_end_is_ended(
    hub: Hub, programs: list[Program], fault: str, is_asked: bool, reason: str, place: str
) -> None:
    """Its supervisor starts it again; the last line of its log says where it hung."""
    program = worker(hub, fault.format_map(WORKER))
    programs.append(program)
    program.start()
    await seen(program, "worker_started")
    if is_asked:
        await asyncio.sleep(1)
        os.kill(program.pid, signal.SIGTERM)
    assert await ended(program) == EXIT_BY_FORCE
    said = told(program.said())
    assert reason in said["reason"]
    assert place in said["stacks"] or place in said["tasks"]


@hanging
@pytest.mark.long
async def test_connector_that_cannot_end_is_ended_and_the_office_is_told(
    office: Office, programs: list[Program], fault: str, is_asked: bool, reason: str, place: str
) -> None:
    """Log, sheets, status and check say that it hung; the next start works."""
    log = office.folder / "cohub" / "connector.log"
    program = connector(office, fault.format_map(OFFICE))
    programs.append(program)
    program.start()
    await seen(program, "connector_started", log)
    if is_asked:
        await asyncio.sleep(1)
        os.kill(program.pid, signal.SIGTERM)
    assert await ended(program) == EXIT_BY_FORCE
    said = told(lines(program, log))
    assert reason in said["reason"]
    assert place in said["stacks"] or place in said["tasks"]
    vital = look(office.folder, office.outbox)
    assert vital.standing == "ended"
    assert vital.life is not None
    assert vital.life.ended is not None
    assert (vital.life.ended.code, "hung for 2 s" in vital.life.ended.why.text()) == ("ended_by_force", True)
    again = connector(office, "")
    programs.append(again)
    again.start()
    await seen(again, "connector_started", log, times=2)
    assert await again.stop() == 0
    assert look(office.folder, office.outbox).standing == "stopped"


@pytest.mark.long
async def test_worker_whose_part_fails_while_another_swallows_its_end_is_ended(
    hub: Hub, programs: list[Program]
) -> None:
    """Nobody has asked it to stop: the failed part begins the end, and is its reason."""
    failing = """
from hub.worker.watchdog import Watchdog
async def fails(self):
    await asyncio.sleep(1)
    raise RuntimeError("a fault of ours")
Watchdog.run = fails
"""
    program = worker(hub, SWALLOWS.format_map(WORKER) + failing)
    programs.append(program)
    program.start()
    assert await ended(program, 60) == EXIT_BY_FORCE
    assert "RuntimeError: a fault of ours" in told(program.said())["reason"]
