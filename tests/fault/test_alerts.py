"""Every alert of deploy/monitoring fires when what it is for has happened, and none does while all is well.

A broker, a worker and an office are real processes, and what befalls them is real, too; each is asked for its metrics
as Prometheus asks, and the rule is evaluated on the answer (tests/support/promql.py, which refuses what it does not
know). Two things are Prometheus's own and are not tried: that it waits as long as `for` says, and that it asks every
15 s. A rule that counts the time since a moment is evaluated at a later time than now: what is tried is that the moment
is told, and the right one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer

from hub.base.clients import CLOSE_S, close, start
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters, HqEvent
from hub.hq.identity import make_identity
from hub.kafka.topics import ensure_topics, standard_topics
from hub.protocol.rules import rules
from hub.store.released import released_schemas
from tests.support.alerts import alerts
from tests.support.center import Center
from tests.support.engines import open_store
from tests.support.network import Network
from tests.support.peek import edit
from tests.support.ports import free_port
from tests.support.promql import Sample, evaluate, gone, scraped
from tests.support.sheet import Row
from tests.support.worker import produce

pytestmark = [pytest.mark.fault, pytest.mark.integration, pytest.mark.timeout(600)]

WORKER, CONNECTOR, WEB = "cohub-worker", "cohub-connector", "cohub-web"
DEADLINE_S: Final = 60.0
HOUR_S: Final = 3_600.0
JUNK: Final = 60_000  # records that are no events: about as many as a worker takes in three seconds
DISK: Final = {"HubDiskFull", "OfficeDiskFull"}  # this machine's own disk may be full
# A program of ours on a machine whose clock is two minutes ahead: the module that has its clock is named, and its main.
AHEAD: Final = """
import importlib, sys
from datetime import datetime, timedelta
class Ahead(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(minutes=2)
clock, main, *arguments = sys.argv[1:]
importlib.import_module(clock).datetime = Ahead
sys.argv = [main, *arguments]
importlib.import_module(main).main()
"""
# A disk of its own, of which next to nothing is free, for a process that finds its folder there.
FULL: Final = """
mount -t tmpfs -o size=64m none "$2" && cp -a "$1/." "$2" && cd "$2" && shift 2
dd if=/dev/zero of=filled bs=1M count=64 status=none 2>/dev/null
truncate -s -2M filled
exec "$@"
"""


@dataclass
class Site:
    """A network whose worker and first office tell how they stand, and what Prometheus would have of it."""

    network: Network
    worker_port: int
    office_port: int
    fired: dict[str, list[Sample]] = field(default_factory=dict)

    def samples(self) -> list[Sample]:
        """Return what one round of questions brings."""
        found: list[Sample] = []
        for job, where in ((WORKER, self.worker_port), (CONNECTOR, self.office_port)):
            target = {"job": job, "instance": f"127.0.0.1:{where}"}
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{where}/metrics", timeout=10) as answer:
                    found += scraped(answer.read().decode(), **target)
            except OSError:
                found += gone(**target)
        return found

    def says(self, path: str) -> int:
        """Return with which status the worker answers a supervisor's question."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.worker_port}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as exc:
            return exc.code

    async def firing(self, later_s: float = 0.0) -> dict[str, list[Sample]]:
        """Return the alerts whose rules hold now, or would hold so much later if all stayed as it is."""
        samples = await asyncio.to_thread(self.samples)
        now_s = time.time() + later_s
        found = {name: evaluate(alert.expression, samples, now_s) for name, alert in alerts().items()}
        return {name: those for name, those in found.items() if those}

    async def fires(self, *names: str, later_s: float = 0.0, deadline_s: float = DEADLINE_S) -> dict[str, Sample]:
        """Return what fires, of each alert the first, once all of these do. Errors: AssertionError at the deadline."""
        ends = time.monotonic() + deadline_s
        while True:
            found = await self.firing(later_s)
            if found.keys() >= set(names):
                return {name: found[name][0] for name in names}
            assert time.monotonic() < ends, (set(names) - found.keys(), found.keys(), self.network.last_words())
            await asyncio.sleep(0.2)

    async def quiet(self, but: Collection[str] = ()) -> None:
        """Return once nothing fires but these. Errors: AssertionError at the deadline, by what does."""
        ends = time.monotonic() + DEADLINE_S
        while left := (await self.firing(later_s=1.0)).keys() - {*but} - DISK:
            assert time.monotonic() < ends, (left, self.network.last_words())
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def site(folder: Path, *, older_rules: bool = False) -> AsyncIterator[Site]:
    worker_port, office_port = free_port(), free_port()
    if older_rules:
        await begin_with_older_rules(folder / "hub")
    network = await Network.set_up(folder, ["uz"], metrics={"listen": office_port})
    settings = f"metrics: {{listen: {worker_port}}}\nworker: {{stall_s: 24, witnesses_wait_s: 0}}\n"
    (network.hub.data_dir / "hub.yaml").write_text(settings)
    try:
        yield Site(network, worker_port, office_port)
    finally:
        network.kill()


async def begin_with_older_rules(data_dir: Path) -> None:
    """Make a hub that has the first rules in force, as one of an earlier release has."""
    identity = make_identity(HubFolder(data_dir).keys, "hub.example")
    store = open_store(HubFolder(data_dir).database)
    await Headquarters(store, identity, released_schemas()).prepare(rules(1))
    await store.close()


async def live(here: Site) -> None:
    """Let the network live until its first rows have their verdicts, and its log is cosigned."""
    (office,) = here.network.offices
    office.sheet.add(Random(1), 5)
    office.sheet.save()
    here.network.start()
    await here.network.settle()


@pytest.mark.long
async def test_broken_network_fires_what_it_is_to(tmp_path: Path) -> None:
    """All is well, and quiet; then a lane stops, an office is suspended, the broker dies, the worker, the office."""
    async with site(tmp_path) as here:
        network = here.network
        await live(here)
        await here.quiet()

        two, one = Center("kz"), Center("kz")  # two machines write as one center
        await network.hub.register(two)
        await produce(network.broker.bootstrap, "in.kz", two.opened(1))
        await network.until(lambda: network.ask("SELECT count(*) FROM lane WHERE center = 'kz'"), DEADLINE_S)
        await produce(network.broker.bootstrap, "in.kz", [one.opening(), *one.offers(1, title="Another")])
        found = await here.fires("HubLaneStopped")
        assert found["HubLaneStopped"].labels.items() >= {"center": "kz", "status": "forked", "cause": "FORK"}.items()

        strange = Center("by", seed=strange_seed("by"))
        await network.hub.register(Center("by"))
        await produce(network.broker.bootstrap, "in.by", strange.opened(1))
        found = await here.fires("HubLaneWaits")
        assert found["HubLaneWaits"].labels.items() >= {"center": "by", "cause": "UNKNOWN_KEY"}.items()

        await network.hub.say(said("suspended", "uz"))
        found = await here.fires("OfficeAlarm")
        assert found["OfficeAlarm"].labels["name"] == "suspended"
        await network.hub.say(said("resumed", "uz"))
        await here.quiet({"HubLaneStopped", "HubLaneWaits"})

        network.broker.kill()
        (office,) = network.offices
        office.sheet.put("late", Row(title="late"))
        office.sheet.save()
        await here.fires("HubBrokerLost", "OfficeLinkDown")
        await here.fires("OfficeWaits", later_s=HOUR_S + 60)
        await network.hub.say(said("suspended", "by"))
        await here.fires("HubPublishingFails")

        await network.worker.stop()
        await here.fires("HubWorkerDown")
        network.worker.start()
        found = await here.fires("HubWorkerNotReady")
        network.worker.kill()
        office.connector.kill()
        await here.fires("HubWorkerDown", "OfficeConnectorDown")


@pytest.mark.long
async def test_worker_that_has_much_to_do_is_behind(tmp_path: Path) -> None:
    """Since the first look that found it so: a quarter of an hour later somebody is told, if it lasts."""
    async with site(tmp_path) as here:
        network = here.network
        await ensure_topics(network.hub.cluster, standard_topics(["uz"], []))
        producer = AIOKafkaProducer(bootstrap_servers=network.broker.bootstrap, linger_ms=5, max_batch_size=1 << 19)
        await start(producer, CLOSE_S)
        try:
            for number in range(JUNK):
                await producer.send("in.uz", b"junk %d" % number, partition=0)
            await producer.flush()
        finally:
            await close(producer, CLOSE_S)
        (network.hub.data_dir / "hub.yaml").write_text(
            f"metrics: {{listen: {here.worker_port}}}\nworker: {{stall_s: 3}}\n"
        )
        network.worker.start()
        await here.fires("HubFallsBehind", later_s=901)
        assert await asyncio.to_thread(here.says, "/live") == 200
        assert await asyncio.to_thread(here.says, "/ready") == 200, "a worker that is catching up is ready"
        assert "HubFallsBehind" not in await here.firing(later_s=800)


@pytest.mark.long
async def test_database_that_takes_nothing_is_told(tmp_path: Path) -> None:
    """Another program holds HQ's database for a while, as one that copies it may: it is told until it takes a write."""
    async with site(tmp_path) as here:
        await live(here)
        here.network.offices[0].connector.kill()  # what it says would be written, and a commit that fails ends a worker
        holding = await asyncio.create_subprocess_exec(
            *python("import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); "
                    "db.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"),
            str(here.network.hub.database), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert holding.stdin is not None
        assert holding.stdout is not None
        await holding.stdout.readline()
        ends = time.monotonic() + 5 * DEADLINE_S
        try:  # a worker's tasks wait ten seconds for another program's write
            while "look_failed" not in here.network.worker.log.read_text():
                assert time.monotonic() < ends, here.network.last_words()
                await asyncio.sleep(0.2)
        finally:
            holding.stdin.close()
            await holding.wait()
        await here.fires("HubDatabaseFails")
        here.network.start()
        await here.quiet()


@pytest.mark.long
async def test_log_that_does_not_fit_and_older_rules_are_told(tmp_path: Path) -> None:
    """HQ signs nothing on a log that somebody has edited, and a release that knows newer rules says so."""
    async with site(tmp_path, older_rules=True) as here:
        network = here.network
        await live(here)
        await here.fires("HubRulesToAdopt")
        await network.worker.stop()
        edit(network.hub.database, "DELETE FROM log_leaf WHERE leaf_index = (SELECT max(leaf_index) FROM log_leaf)")
        network.worker.start()
        found = await here.fires("HubLogStopped")
        assert found["HubLogStopped"].labels["why"]


@pytest.mark.long
async def test_clocks_that_are_apart_are_told(tmp_path: Path) -> None:
    """Two minutes are no reason to end yet, and one to tell; in an office it is an alarm of its own."""
    async with site(tmp_path) as here:
        network = here.network
        (office,) = network.offices
        for program, clock in ((network.worker, "hub.kafka.clock"), (office.connector, "connectors.runtime.daemon")):
            main, *arguments = program._command[2:]
            program._command = [*python(AHEAD), clock, main, *arguments]
            program.start()
        found = await here.fires("HubClockWrong", "OfficeClockWrong")
        assert found["HubClockWrong"].value == pytest.approx(120, abs=5)


def test_web_that_does_not_answer_is_told() -> None:
    """Prometheus itself says so, of every target."""
    (alert,) = [alert for alert in alerts().values() if alert.name == "HubWebDown"]
    assert evaluate(alert.expression, gone(job=WEB), time.time())
    assert not evaluate(alert.expression, scraped("", job=WEB), time.time())


@pytest.mark.long
async def test_disks_that_are_nearly_full_are_told(tmp_path: Path) -> None:
    """HQ's data and an office's folder, each on a disk of its own, of which 2 MiB are left."""
    if why := no_mounts():
        pytest.skip(f"{why.upper()}: a disk that is nearly full was not tried")
    async with site(tmp_path) as here:
        network, (office,) = here.network, here.network.offices
        await live(here)
        for program in (network.worker, office.connector):
            await program.stop()
        for program, data in ((network.worker, network.hub.data_dir), (office.connector, office.folder)):
            kept = data.with_name(data.name + "-kept")
            shutil.copytree(data, kept)
            program._command = [*mounted(), "/bin/sh", "-c", FULL, "sh", str(kept), str(data), *program._command]
            program.start()
        await here.fires("HubDiskFull", "OfficeDiskFull")


def test_every_alert_is_brought_about_here() -> None:
    """A new rule is tried, or it is not there."""
    text = Path(__file__).read_text("utf-8")
    assert [name for name in alerts() if f'"{name}"' not in text] == []


def said(event: str, center: str) -> HqEvent:
    """Return HQ's word that a center is suspended, or not any more."""
    return HqEvent(f"net.cohub.center.{event}.v1", center, {"reason": "something to say", "effective_on": None})


def strange_seed(center: str) -> bytes:
    """Return the seed of a key that HQ has never seen."""
    return f"strange {center}".encode().ljust(32, b".")


def mounted() -> list[str]:
    """Return what gives a process mounts of its own."""
    program = shutil.which("unshare") or ""
    return [program, "--mount"] if os.getuid() == 0 else [program, "--user", "--map-root-user", "--mount"]


def no_mounts() -> str:
    """Return what keeps this machine from giving a process mounts of its own, '' for nothing."""
    if shutil.which("unshare") is None:
        return "no unshare here"
    tried = subprocess.run([*mounted(), "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "this user may not mount anything"


def python(code: str) -> list[str]:
    """Return what runs a program of ours."""
    return [sys.executable, "-c", code]
