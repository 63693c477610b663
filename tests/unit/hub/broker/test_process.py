"""A child that is tied to us ends with us, however we end."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from hub.broker.process import end, exit_status, spawn

DEADLINE_S = 10.0
# Says its pid, then lives until it is ended.
CHILD = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {CHILD}"
PARENT = """
import sys, time, pathlib
from hub.broker.process import spawn
with open(sys.argv[2], "wb") as output:
    spawn([sys.executable, "-c", sys.argv[3]], pathlib.Path.cwd(), output, sys.argv[1])
time.sleep(600)
"""
MODES = ["watch"] if sys.platform != "linux" else ["bind", "watch"]


async def pid_in(file: Path) -> int:
    async with asyncio.timeout(DEADLINE_S):
        while not (text := await asyncio.to_thread(file.read_text)).endswith("\n"):
            await asyncio.sleep(0.01)
    return int(text)


async def gone(pid: int) -> bool:
    limit = time.monotonic() + DEADLINE_S
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > limit:
                return False
            await asyncio.sleep(0.01)
    return True


@pytest.mark.parametrize("mode", MODES)
async def test_child_of_a_killed_parent_is_gone(mode: str, tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.touch()
    parent = subprocess.Popen([sys.executable, "-c", PARENT, mode, str(file), CHILD])  # noqa: ASYNC220
    try:
        child = await pid_in(file)
    finally:
        parent.kill()
        parent.wait()
    assert await gone(child)


@pytest.mark.parametrize("mode", MODES)
async def test_end_ends_the_child(mode: str, tmp_path: Path) -> None:
    file = tmp_path / "out"
    with file.open("wb") as output:
        process = spawn([sys.executable, "-c", CHILD], tmp_path, output, mode)
    child = await pid_in(file)
    assert (child == process.pid) == (mode == "bind")
    await end(process, DEADLINE_S)
    await end(process, DEADLINE_S)
    assert await gone(child)


@pytest.mark.parametrize("mode", MODES)
async def test_exit_status_of_the_child_is_seen(mode: str, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as output:
        process = spawn([sys.executable, "-c", "raise SystemExit(7)"], tmp_path, output, mode)
    assert await exit_status(process, DEADLINE_S) == 7
    await end(process, DEADLINE_S)


async def test_child_that_ignores_the_signal_is_killed_at_the_deadline(tmp_path: Path) -> None:
    file = tmp_path / "out"
    with file.open("wb") as output:
        process = spawn([sys.executable, "-c", STUBBORN], tmp_path, output)
    child = await pid_in(file)
    begun = time.monotonic()
    await end(process, 0.3)
    assert time.monotonic() - begun < DEADLINE_S
    assert await gone(child)


async def test_cancelled_end_leaves_no_child(tmp_path: Path) -> None:
    file = tmp_path / "out"
    with file.open("wb") as output:
        process = spawn([sys.executable, "-c", STUBBORN], tmp_path, output)
    child = await pid_in(file)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(end(process, 60.0), 0.2)
    assert await gone(child)


@pytest.mark.parametrize("is_ours", [True, False])
async def test_program_that_is_not_ours_is_told_none_of_our_variables(
    is_ours: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passwords come in them, and what Java has of them every other process of the user can read."""
    ours = {
        "HUB_WEB_PASSWORD", "COHUB_CONNECTOR_PASSWORD", "HTTPS_PROXY", "https_proxy", "ALL_PROXY",
        "AWS_SECRET_ACCESS_KEY",
    }  # fmt: skip
    for name in ours | {"LC_ALL"}:
        monkeypatch.setenv(name, "C")
    with (tmp_path / "out").open("wb") as output:
        process = spawn([sys.executable, "-c", "import os; print(*os.environ)"], tmp_path, output, is_ours=is_ours)
    assert await exit_status(process, DEADLINE_S) == 0
    told = set((tmp_path / "out").read_text().split())
    assert told & (ours | {"LC_ALL"}) == (ours if is_ours else set()) | {"LC_ALL"}
