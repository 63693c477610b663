"""Each write that a worker makes to its store, refused once, and once done though it heard that it failed."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.base.faulty import Fault
from hub.hq.headquarters import Headquarters
from hub.hq.saying import again
from hub.ledger.lane import Status
from hub.protocol.errors import Retriable
from hub.store.faulty import FaultyStore
from tests.support.center import RELEASED, Center
from tests.support.checker import check, trust_of
from tests.support.engines import open_store
from tests.support.hq import IDENTITY, Hq, registered
from tests.support.lives import Lives
from tests.support.peek import peek
from tests.support.sender import of_centers, outcome

LATER = datetime(2040, 1, 1, tzinfo=UTC)
FAULTS = [pytest.param(fault, id=fault.value) for fault in Fault]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database that knows two of three centers."""
    return registered(tmp_path_factory.mktemp("template"), Center("uz"), Center("by"))


async def live(
    template: Path, path: Path, method: str = "", fault: Fault = Fault.REFUSED, nth: int = 1
) -> tuple[Any, int, int]:
    """Return what HQ comes to, how often its worker was started again, and how many of its writes failed.

    Fails the `nth` call of `method`. uz writes; by forks; kz has to wait until it is registered, and then goes on.
    """
    shutil.copy(template, path)
    plain = open_store(path)
    store = FaultyStore(plain)
    failed: list[str] = []

    def error(text: str) -> Retriable:
        failed.append(text)
        return Retriable(text)

    if method:
        store.fail(fault, method, nth, error)
    uz, by, kz = Center("uz"), Center("by"), Center("kz")
    copy = Center("by", offsets=by.offsets)
    lives = Lives(store, lambda: LATER)
    lives.topics = {
        "by": [*by.opened(2), *copy.opened(1), *copy.offers(1, first=88)],
        "kz": kz.opened(2),
        "uz": [*uz.opened(3), *uz.offers(2, first=10), *uz.offers(2, first=20)],
    }
    await lives.run()
    await Hq(plain, Headquarters(plain, IDENTITY, RELEASED), {}, now=LATER).register(kz)
    await lives.run()
    await plain.close()
    assert check(path, trust_of(IDENTITY)) == []
    found = of_centers(outcome(path)) | {
        "intakes": peek(path, "SELECT center, status, why, next_offset FROM intake WHERE center <> 'hq' ORDER BY 1"),
        "evidence": peek(path, "SELECT origin, size FROM evidence"),
    }
    return found, lives.deaths, len(failed)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", ["claim", "commit", "set_status", "keep_evidence"])
async def test_worker_whose_write_failed_comes_to_the_same(
    template: Path, tmp_path: Path, method: str, fault: Fault
) -> None:
    """Every event is there once, every verdict, status and proof of a fork, as if nothing had failed.

    It is started again for it, but not where a look failed: what only a look writes is a status, and the next one does.
    """
    expected, deaths, failed = await live(template, tmp_path / "well.sqlite3")
    assert (deaths, failed) == (0, 0)
    assert [(center, status) for center, status, *_ in expected["intakes"]] == [
        ("by", "forked"), ("kz", "reading"), ("uz", "reading"),
    ]  # fmt: skip
    nth = 1
    while True:
        found, deaths, failed = await live(template, tmp_path / f"{nth}.sqlite3", method, fault, nth)
        if not failed:
            break
        assert (found, deaths) == (expected, 0 if method == "set_status" else 1), nth
        nth += 1
    assert nth > (4 if method == "commit" else 1)


@pytest.mark.parametrize("fault", FAULTS)
async def test_person_who_resumes_a_lane_again_after_an_error_resumes_it(tmp_path: Path, fault: Fault) -> None:
    """Whether the first attempt was done or not, the lane reads, and its worker sees it."""
    uz = Center("uz")
    hq = await Hq.open(tmp_path, uz)
    store = FaultyStore(hq.store)
    lives = Lives(store, lambda: LATER, {"uz": uz.opened(2)})
    await lives.run()
    term = (await store.changes()).intakes["uz"][0]
    await store.set_status("uz", term, Status.PARKED, "a fault")
    lives.worker = None
    await lives.run()
    assert lives.positions.paused == {"uz"}
    store.fail(fault, "resume")
    assert await again(lambda: store.resume("uz")) == (Status.READING if fault is Fault.APPLIED else Status.PARKED)
    lives.topics["uz"] += uz.offers(1, first=9)
    await lives.run()
    assert (await store.changes()).intakes["uz"] == (term + 1, Status.READING)
    assert peek(hq.database, "SELECT size FROM lane WHERE center = 'uz'") == [(4,)]
    await hq.store.close()
