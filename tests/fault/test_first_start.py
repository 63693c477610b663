"""`kill -9` while everything is made for the first time, at both ends; and several programs that make it at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random, SystemRandom

import pytest

from connectors.cli.main import run_command as run_connector
from connectors.mapping.person import PersonField, PersonSaid
from connectors.runtime.outbox import Outbox
from connectors.runtime.persons import Persons
from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity
from hub.protocol.note import sign_note
from hub.protocol.trust import Trust
from tests.support.cut import fork
from tests.support.folder import HUB, RECEIPTS, ROOT

pytestmark = pytest.mark.fault

ROUNDS = [pytest.param(15), pytest.param(400, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
AT_ONCE = 4


def start_hub(data: Path) -> None:
    """Do what the first start of a hub makes: keys, trust note, database, the first words of its lane."""
    where = HubFolder(data)
    where.ensure_identity(HUB)

    async def speak() -> None:
        async with where.headquarters():
            pass

    asyncio.run(speak())


def start_office(office: Path) -> None:
    """Do what the first start of an office makes: its folder, keys and notes, the outbox, the register of persons."""
    office.mkdir(parents=True, exist_ok=True)
    note = office.parent / "trust.note"
    if not (office / "connector.yaml").exists():
        options = ["--trust", str(note), "--center", "uz", "--bootstrap", "127.0.0.1:9", "--language", "en"]
        assert run_connector(["init", *options, "--office", str(office)]) == 0
    with Outbox(office / "outbox.sqlite3") as outbox:
        outbox.status()
    with Persons(office, HUB, "uz") as persons:
        persons.seal(PersonField("partner", "uz:P-1", "contact"), PersonSaid("anna", {"name": "Anna"}))


@contextmanager
def working(work: Callable[[Path], None], folder: Path) -> Iterator[int]:
    """Yield a child process that does the work; it is waited for."""
    child = fork()
    if child == 0:
        _do(work, folder)
    try:
        yield child
    finally:
        os.waitpid(child, 0)


def _do(work: Callable[[Path], None], folder: Path) -> None:
    code = 1
    try:
        with (folder.parent / f"{folder.name}.log").open("a") as log:
            sys.stdout = sys.stderr = log
            try:
                work(folder)
                code = 0
            except BaseException:  # noqa: BLE001  the parent reads it
                traceback.print_exc(file=log)
    finally:
        os._exit(code)


def done(work: Callable[[Path], None], folder: Path) -> None:
    """Do the work to its end in another process; fail with what it said where it does not come to one."""
    child = fork()
    if child == 0:
        _do(work, folder)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, (folder.parent / f"{folder.name}.log").read_text()


def is_whole(database: Path) -> bool:
    with closing(sqlite3.connect(database)) as db:
        return bool(db.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def check_hub(data: Path) -> None:
    where = HubFolder(data)
    assert load_identity(where.keys).hub == HUB
    with where.snapshot() as now:
        assert [lane.center for lane in now.lanes()] == ["hq"]
    assert is_whole(where.database)


def check_office(office: Path) -> None:
    assert is_whole(office / "outbox.sqlite3")
    assert (office / "connector.yaml").read_text().startswith("#")
    for purpose in ("seal", "witness"):
        assert (office / "keys" / f"{purpose}.key").stat().st_mode & 0o077 == 0


ENDS = [pytest.param(start_hub, check_hub, id="hq"), pytest.param(start_office, check_office, id="office")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a trust note that offices pin."""
    trust = sign_note(Trust(HUB, ROOT.verifier, (RECEIPTS.verifier,)).to_text(), [ROOT])
    (tmp_path / "trust.note").write_bytes(trust.to_bytes())
    return tmp_path


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize(("work", "check"), ENDS)
def test_start_that_is_killed_is_done_by_the_next(
    folder: Path, work: Callable[[Path], None], check: Callable[[Path], None], rounds: int
) -> None:
    """Whenever it dies, once or twice, the next start finds nothing that stops it, and makes all of it."""
    seed = int(os.environ.get("COHUB_FAULT_SEED") or SystemRandom().randrange(2**32))
    rng = Random(seed)
    print(f"COHUB_FAULT_SEED={seed} makes the same choices again")  # noqa: T201  pytest shows it on failure
    work(folder / "first")  # here, so that every child has what it imports, and is killed at its work
    began = time.monotonic()
    done(work, folder / "whole")
    whole_s = time.monotonic() - began
    check(folder / "whole")
    for number in range(rounds):
        at = folder / str(number)
        for _ in range(rng.choice([1, 1, 2])):
            with working(work, at) as child:
                time.sleep(rng.uniform(0, whole_s))
                os.kill(child, signal.SIGKILL)
        done(work, at)
        check(at)


@pytest.mark.parametrize(("work", "check"), [ENDS[0]])
def test_programs_that_start_a_hub_at_once_make_one(
    folder: Path, work: Callable[[Path], None], check: Callable[[Path], None]
) -> None:
    """Some may be told that another one is at it; none leaves anything that stops the next."""
    at = folder / "data"
    children = []
    for _ in range(AT_ONCE):
        child = fork()
        if child == 0:
            _do(work, at)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    done(work, at)
    check(at)
