"""What systemd is told: once that a process is ready, then by its own loop that it lives."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.base.supervisor import Supervisor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        yield listening


def environment(heard: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": heard.getsockname(), **more}


async def test_it_is_told_that_it_is_ready_once_and_then_that_it_lives(heard: socket.socket) -> None:
    """As often as asked, three times over."""
    supervisor = Supervisor.take(environment(heard, WATCHDOG_USEC="60000", WATCHDOG_PID=str(os.getpid())))
    supervisor.ready()
    supervisor.ready()
    said: list[str] = []
    while len(said) < 5:
        said.append((await asyncio.to_thread(heard.recv, 100)).decode())
    assert said == ["READY=1", *["WATCHDOG=1"] * 4]


async def test_loop_that_stands_still_tells_nothing(heard: socket.socket) -> None:
    """That is what it is for."""
    supervisor = Supervisor.take(environment(heard, WATCHDOG_USEC="30000"))
    supervisor.ready()
    assert [heard.recv(100), heard.recv(100)] == [b"READY=1", b"WATCHDOG=1"]
    time.sleep(0.1)  # noqa: ASYNC251 - the loop is to stand still
    heard.setblocking(False)
    with pytest.raises(BlockingIOError):
        heard.recv(100)


@pytest.mark.parametrize(
    "given",
    [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": "/nowhere/at/all"}],
)
async def test_without_systemd_nothing_is_done(given: dict[str, str]) -> None:
    """No socket, one of a kind that we do not speak, or one that nobody hears at."""
    supervisor = Supervisor.take(given)
    supervisor.ready()
    supervisor.stopping()


@pytest.mark.parametrize("asked", [{"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"},
                                   {"WATCHDOG_USEC": "60000", "WATCHDOG_PID": "1"}])  # fmt: skip
def test_who_is_not_asked_for_it_does_not_say_that_it_lives(heard: socket.socket, asked: dict[str, str]) -> None:
    """Another process's watchdog, or none."""
    assert Supervisor.take(environment(heard, **asked)).every_s is None


def test_children_are_told_of_no_supervisor(heard: socket.socket) -> None:
    """What a worker of `hub up` would say is not about `hub up`."""
    given = environment(heard, WATCHDOG_USEC="60000", WATCHDOG_PID="1", PATH="/bin")
    Supervisor.take(given)
    assert given == {"PATH": "/bin"}


def test_name_of_the_abstract_kind_is_heard(tmp_path: Path) -> None:
    """So systemd may call its socket."""
    name = f"\0cohub-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name)
        listening.settimeout(10)
        Supervisor.take({"NOTIFY_SOCKET": "@" + name[1:]}).stopping()
        assert listening.recv(100) == b"STOPPING=1"
