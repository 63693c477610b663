"""docker-compose.yml and docs/site.md say what works: every service of ours as a plain process on three real brokers.

What the page has people type by `docker compose run` is taken out of it and run so, for another address.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import openpyxl
import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from hub.base.clients import closing
from hub.broker.member import read_member
from hub.kafka.cluster import Cluster
from tests.integration.hub_cli.test_docs import has_accepted
from tests.support.composed import DEADLINE_S, Composed
from tests.support.documents import blocks
from tests.support.locked import command_lines
from tests.support.postgres import PostgresServer, in_thread

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(900)]

PAGE: Final = "docs/site.md"
RUN: Final = "docker compose run --rm "
BROKERS: Final = ("kafka-1", "kafka-2", "kafka-3")
WORKERS: Final = ("worker-1", "worker-2")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Composed]:
    composed = Composed(tmp_path)
    composed.site.mkdir(mode=0o700)
    yield composed
    composed.end()


@pytest.fixture
def database() -> Iterator[PostgresServer]:
    """Yield a server that stands for the service `postgres`, which test_site_database.py runs as the file has it."""
    server = PostgresServer({"fsync": "on"})
    try:
        server.start()
        in_thread(server.ask("postgres", "CREATE DATABASE hub"))
        yield server
    finally:
        server.remove()


def until(found: Callable[[], Any], what: str) -> None:
    ends = time.monotonic() + DEADLINE_S
    while not found():
        assert time.monotonic() < ends, what
        time.sleep(0.3)


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, f"{result.args}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def copies(site: Composed) -> dict[str, tuple[int, str]]:
    """Return of each topic how many brokers have it, and how many have to before a write is acknowledged."""
    member = read_member(site.places("kafka-1")["/etc/cohub/member.yaml"])

    async def asked() -> dict[str, tuple[int, str]]:
        async with closing(await Cluster((member.here,), member.security).admin("test")) as admin:
            topics = [one["topic"] for one in await admin.describe_topics()]
            wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
            least = {
                row[3]: {entry[0]: entry[1] for entry in row[4]}["min.insync.replicas"]
                for answer in await admin.describe_configs(wanted)
                for row in answer.resources
            }
            found = await admin.describe_topics()
            return {
                one["topic"]: (min(len(part["replicas"]) for part in one["partitions"]), least[one["topic"]])
                for one in found
            }

    return asyncio.run(asked())


def typed(beginning: str) -> list[str]:
    """Return what the page has people type to a service, by its service and first words, without the service."""
    lines = [command.removeprefix(RUN) for block in blocks(PAGE) for command in block if command.startswith(RUN)]
    (found,) = [line for line in lines if line.startswith(beginning)]
    words = shlex.split(found)[1:]
    return ["127.0.0.1" if before == "--address" else word for before, word in zip(["", *words], words, strict=False)]


def join(site: Composed) -> Path:
    """Have an office join by its file and its words, and run; return its folder."""
    office = site.site / "office"
    office.mkdir(mode=0o700)
    site.environment["COHUB_CONNECTOR_SETTLE_S"] = "0"
    done(site.run("hub", *typed("hub center add")))
    (site.site / "hub/uz.cohub").rename(office / "uz.cohub")
    site.start("office", *typed("office connector join"))
    log = site.log("office")
    until(lambda: log.read_text("utf-8").count("Ctrl+C") > 1 or site.running["office"].poll() is not None, "no answer")
    numbers = re.findall(r"^\d +(\d{4}) ", log.read_text("utf-8"), re.MULTILINE)
    assert len(numbers) == 12, log.read_text("utf-8")
    until(lambda: "uz" in site.run("hub", *typed("hub status")).stdout, "HQ does not see the office")
    until(lambda: site.run("hub", *typed("hub center confirm"), "--words", " ".join(numbers[6:])).returncode == 0, "")
    assert site.running.pop("office").wait(DEADLINE_S) == 0, log.read_text("utf-8")
    (office / "sample/offers.xlsx").rename(office / "offers.xlsx")
    site.start("office")
    return office


def add_row(sheet: Path) -> None:
    """Write one more row into a sheet: the last one under another number."""
    book = openpyxl.load_workbook(sheet)
    page = book.worksheets[0]
    values = [cell.value for cell in page[page.max_row]]
    page.append([f"{values[0]}-again", *values[1:]])
    book.save(sheet)


def kafka_pid(site: Composed, service: str) -> int:
    """Return the broker's own process, which the service tells on its first line."""
    (said,) = re.findall(r'^(\{"bootstrap".*\})$', site.log(service).read_text("utf-8"), re.MULTILINE)
    return int(json.loads(said)["pid"])


def test_every_service_runs_and_survives_a_broker(site: Composed, database: PostgresServer) -> None:
    """From an empty folder to an office whose rows are accepted, before and after a broker and a worker are killed."""
    done(site.run("setup", *typed("setup")))
    site.prepare(database.url("hub"))
    passwords = {path.read_bytes().strip() for path in (site.site / "secrets").iterdir() if path.stat().st_size == 65}
    assert len(passwords) == 6
    for name in BROKERS:
        site.start(name)
    while not all(site.is_healthy(name) for name in BROKERS):
        assert not [word for word in passwords if word in command_lines()]  # while they are formatted, too
        assert {site.running[name].poll() for name in BROKERS} == {None}
    site.until_healthy(BROKERS)
    done(site.run("migrate"))
    for name in WORKERS:
        site.start(name)
    site.start("web")
    site.until_healthy((*WORKERS, "web"))

    office = join(site)
    until(lambda: has_accepted(office, 2), "the office's rows are not accepted")
    made = copies(site)
    ours = {name for name in made if not name.startswith("__")}
    assert {"in.uz", "out.uz", "events", "hub.checkpoints"} <= ours
    assert {made[name] for name in ours} == {(3, "2")}

    os.kill(kafka_pid(site, "kafka-2"), signal.SIGKILL)
    assert site.running.pop("kafka-2").wait(60) == 1  # whoever supervises it starts it again
    site.stop("worker-1", signal.SIGKILL)
    add_row(office / "offers.xlsx")
    until(lambda: has_accepted(office, 3), "nothing is accepted with one broker and one worker less")
    for name in ("kafka-2", "worker-1"):
        site.start(name)
    site.until_healthy(["kafka-2", "worker-1"])
    assert not [word for word in passwords if word in command_lines()]
    printed = b"".join(path.read_bytes() for path in site.folder.glob("*.log"))
    assert not [word for word in passwords if word in printed]
    assert not re.search(rb"storedKey|serverKey|saltedpassword", printed)
    for name in ("office", "web", *WORKERS, *BROKERS):
        assert site.stop(name) == 0, f"{name}: {site.log(name).read_text('utf-8')[-2000:]}"
