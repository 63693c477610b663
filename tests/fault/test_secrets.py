"""No secret where somebody could see it: in no process list, environment, log, output, file, topic, archive or dump.

`tests/support/secret_kinds.py` has the table of all kinds, and where alone each may be. A hub is made from nothing and
lives with its offices, as processes, at a umask of 000 and with core dumps allowed, until every kind is there; then
each secret is looked for in each form (`tests/support/secret_forms.py`), in everything that was left.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex, token_urlsafe
from typing import Any

import fastavro
import pytest
import yaml

from connectors.runtime.outbox import Outbox
from connectors.runtime.settings import OUTBOX
from hub.base.access import Security
from hub.broker.principals import ADMIN, Principals
from hub.hq import invitations
from hub.hq.settings import read_settings
from hub.hq.ways import kafka_way
from hub.kafka.cluster import Cluster
from hub.protocol.errors import Retriable, UsageError
from tests.support.ports import free_port
from tests.support.proxies import forward_proxy
from tests.support.sampled import Sampler
from tests.support.secret_forms import Search, Secret, exposed
from tests.support.secret_kinds import (
    ARCHIVE,
    AT_BROKER,
    KINDS,
    MAKERS,
    NO_SECRET,
    OWN_CLUSTER,
    PASSPHRASE,
    PROXY,
    SALTED,
    Place,
    kept_secrets,
    makers,
    secrets_of_place,
)  # fmt: skip
from tests.support.secret_life import (
    CONNECTOR,
    DEADLINE_S,
    MAPPING,
    QUICK,
    SHEET,
    Life,
    Process,
    cores,
    pid_of_java,
    pid_of_worker,
    until,
    write_topics,
)  # fmt: skip

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(sys.platform != "linux", reason="what others can see is read from /proc"),
]

AT_ONCE = 4
PROFILE = ["--country", "UZ", "--direction", "north", "--language", "en", "--stream", "partner"]


# -- the table of kinds -----------------------------------------------------------------------------------------------


def test_whatever_has_to_do_with_secrets_stands_in_the_table() -> None:
    """A new place that draws, reads or writes a secret is a kind of the table, or says there that it is none."""
    assert makers() == set(MAKERS)
    named = {kind for kinds in MAKERS.values() for kind in kinds} - {NO_SECRET}
    assert named == set(KINDS)


# -- what a crash leaves ----------------------------------------------------------------------------------------------


@pytest.fixture
def life(tmp_path: Path) -> Any:
    running = Life(tmp_path)
    yield running
    running.kill()


async def test_process_that_crashes_leaves_no_memory(life: Life) -> None:
    """Python itself leaves a core dump here, with all that it knew; ours leave none, nor does what they start."""
    sentinel = token_hex()
    plain = life.start(
        ["-c", f"import time; known = bytes.fromhex('{sentinel}'); print('up', flush=True); time.sleep(60)"]
    )
    assert (await life.run(life.hub("init")))[0] == 0
    with closing(__import__("socket").socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        worker = life.start(life.hub("worker", "--bootstrap", f"127.0.0.1:{nobody.getsockname()[1]}"))
        await plain.says("up")
        await until(lambda: limit_of(worker.pid) == "1", worker.said)
        await until(lambda: Path(f"/proc/{worker.pid}/cmdline").read_bytes().count(b"hub.cli.main"), worker.said)
        assert not worker.abort()
    dumped = plain.abort()
    if dumped and (found := cores(life.root)):  # elsewhere a program takes it, and none is to be seen
        assert Search([Secret("known", (bytes.fromhex(sentinel),))]).of(found[0].read_bytes(), "")
        found[0].unlink()
    assert dumped or limit_of(os.getpid(), hard=True) in ("0", "1")
    assert cores(life.root) == []


def limit_of(pid: int, *, hard: bool = False) -> str:
    line = next(x for x in Path(f"/proc/{pid}/limits").read_text().splitlines() if x.startswith("Max core file size"))
    return line.split()[5 if hard else 4]


# -- a whole life -----------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.timeout(1800)
async def test_no_secret_of_a_whole_life_is_seen(life: Life) -> None:
    """From nothing over joining, working, rotating, mistakes and crashes to the end, every kind was there."""
    secrets: set[Secret] = set()
    with Sampler(life.root) as sampler:
        async with forward_proxy(login=f"office:{token_urlsafe(24)}") as proxy:
            _give(life.place, proxy.url)
            await _live(life, proxy.url, secrets)
    there = [secret for secret in secrets_of_place(life.place) if secret.kind not in (OWN_CLUSTER, ARCHIVE, SALTED)]
    # Whose time was over before it began was told to no broker.
    assert [secret.kind for secret in Search(there).absent(life.root)] == [AT_BROKER]
    secrets |= {*secrets_of_place(life.place), *await kept_secrets(life.place)}
    missing = set(KINDS) - {secret.kind for secret in secrets} - {"session key over HTTPS"}
    assert missing == set()
    await asyncio.to_thread(_unpack_archive, life.root)
    search = Search(secrets)
    found = search.beneath(life.root)
    for (program, what), texts in sampler.seen.items():
        found += [one for text in texts for one in search.of(text, f"proc/{program}/{what}")]
    assert sorted(set(found)) == []
    assert exposed(life.root, list(secrets), ("hub", "keys", "broker", "log")) == []
    waiting = {path.parts[-3] for path in life.root.glob("offices/*/keys/join.request")}
    assert waiting == {"again", "cn"}  # which have not joined
    assert cores(life.root) == []
    programs = {program for program, _ in sampler.seen}
    assert "java" in programs
    assert sampler.looks > 100


def _give(place: Place, proxy: str) -> None:
    """Say which secrets people hand over: they may be where they were put, and nowhere that they were passed on to."""
    ours = ("proc/python*/environ", "proc/bash/environ")
    login = proxy.partition("//")[2].partition("@")[0]
    place.given = {
        PROXY: (login.partition(":")[2].encode(), login.encode()),
        OWN_CLUSTER: (token_urlsafe(24).encode(), token_hex().encode()),
        ARCHIVE: (token_urlsafe(30).encode(),),
        PASSPHRASE: (token_urlsafe(30).encode(),),
    }
    place.given_homes = {
        PROXY: ("offices/kz/connector.yaml", *ours),
        OWN_CLUSTER: ours,
        ARCHIVE: ours,
        PASSPHRASE: ("files/passphrase",),
    }


async def _live(life: Life, proxy: str, secrets: set[Secret]) -> None:
    place = life.place
    web_word, wrong_word = (word.decode() for word in place.given[OWN_CLUSTER])
    handed = {
        "HUB_WEB_USERNAME": "web", "HUB_WEB_PASSWORD": web_word, "HTTPS_PROXY": proxy, "https_proxy": proxy,
        "AWS_SECRET_ACCESS_KEY": place.given[ARCHIVE][0].decode(),
    }  # fmt: skip
    up = life.start(life.hub("up", "--hub", "hub.example"), handed)
    await up.says("is up at")
    port = free_port()
    address = f"https://127.0.0.1:{port}"
    listen = life.hub("web", "--listen", f"127.0.0.1:{port}", "--public", address)
    for center in ("uz", "kz", "cn"):
        assert (await life.run(life.hub("center", "add", center, "--name", center, *PROFILE)))[0] == 0
    web = life.start(listen)
    await web.says("listens on port")
    await _invite(life, address)
    secrets |= set(secrets_of_place(place))
    await _join(life, "uz", {})
    await _join(life, "kz", {"HTTPS_PROXY": proxy})
    await life.run(
        [*CONNECTOR, "join", str(life.root / "files" / "cn.cohub"), "--office", str(life.office("cn")), "--wait", "0"]
    )
    _lay_out(life, "kz", {"https": {"proxy": proxy}})
    _lay_out(life, "uz", {})
    by_kafka, by_https = _run(life, "uz"), _run(life, "kz")
    for center, running in (("uz", by_kafka), ("kz", by_https)):
        await until(partial(_is_done, life, center), running.said)
    secrets |= {*secrets_of_place(place), *await kept_secrets(place)}
    await _rotate(life, by_kafka)
    by_kafka = _run(life, "uz")
    await _ask_everything(life, wrong_word)
    await _crash(life, up, web, by_kafka, by_https, listen)
    for center, verb in (("uz", "suspend"), ("uz", "resume"), ("kz", "close")):
        assert (await life.run(life.hub("center", verb, center, "--reason", "a test")))[0] == 0
    await write_topics(_admin(life), life.root / "topics")
    await up.stop()


async def _invite(life: Life, address: str) -> None:
    files = life.root / "files"
    ways: dict[str, list[str]] = {"uz": [], "kz": ["--https", address, "--https-alone"]}
    for center, options in ways.items():
        assert (await life.run(life.hub("center", "invite", center, str(files / f"{center}.cohub"), *options)))[0] == 0
    where, then = life.place.hub, datetime.now(UTC) - timedelta(hours=73)
    way = kafka_way(where, read_settings(where.data_dir, {}).settings)
    await invitations.invite(where, "cn", files / "cn.cohub", way, None, clock=lambda: then)


async def _join(life: Life, center: str, more: dict[str, str]) -> None:
    """Have an office join, and be confirmed."""
    file, office = life.root / "files" / f"{center}.cohub", life.office(center)
    joining = life.start([*CONNECTOR, "join", str(file), "--office", str(office)], more)
    where = life.place.hub

    async def asked() -> Any:
        async with where.store() as store:
            stages = [issued.stage for issued in await store.invitations.every() if issued.center == center]
        return "asked" in stages and (await invitations.look(where, center)).request

    request = await until(asked, joining.said)
    await life.run(life.hub("center", "confirm", center, "--words", "zoo zoo zoo zoo zoo zoo"))  # the wrong ones
    words = " ".join(request.fingerprint.words)
    assert (await life.run(life.hub("center", "confirm", center, "--words", words)))[0] == 0
    assert await joining.ended(DEADLINE_S) == 0, joining.said()


def _lay_out(life: Life, center: str, more: dict[str, dict[str, str]]) -> None:
    """Have an office read a sheet quickly; what it is given beside that stands in its settings."""
    office = life.office(center)
    settings = yaml.safe_load((office / "connector.yaml").read_text()) | yaml.safe_load(QUICK)
    for section, values in more.items():
        settings[section] = settings.get(section, {}) | values
    (office / "connector.yaml").chmod(0o600)
    (office / "connector.yaml").write_text(yaml.safe_dump(settings))
    (office / "mappings" / "partners.yaml").write_text(MAPPING)
    (office / "partners.csv").write_text(SHEET)


def _run(life: Life, center: str) -> Process:
    return life.start([*CONNECTOR, "run", "--office", str(life.office(center))])


def _is_done(life: Life, center: str) -> bool:
    """Return whether HQ has taken both rows of an office's sheet."""
    try:
        with Outbox(life.office(center) / OUTBOX, read_only=True) as outbox:
            return bool(outbox.status()["totals"]["accepted"] == 2)
    except (UsageError, Retriable):
        return False


