"""What HQ says in its own lane."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hub.base.faulty import Fault
from hub.hq.headquarters import Headquarters, HqEvent
from hub.hq.saying import say
from hub.protocol.errors import Fatal, Retriable
from hub.protocol.keys import Signer
from hub.protocol.note import Note
from hub.protocol.record import split_canonical
from hub.protocol.tree import Edge
from hub.protocol.trust import Trust
from hub.store.faulty import FaultyStore
from tests.support.center import HUB, NOW, RELEASED, Center
from tests.support.checker import check, trust_of
from tests.support.hq import IDENTITY, Hq, center_record
from tests.support.peek import peek


def links(hq: Hq) -> list[tuple[str, bytes | None, bytes | None, bytes | None]]:
    """Return type, id, correlation and cause of every event in the hq lane."""
    rows = peek(hq.database, "SELECT type, data FROM ledger JOIN lane ON id = lane_id WHERE center = 'hq' ORDER BY 1")
    found = []
    for kind, data in rows:
        headers = dict(split_canonical(data)[0])
        found.append((kind, *(headers.get(f"ce_{name}") for name in ("id", "correlationid", "causationid"))))
    return found


async def test_events_said_in_one_call_have_one_correlation(tmp_path: Path) -> None:
    """It is the id of the first; what is said alone names nothing, nor does the opening of the lane."""
    hq = await Hq.open(tmp_path, Center("uz"))
    registered = "net.cohub.center.registered.v1"
    events = [HqEvent(registered, name, center_record(Center(name))) for name in ("kz", "tj")]
    await hq.headquarters.say(events, NOW)
    found = links(hq)
    assert all(cause is None for _, _, _, cause in found)
    assert [correlation for kind, _, correlation, _ in found if kind == "net.cohub.lane.opened.v1"] == [None]
    announced = [(event_id, c) for kind, event_id, c, _ in found if kind == "net.cohub.schema.announced.v1"]
    assert len(announced) > 1
    assert len({correlation for _, correlation in announced}) == 1
    assert announced[0][1] in {event_id for _, event_id, _, _ in found}
    told = [(event_id, correlation) for kind, event_id, correlation, _ in found if kind == registered]
    alone = [event_id for event_id, correlation in told if correlation is None]
    together = [(event_id, c) for event_id, c in told if c is not None and c != announced[0][1]]
    assert (len(alone), len(together)) == (1, 2)
    assert len({correlation for _, correlation in together} & {event_id for event_id, _ in together}) == 1
    await hq.store.close()


@pytest.mark.parametrize("method", ["claim", "commit"])
async def test_what_hq_says_over_a_failing_store_stands_once(tmp_path: Path, method: str) -> None:
    """Not written, it is an error and can be said again; written though the answer was lost, it is none."""
    plain = await Hq.open(tmp_path)
    store = FaultyStore(plain.store)
    headquarters = Headquarters(store, IDENTITY, RELEASED)
    for fault, name in ((Fault.REFUSED, "uz"), (Fault.APPLIED, "kz")):
        event = HqEvent("net.cohub.center.registered.v1", name, center_record(Center(name)))
        store.fail(fault, method)
        if (method, fault) == ("commit", Fault.APPLIED):
            step = await headquarters.say([event], NOW)
            assert [row.subject for commit in step.commits for row in commit.rows] == ["hq:kz"]
        else:
            with pytest.raises(Retriable):
                await headquarters.say([event], NOW)
            await headquarters.say([event], NOW)
    said = "SELECT subject FROM ledger WHERE type = 'net.cohub.center.registered.v1' AND code = 'ACCEPTED' ORDER BY 1"
    assert peek(plain.database, said) == [("hq:hq",), ("hq:kz",), ("hq:uz",)]
    assert check(plain.database, trust_of(IDENTITY)) == []
    await plain.store.close()


async def test_hq_signs_what_it_says_by_the_keys_that_are_in_use_then(tmp_path: Path) -> None:
    """Receipts key and hq key are rotated beside a running worker: its own lane goes on under the new ones."""
    plain, identity = await Hq.open(tmp_path), replace(IDENTITY)
    headquarters = Headquarters(plain.store, identity, RELEASED)
    keys = (Signer(f"{HUB}/receipts", b"n" * 32), Signer(f"{HUB}/hq", b"o" * 32))
    both = [(old.verifier, new.verifier) for old, new in zip((IDENTITY.receipts, IDENTITY.hq), keys, strict=True)]
    trust = Trust(HUB, Signer(f"{HUB}/root", b"t" * 32).verifier, both[0], hqs=both[1], serial=2, time=NOW)
    identity.renew(replace(IDENTITY, receipts=keys[0], hq=keys[1], trust=trust))
    event = HqEvent("net.cohub.center.registered.v1", "uz", center_record(Center()))
    step = await headquarters.say([event], NOW)
    (commit,) = step.commits
    assert Note.from_bytes(commit.note).signatures[0].key_id == keys[0].verifier.key_id
    await plain.store.close()


async def test_store_that_answers_nothing_any_more_leaves_it_open_and_nobody_says_it_again(tmp_path: Path) -> None:
    """Who tries Retriable again would say it twice."""
    plain = await Hq.open(tmp_path)

    class Gone(FaultyStore):
        async def edge_at(self, origin: str, size: int) -> Edge | None:
            raise Retriable("gone")

    store = Gone(plain.store)
    store.fail(Fault.APPLIED, "commit")
    event = HqEvent("net.cohub.center.registered.v1", "uz", center_record(Center("uz")))
    with pytest.raises(Fatal, match="it is not known whether the hq lane has what was said"):
        await say(Headquarters(store, IDENTITY, RELEASED), [event])
    assert store.writes == 2
    await plain.store.close()
