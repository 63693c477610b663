"""The machines and lines that a test lays out are what they are said to be, and leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.middle import Middle
from tests.support.namespaces import PREFIX, Host, hosts, ip, missing

pytestmark = pytest.mark.fault

Laid = tuple[Middle, dict[str, Host]]
PORT = 7000
ECHO = f"""
import socket, sys
server = socket.create_server(("0.0.0.0", {PORT}))
print("ready", flush=True)
while True:
    client, _ = server.accept()
    while data := client.recv(1 << 16):
        client.sendall(data)
"""
CALL = """
import socket, sys, time
client = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
for line in sys.stdin:
    began, left = time.monotonic(), int(line)
    client.settimeout(1)
    try:
        client.sendall(b"x" * left)
        while left:
            left -= len(client.recv(1 << 16))
        print(time.monotonic() - began, flush=True)
    except OSError:
        print("nothing", flush=True)
"""


@pytest.fixture
def laid() -> Iterator[Laid]:
    if why := missing():
        pytest.skip(why)
    with hosts("here", "there") as found:
        yield found


@contextmanager
def run(host: Host, code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [*host.command(), sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def called(laid: Laid) -> Iterator[subprocess.Popen[str]]:
    """Yield a connection from here to there, made."""
    there = laid[1]["there"]
    with run(there, ECHO) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        with run(laid[1]["here"], CALL, str(there.address), str(PORT)) as client:
            assert say(client) is not None
            yield client


def say(client: subprocess.Popen[str], size: int = 1) -> float | None:
    """Return how long bytes take there and back; None if nothing comes."""
    assert client.stdin is not None
    assert client.stdout is not None
    print(size, file=client.stdin, flush=True)
    told = client.stdout.readline().strip()
    return None if told == "nothing" else float(told)


def test_lines_are_late_and_silent_as_they_are_told(laid: Laid) -> None:
    """What is carried arrives whole, what is held back takes its time, and what is swallowed does not come."""
    line = laid[1]["there"].line
    with called(laid) as client:
        assert say(client, 1_000_000) is not None
        line.delay_s = 0.1
        took_s = say(client)
        assert took_s is not None
        assert took_s >= 0.2
        line.heal()
    for name in ("swallows_up", "swallows_down"):
        with called(laid) as client:
            setattr(line, name, True)
            assert say(client) is None
            line.heal()


def test_middle_that_forgets_carries_new_connections_alone(laid: Laid) -> None:
    """As a firewall that keeps state, and was started again."""
    with called(laid) as client:
        laid[0].forget()
        assert say(client) is None
    with called(laid) as client:
        assert say(client) is not None


def test_host_that_is_cut_is_told_so(laid: Laid) -> None:
    """There is no route, until the interface is up again."""
    here, there = laid[1]["here"], laid[1]["there"]
    here.cut()
    with run(here, CALL, str(there.address), str(PORT)) as client:
        assert client.wait(30) == 1
    here.heal()
    with called(laid) as client:
        assert say(client) is not None


def test_nothing_is_left_of_a_test_that_was_killed() -> None:
    """Not even its namespaces, nor what still ran in them."""
    if why := missing():
        pytest.skip(why)
    code = (
        "import subprocess, sys, time\n"
        "from tests.support.namespaces import hosts\n"
        "with hosts('here') as (_, found):\n"
        "    sleeper = subprocess.Popen([*found['here'].command(), 'sleep', '60'])\n"
        "    print(sleeper.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline().strip().isdigit()
        name = f"{PREFIX}-{owner.pid}-"
        assert name in ip("netns", "list")
        owner.kill()
    until_s = time.monotonic() + 30
    while name in ip("netns", "list"):
        assert time.monotonic() < until_s
        time.sleep(0.05)