async def _rotate(life: Life, running: Process) -> None:
    """Give an office another password, and HQ another key."""
    word, kept = life.root / "files" / "uz.password", life.office("uz") / "keys" / "kafka.password"
    assert (await life.run(life.hub("center", "rotate", "uz", "--to", str(word))))[0] == 0
    await running.stop()
    word.replace(kept)
    for arguments in (("key", "rotate", "receipts", "--reason", "a test"), ("key", "list", "--json")):
        assert (await life.run(life.hub(*arguments)))[0] == 0


async def _ask_everything(life: Life, wrong_word: str) -> None:
    """Run every command that tells somebody something, at both ends, with whatever is wrong."""
    root = life.root
    passphrase = root / "files" / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_bytes(life.place.given[PASSPHRASE][0] + b"\n")
    commands = [
        life.hub("backup", str(root / "files" / "backup"), "--sealed-by", str(passphrase), "--json"),
        life.hub("doctor", "--json"), life.hub("doctor"), life.hub("status", "--json"),
        life.hub("center", "list", "--json"), life.hub("center", "show", "uz", "--json"), life.hub("settings", "show"),
        life.hub("audit", "verify", "--json"), life.hub("log", "status", "--json"),
        life.hub("audit", "export", "--center", "uz", "-o", str(root / "files" / "evidence.zip"), "--json"),
        life.hub("log", "export", str(root / "files" / "log")), life.hub("quarantine", "list", "--json"),
        life.hub("ledger", "archive", "--older-than", "0"), life.hub("replay", "rebuild"),
        life.hub("center", "rotate", "nobody", "--to", str(root / "files" / "nobody.password")),
        *(
            (*CONNECTOR, *words, "--office", str(life.office(center)))
            for center in ("uz", "kz")
            for words in (["check", "--json"], ["check"], ["status", "--json"], ["status"])
        ),
        (*CONNECTOR, "join", str(root / "files" / "uz.cohub"), "--office", str(life.office("again")), "--wait", "0"),
    ]  # fmt: skip
    at_once = asyncio.Semaphore(AT_ONCE)

    async def run(command: tuple[str, ...]) -> None:
        async with at_once:
            await life.run(command)

    await asyncio.gather(*map(run, commands))
    given = {"COHUB_CONNECTOR_PASSWORD": wrong_word, "COHUB_CONNECTOR_USERNAME": "uz"}
    for words in (["check", "--json"], ["check"]):
        status, said = await life.run([*CONNECTOR, *words, "--office", str(life.office("uz"))], given)
        assert status != 0, said


