"""A hub and its offices as processes, in a folder where everything lies that they leave: outputs, caches, files."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aiokafka import TopicPartition

from hub.base.clients import closing
from hub.broker.settings import user_cache_dir
from hub.kafka.cluster import Cluster
from tests.support.secret_kinds import Place

DEADLINE_S: Final = 300.0
STOP_S: Final = 40.0
# Core dumps are allowed, as far as the system lets us, and nothing is kept from others by the umask.
_OPEN: Final = 'ulimit -c unlimited 2>/dev/null || ulimit -c "$(ulimit -H -c)"; umask 000; exec "$@"'
CONNECTOR: Final = ("-m", "connectors.cli.main")
MAPPING: Final = """\
files: partners*.csv
stream: partner
key: [No]
fields:
  kind: {value: enterprise}
  name: {column: Name}
  country: {column: Country}
persons:
  contact:
    id: [Mail]
    name: {column: Who}
    email: Mail
"""
SHEET: Final = "No,Name,Country,Who,Mail\nP-1,Zavod,UZ,Anna,anna@example.org\nP-2,Zavod 2,UZ,Boris,boris@example.org\n"
QUICK: Final = "settle_s: 0\nfile_settle_s: 0\npoll_s: 0.2\nreceipt_wait_s: 3\nrequest_timeout_s: 5\npresence_s: 1\n"


class Life:
    """Starts processes of ours; each prints into a file of its own."""

    def __init__(self, root: Path) -> None:
        self.place = Place(root)
        self._count = 0
        self._running: list[subprocess.Popen[bytes]] = []
        for name in ("offices", "files", "out", "tmp", "home"):
            (root / name).mkdir()

    @property
    def root(self) -> Path:
        return self.place.root

    def office(self, center: str) -> Path:
        return self.root / "offices" / center

    def hub(self, *arguments: str) -> tuple[str, ...]:
        return ("-m", "hub.cli.main", "--data-dir", str(self.root / "hub"), *arguments)

    def start(self, arguments: Sequence[str], more: Mapping[str, str] | None = None) -> Process:
        """Start Python with these arguments, as a person or a supervisor would who asks for all that can be had."""
        self._count += 1
        log = self.root / "out" / f"{self._count:02d}"
        environment = {
            n: v for n, v in os.environ.items() if not n.upper().endswith("_PROXY") and n != "PYTEST_CURRENT_TEST"
        }
        environment |= {
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "XDG_CACHE_HOME": str(self.root / "home" / "cache"),
            "COHUB_CACHE_DIR": str(user_cache_dir()),  # with the jars, which hold nothing of this hub
            "COHUB_DEBUG": "1",
            "PYTHONFAULTHANDLER": "1",
            "NO_PROXY": "",
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", _OPEN, "bash", sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.root / "tmp",
                env=environment | dict(more or {}),
            )
        self._running.append(process)
        return Process(process, log)

    async def run(self, arguments: Sequence[str], more: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run a command to its end; return its status and what it printed."""
        process = self.start(arguments, more)
        status = await process.ended(DEADLINE_S)
        return status, process.said()

    def kill(self) -> None:
        """End all that still runs."""
        for process in self._running:
            if process.poll() is None:
                process.kill()
                process.wait()


class Process:
    """One process of ours."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        return self._log.read_text("utf-8", "replace")

    async def says(self, text: str) -> None:
        """Return once it has printed a text."""
        await until(lambda: text in self.said() or self._process.poll() is not None, self.said)
        assert text in self.said(), self.said()

    async def ended(self, deadline_s: float = STOP_S) -> int:
        await until(lambda: self._process.poll() is not None, self.said, deadline_s)
        return self._process.returncode

    async def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    def abort(self) -> bool:
        """Have it crash, and return whether the system made a core dump of it, wherever that went."""
        os.kill(self.pid, signal.SIGABRT)
        _, status = os.waitpid(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        assert os.WTERMSIG(status) == signal.SIGABRT, self.said()
        return os.WCOREDUMP(status)


async def until(seen: Callable[[], object], why: Callable[[], object] = str, deadline_s: float = DEADLINE_S) -> Any:
    """Return what `seen` gives, or what it gives when it was waited for, once that is something."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while True:
        found = seen()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert loop.time() < end, why()
        await asyncio.sleep(0.2)


def cores(folder: Path) -> list[Path]:
    """Return the files beneath a folder that begin as a core dump does (ELF, of type 4)."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                begin = file.read(18)
            if begin[:4] == b"\x7fELF" and int.from_bytes(begin[16:18], "little") == 4:
                found.append(path)
    return found


def pid_of_worker(place: Place) -> int:
    return int(json.loads(place.hub.worker_file.read_text())["pid"])


def pid_of_java(place: Place) -> int:
    return int(json.loads((place.hub.broker / "broker.pid").read_text())["pid"])


async def write_topics(cluster: Cluster, folder: Path) -> int:
    """Write what stands on each topic into files of a folder, unpacked; return how many records there are."""
    async with closing(await cluster.admin("test")) as admin:
        topics = await admin.describe_topics()
    count = 0
    await asyncio.to_thread(folder.mkdir)
    async with closing(await cluster.consumer("test")) as consumer:
        for topic in topics:
            name = topic["topic"]
            partitions = [TopicPartition(name, partition["partition"]) for partition in topic["partitions"]]
            consumer.assign(partitions)
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(partitions)
            with (folder / name).open("wb") as file:
                while any([await consumer.position(place) < end for place, end in ends.items()]):
                    for records in (await consumer.getmany(timeout_ms=500)).values():
                        for record in records:
                            headers = [part for key, value in record.headers for part in (key.encode(), value)]
                            file.write(b"\n".join(filter(None, (record.key, record.value, *headers))) + b"\n")
                            count += 1
    return count
