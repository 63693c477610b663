"""A process that can't end is ended, with its stacks; one that can, is let alone. With real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.base.ending import EXIT_BY_FORCE, TICKS, Ending, telling

START = """
import asyncio, os, re, signal, sys, threading, time
from hub.base.ending import Ending, telling
from hub.cli.logs import log_to_stderr
log_to_stderr()
ending = Ending(0.6, last_words=lambda why: open(sys.argv[1], "w").write(why))
"""

PROGRAMS = {
    "a task that swallows its cancellation": (
        """
async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def failing():
    raise ValueError("a part failed")

async def main():
    ending.watch_loop()
    async with asyncio.TaskGroup() as group:
        group.create_task(stubborn(), name="stubborn-task")
        group.create_task(telling(failing(), ending.begin))
asyncio.run(main())
""",
        "and was to: ValueError: a part failed",
        "stubborn-task",
    ),
    "a task that swallows it while asyncio.run cleans up": (
        """
async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def main():
    ending.watch_loop()
    asyncio.create_task(stubborn(), name="stubborn-task")
    await asyncio.sleep(0)
    ending.begin("asked to stop")
asyncio.run(main())
""",
        "and was to: asked to stop",
        "stubborn-task",
    ),
    "a thread of the executor that computes on": (
        """
def compute_for_ever():
    while True:
        sum(range(1000))

async def main():
    asyncio.get_running_loop().run_in_executor(None, compute_for_ever)
    await asyncio.sleep(0.05)
    ending.begin("asked to stop")
asyncio.run(main())
""",
        "and was to: asked to stop",
        "compute_for_ever",
    ),
    "a thread that is no daemon": (
        """
threading.Thread(target=lambda: time.sleep(600), name="sleeper").start()
ending.begin("its work is done")
""",
        "and was to: its work is done",
        "",
    ),
    "an event loop that is blocked": (
        """
def block():
    while True:
        sum(range(1000))

async def main():
    ending.watch_loop()
    await asyncio.sleep(0.1)
    block()
asyncio.run(main())
""",
        "its event loop has stood still",
        "in block",
    ),
    "an event loop that waits in a system call": (
        """
async def main():
    ending.watch_loop()
    await asyncio.sleep(0.1)
    time.sleep(600)
asyncio.run(main())
""",
        "its event loop has stood still",
        "in main",
    ),
    "the lock of the log is held": (
        """
import logging
held = logging.StreamHandler()
held.acquire()
logging.getLogger().addHandler(held)
ending._last_words = lambda why: (open(sys.argv[1], "w").write(why), logging.error("never said"))
threading.Thread(target=lambda: time.sleep(600)).start()
ending.begin("its work is done")
""",
        "and was to: its work is done",
        "",
    ),
}


def run(program: str, said: Path, timeout_s: float = 30.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START + program, str(said)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_process_that_cannot_end_is_ended_with_its_reason_and_its_stacks(name: str, tmp_path: Path) -> None:
    """One line of the log has all of it; the last words are left as well."""
    program, reason, place = PROGRAMS[name]
    began = time.monotonic()
    done = run(program, tmp_path / "said")
    assert done.returncode == EXIT_BY_FORCE, done.stderr
    assert time.monotonic() - began < 15
    assert reason in (tmp_path / "said").read_text()
    (line,) = [line for line in done.stderr.splitlines() if "process_ended_by_force" in line]
    told = json.loads(line)
    assert reason in told["reason"]
    assert "most recent call first" in told["stacks"]
    assert place in told["stacks"] or place in told["tasks"]


def test_compiled_code_that_keeps_the_interpreters_lock_is_ended_too(tmp_path: Path) -> None:
    """No thread of Python's can do that: it is faulthandler's own."""
    program = """
import hub.base.ending as module
module.GRACE_S = module.LAST_WORDS_S = 0.2
ending.begin("asked to stop")
re.match(r"(a|aa)+$", "a" * 60 + "b")
"""
    done = run(program, tmp_path / "said")
    assert done.returncode == 1
    assert "most recent call first" in done.stderr


def test_process_that_ends_is_let_alone(tmp_path: Path) -> None:
    """Its status is its own, and nothing is said."""
    done = run("ending.begin('asked')\nsys.exit(3)", tmp_path / "said")
    assert (done.returncode, done.stderr, (tmp_path / "said").exists()) == (3, "", False)


@pytest.mark.skipif(sys.platform == "win32", reason="nobody freezes a process there")
def test_process_that_was_frozen_is_not_taken_for_one_that_hangs(tmp_path: Path) -> None:
    """Only seconds that the watching thread lived through count."""
    program = """
async def main():
    ending.watch_loop()
    print("watched", flush=True)
    await asyncio.sleep(2.5)
    print("woke", flush=True)
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", START + program, str(tmp_path / "said")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "watched\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(2)
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout.readline() == "woke\n"
        assert process.wait(20) == 0


class Ended(list[int]):
    """What the process would have ended with."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def __call__(self, status: int) -> None:
        self.append(status)
        self.told.set()


async def test_loop_that_turns_and_an_end_that_was_taken_back_end_nothing() -> None:
    """A worker that starts again by itself has not to end any more."""
    ended = Ended()
    ending = Ending(0.3, exit_by=ended)
    ending.watch_loop()
    ending.watch_loop()
    ending.begin("the broker is away")
    ending.cancel()
    await asyncio.sleep(0.8)
    ending.unwatch_loop()
    await asyncio.to_thread(ended.told.wait, 0.8)
    ending.close()
    assert ended == []


def test_first_reason_counts_and_failing_last_words_change_nothing() -> None:
    """The second is most often a consequence."""
    ended = Ended()

    def fails(_why: str) -> None:
        raise OSError("the disk is full")

    ending = Ending(TICKS * 0.005, last_words=fails, exit_by=ended)
    with capture_logs() as logs:
        ending.begin("the first")
        ending.begin("the second")
        assert ended.told.wait(20)
    ending.close()
    assert ended == [EXIT_BY_FORCE]
    assert [entry["reason"].endswith("was to: the first") for entry in logs] == [True]


async def test_failure_is_told_before_it_is_raised_and_a_cancellation_is_none() -> None:
    """A task that was cancelled does as it was told."""
    told: list[str] = []

    async def fails() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await telling(fails(), told.append)
    waiting = asyncio.create_task(telling(asyncio.sleep(60), told.append))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert told == ["ValueError: broken"]