async def _crash(
    life: Life, up: Process, web: Process, by_kafka: Process, by_https: Process, listen: tuple[str, ...]
) -> None:
    """Have every process crash; what is watched over comes back, and nothing leaves its memory."""
    for process in (web, by_kafka, by_https):
        assert not process.abort()
    web = life.start(listen, {"PYTHONASYNCIODEBUG": "1"})  # which says in its log what stands still, and where
    for crash, pid_of in (
        (signal.SIGABRT, pid_of_worker),
        (signal.SIGKILL, pid_of_worker),
        (signal.SIGABRT, pid_of_java),
    ):
        before = pid_of(life.place)
        assert limit_of(before, hard=True) == "1"
        os.kill(before, crash)
        await until(partial(_other, pid_of, life.place, before), up.said)
    await until(lambda: up.said().count("is back at"), up.said)
    os.kill(pid_of_java(life.place), signal.SIGSEGV)  # which Java itself tells of, in a file
    await until(lambda: up.said().count("is back at") == 2, up.said)
    reports = list(life.root.rglob("hs_err*"))
    assert [report.parent for report in reports] == [life.place.hub.broker]
    assert [report.stat().st_mode & 0o777 for report in reports] == [0o600]
    await web.stop()


def _other(pid_of: Any, place: Place, before: int) -> bool:
    try:
        return bool(pid_of(place) != before)
    except (FileNotFoundError, json.JSONDecodeError):
        return False


def _admin(life: Life) -> Cluster:
    where = life.place.hub
    security: Security = Principals(where.broker).security(ADMIN, where.authority)
    bootstrap = f"127.0.0.1:{(where.broker / 'port').read_text().strip()}"
    return Cluster.at(bootstrap, security)


def _unpack_archive(root: Path) -> None:
    """Write what the archive has packed beside it, unpacked."""
    for path in [*root.rglob("*.avro")]:
        with path.open("rb") as file:
            path.with_suffix(".unpacked").write_bytes(b"\n".join(_flat(list(fastavro.reader(file)))))


def _flat(value: Any) -> list[bytes]:
    if isinstance(value, dict):
        return [part for each in value.values() for part in _flat(each)]
    if isinstance(value, list | tuple):
        return [part for each in value for part in _flat(each)]
    return [value if isinstance(value, bytes) else str(value).encode()]
