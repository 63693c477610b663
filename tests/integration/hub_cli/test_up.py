"""`hub up` as a person runs it: real processes, signals, deaths."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.broker.ports import LOOPBACK
from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.protocol.control import enrolment, seal_key_name
from hub.protocol.note import Signer
from tests.support.terminal import here

pytestmark = pytest.mark.integration

DEADLINE_S = 60.0
STOP_S = 10.0


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """Yield a port that another program listens on."""
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        yield server.getsockname()[1]


def wait_for(what: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """Return what `what` gives once that is something."""
    deadline = time.monotonic() + deadline_s
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)


def hub(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command beside it, which ends by itself."""
    return here(lambda words: run_command(words, Settings(data)), list(arguments))


def hub_apart(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "hub.cli.main", "--data-dir", str(data), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)


class Up:
    """A running `hub up`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.log = data.with_suffix(".out")
        command = [sys.executable, "-m", "hub.cli.main", "--data-dir", str(data), "up"]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)

    def said(self, text: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return text in self.log.read_text()

    def worker(self) -> int | None:
        try:
            return int(json.loads((self.data / "worker.json").read_text())["pid"])
        except FileNotFoundError:
            return None

    def end(self, number: int) -> float:
        """Send a signal; return how long the end took."""
        began = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(DEADLINE_S) == 0, self.log.read_text()
        return time.monotonic() - began


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path / "data")
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def lag_of(data: Path, center: str) -> Any:
    found = json.loads(hub(data, "status", "--json").stdout)
    return [c for c in found["centers"] if c["center"] == center and c["lag"] is not None and c["status"] == "reading"]


def test_up_runs_a_hub_that_outlives_its_worker_and_ends_by_a_signal(up: Up) -> None:
    """A center added beside it is read within seconds; a worker that is killed comes back; SIGTERM ends all in 10 s."""
    wait_for(lambda: up.said("is up at"))
    note = up.data.parent / "uz.note"
    note.write_bytes(enrolment("hub.example", "uz", "seal", Signer(seal_key_name("hub.example", "uz"), b"k" * 32)))
    options = ("--name", "T", "--country", "UZ", "--direction", "north", "--stream", "offer", "--enrolment", str(note))
    added = hub(up.data, "center", "add", "uz", *options)
    assert added.returncode == 0, added.stderr
    wait_for(lambda: lag_of(up.data, "uz"))
    looked = hub(up.data, "status", "--json")
    assert (looked.returncode, json.loads(looked.stdout)["worker"]["state"]) == (0, "running")
    assert_no_secret(up)

    second = hub_apart(up.data, "up")
    assert (second.returncode, second.stderr.count("\n")) == (2, 1)
    assert "another process already runs the broker" in second.stderr

    first = up.worker()
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: up.said("the worker is started again"))
    again = wait_for(lambda: (pid := up.worker()) and pid != first and pid)
    assert up.end(signal.SIGTERM) < STOP_S
    assert not is_alive(again)
    looked = hub(up.data, "status", "--json")
    found = json.loads(looked.stdout)
    assert "does not answer" in found["broker"]["state"]
    # What was true when it stopped is not told as if it were now.
    assert (looked.returncode, found["needs"], found["worker"]["state"]) == (1, ["worker"], "stopped")
    assert [center["status"] for center in found["centers"]] == ["stopped"]
    assert "nobody signs now: the worker is stopped" in hub(up.data, "log", "status").stdout
    assert hub(up.data, "lane", "show", "uz").returncode == 1


def assert_no_secret(up: Up) -> None:
    """The passwords of admin and worker are in two private files, and nowhere else that anybody could look."""
    folder = up.data / "broker"
    words = {name: (folder / f"{name}.password").read_bytes().strip() for name in ("admin", "worker")}
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = process.read_bytes()
            assert not [name for name, word in words.items() if word in line]
    for path in [up.log, *(path for path in up.data.rglob("*") if path.is_file())]:
        data = path.read_bytes()
        assert {name for name, word in words.items() if word in data} <= {path.name.removesuffix(".password")}, path
    exposed = [path for path in folder.rglob("*") if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert exposed == []


def test_up_with_its_port_taken_is_one_line_and_status_two(tmp_path: Path) -> None:
    with held_port() as port:
        done = hub_apart(tmp_path / "data", "up", "--port", str(port))
    assert done.returncode == 2
    begun, told = done.stderr.splitlines()  # a first start says what it begins
    assert begun.startswith("starting the broker")
    assert f"port {port} on {LOOPBACK} is taken" in told


@pytest.mark.long
def test_worker_waits_for_its_broker_and_ends_by_a_signal(tmp_path: Path) -> None:
    assert hub(tmp_path / "data", "init").returncode == 0
    with held_port() as port:
        pass
    command = [sys.executable, "-m", "hub.cli.main", "--data-dir", str(tmp_path / "data"), "worker"]
    log = tmp_path / "worker.out"
    with log.open("wb") as output:
        worker = subprocess.Popen([*command, "--bootstrap", f"{LOOPBACK}:{port}"], stdout=output, stderr=output)
    try:
        wait_for(lambda: b"broker_away" in log.read_bytes())
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(STOP_S) == 0
    finally:
        worker.kill()
        worker.wait()
