"""A worker whose database went back gives the receipts again that HQ had given, and no others before them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.hq.bases import bases_at
from hub.ledger.owed import NotAsSigned, Owed, honoured, owed, read_owed
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.note import sign_note
from hub.protocol.receipt import Receipt
from hub.protocol.record import CONTROL_HEADER
from hub.protocol.witness import LENT_RECEIPT_KIND
from hub.store.backup_copy import copy_database
from hub.store.owed_store import Begun, KeptReceipt
from hub.worker.owing import Owing, Source, _append
from tests.support.center import NOW, RELEASED, Center, Sent
from tests.support.consolidator import Clock, Seen, consolidator, size
from tests.support.hq import IDENTITY, Hq
from tests.support.peek import peek

RECEIPTS = (
    "SELECT l.origin, r.first, r.last, r.note, r.edge, r.seal, r.recorded_at_us, r.basis, r.state_digest"
    " FROM receipt r JOIN lane l ON l.id = r.lane_id ORDER BY l.origin, r.last"
)
LEDGER = (
    "SELECT l.origin, e.sequence, e.data, e.code, e.field, e.params, e.version FROM ledger e"
    " JOIN lane l ON l.id = e.lane_id ORDER BY l.origin, e.sequence"
)
ENTITIES = "SELECT stream, id, document, digest, recorded_at_us FROM entity ORDER BY stream, id"


@dataclass
class Gone:
    """HQ as it was, and a database of it that went back; what the center wrote since, and the receipts for it."""

    before: Hq
    after: Hq
    center: Center
    records: list[Sent]
    receipts: list[KeptReceipt]

    @property
    def source(self) -> Source:
        return Source(self.after.store, self.after.headquarters, IDENTITY, RELEASED)

    def is_as_before(self) -> None:
        for query in (RECEIPTS, LEDGER, ENTITIES):
            assert peek(self.after.database, query) == peek(self.before.database, query), query


@pytest.fixture
async def gone(tmp_path: Path) -> AsyncIterator[Gone]:
    """Yield a hub that has judged some events, then changed its own lane, then judged more, and went back."""
    center = Center()
    async with AsyncExitStack() as closing:
        hq = await Hq.open(tmp_path / "a", center)
        closing.push_async_callback(hq.store.close)
        await hq.feed("uz", center.opened(3))
        (tmp_path / "b").mkdir()
        copy_database(hq.database, tmp_path / "b" / "hub.sqlite3")
        lane_size = (await hq.headquarters.lane.read()).size
        records: list[Sent] = []
        at = NOW
        for number, name in enumerate(("kz", "kg", "tj")):
            batch = center.offers(1 + number, first=10 * (1 + number)) + center.offers(2, first=10 * (5 + number))
            at += timedelta(minutes=7)
            await hq.feed("uz", batch, at)
            records += batch
            await hq.register(Center(name))
        kept = [
            KeptReceipt("uz", origin, last, note)
            for origin, first, last, note, *_ in peek(hq.database, RECEIPTS)
            if origin == center.origin and first > 4
        ]
        again = await Hq.open(tmp_path / "b")
        closing.push_async_callback(again.store.close)
        assert size(again, center) == 4
        for stretch in (await hq.store.hq_lane(lane_size)).stretches:
            await again.headquarters.take_in(stretch)
        yield Gone(hq, again, center, records, kept)


async def taken(gone: Gone, owing: Owing, fetches: Sequence[Sequence[Any]]) -> Any:
    """Take these fetches; return the consolidator."""
    made = consolidator(gone.after, Seen(), Clock(), owing=owing)
    await made.assign(["uz"])
    for fetch in fetches:
        if fetch:
            await made.handle("uz", fetch)
    return made


async def test_hq_lane_comes_back_with_its_bytes(gone: Gone) -> None:
    """Seals, receipts and what follows from them are those of before; what does not follow is refused."""
    query = "SELECT data FROM ledger e JOIN lane l ON l.id = e.lane_id WHERE l.center = 'hq' ORDER BY sequence"
    assert peek(gone.after.database, query) == peek(gone.before.database, query)
    first = (await gone.before.store.hq_lane(0)).stretches[0]
    with pytest.raises(Malformed):
        await gone.after.headquarters.take_in(first)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 100])
async def test_events_that_are_read_again_get_the_same_receipts(gone: Gone, count: int) -> None:
    """However fetches end: verdicts, entities and receipts are those of before, byte for byte."""
    await gone.after.store.owed.keep(gone.receipts)
    fetches = [gone.records[at : at + count] for at in range(0, len(gone.records), count)]
    await taken(gone, Owing(gone.source), fetches)
    gone.is_as_before()
    assert await gone.after.store.owed.owed() == []


async def test_receipts_survive_the_worker(gone: Gone) -> None:
    """A worker that ends in the middle leaves the rest to the next, which reads from the position in SQL."""
    await gone.after.store.owed.keep(gone.receipts)
    await taken(gone, Owing(gone.source), [gone.records[:4]])
    done = size(gone.after, gone.center)
    assert 4 < done < gone.center.edge.size
    left = [r for r in gone.records if r.offset > gone.records[0].offset + done - 5]
    await taken(gone, Owing(gone.source), [left])
    gone.is_as_before()


async def test_receipts_that_an_office_lends_count_as_hqs_own(gone: Gone) -> None:
    """They come on its topic before the events; what HQ has not signed, or has already, is passed over."""
    lent = [Sent(b"uz", one.note, ((CONTROL_HEADER, LENT_RECEIPT_KIND.encode()),)) for one in gone.receipts]
    forged = Sent(b"uz", gone.receipts[0].note.replace(b"basis", b"Basis"), lent[0].headers)
    first = gone.records[0].offset
    placed = [Sent(r.key, r.value, r.headers, first + n) for n, r in enumerate([forged, *lent, *lent, *gone.records])]
    await taken(gone, Owing(gone.source), [placed])
    gone.is_as_before()


def others(gone: Gone, count: int = 12) -> list[Sent]:
    """Return other events at the places of those that HQ had receipted."""
    other = Center(offsets=iter(range(gone.records[0].offset - 4, 1000)))
    other.opened(3)
    return other.offers(count, first=70)


def lent(gone: Gone, *behind: Sent) -> list[Sent]:
    """Return the receipts as an office lends them, and what comes behind them."""
    headers = ((CONTROL_HEADER, LENT_RECEIPT_KIND.encode()),)
    records = [*(Sent(b"uz", one.note, headers) for one in gone.receipts), *behind]
    return [Sent(r.key, r.value, r.headers, gone.records[0].offset + n) for n, r in enumerate(records)]


async def test_other_events_wait_until_a_person_gives_the_receipts_up(gone: Gone) -> None:
    """What does not come to the receipt that HQ signed is neither judged nor kept; then it is read again, and judged.

    Nobody takes the lane for one that stands still: it is not read.
    """
    await gone.after.store.owed.keep(gone.receipts)
    records, owing, seen = others(gone), Owing(gone.source), Seen()
    made = consolidator(gone.after, seen, Clock(), owing=owing)
    position = (await made.assign(["uz"]))["uz"]
    for fetch in (records[:5], records[5:]):  # the second was fetched before the lane was paused
        await made.handle("uz", fetch)
    await made.look_again()
    assert (size(gone.after, gone.center), owing.take("uz"), made.positions()) == (4, [], {})
    assert (seen.paused, seen.sought) == ({"uz"}, [])
    # The person who gives them up has no need to say that they might come: a worker has said that they don't.
    assert await gone.after.store.owed.begin_log(1, "a test", NOW) == Begun(len(gone.receipts), {})
    await made.look_again()
    assert (seen.paused, seen.sought) == (set(), [("uz", position)])
    await made.handle("uz", records)
    assert size(gone.after, gone.center) == 16
    await made.look_again()
    assert len(seen.sought) == 1


async def test_stretch_of_the_hq_lane_that_another_worker_has_taken_in_is_passed_over(gone: Gone) -> None:
    """Two that start at once on a restored hub: who comes second goes on behind it, and ends with all of it."""
    lane = gone.after.headquarters.lane
    before = await lane.read()
    (stretch,) = (await gone.before.store.hq_lane(before.size - 1)).stretches[-1:]
    await _append(gone.after.headquarters, stretch, before.size)
    assert (await lane.read()).size == before.size
    with pytest.raises(Malformed):  # what is not there, and does not follow, is refused as before
        await _append(gone.after.headquarters, stretch, before.size + 1)


async def test_one_center_is_given_up_without_the_others(gone: Gone) -> None:
    """What HQ still owes to another one holds up nobody else."""
    await gone.after.store.owed.keep(gone.receipts)
    await gone.after.store.owed.keep([KeptReceipt("kz", f"{IDENTITY.hub}/kz/0000abcd", 1, b"n")])
    records = others(gone)
    made = await taken(gone, Owing(gone.source), [records])
    assert await gone.after.store.owed.forget([gone.center.origin]) == len(gone.receipts)
    await made.look_again()
    await made.handle("uz", records)
    assert size(gone.after, gone.center) == 16
    assert len(await gone.after.store.owed.owed()) == 1


async def test_lent_receipts_that_were_given_up_are_owed_no_more_when_read_again(gone: Gone) -> None:
    """They lie before the events: were they heard again, the lane would stand still for ever."""
    records = lent(gone, *others(gone))
    made = await taken(gone, Owing(gone.source), [records])
    assert size(gone.after, gone.center) == 4
    assert await gone.after.store.owed.forget() == len(gone.receipts)
    await made.look_again()
    await made.handle("uz", records)
    assert size(gone.after, gone.center) == 16
    assert await gone.after.store.owed.owed() == []


async def test_what_is_held_back_for_a_receipt_is_bounded(gone: Gone) -> None:
    """A center that sends its first event and then other things for ever, is not waited for without end."""
    await gone.after.store.owed.keep(gone.receipts)
    owing = Owing(gone.source)
    made = await taken(gone, owing, [])
    await made.handle("uz", gone.records[:1])
    held = owing.take("uz")
    await owing.hold("uz", held)
    assert (owing.is_lost("uz"), len(held)) == (False, 1)
    filling = b"x" * (4 << 20)
    for number in range(1, 40):
        await made.handle("uz", [Sent(b"uz", filling, ((CONTROL_HEADER, b"?"),), gone.records[0].offset + number)])
    assert (owing.is_lost("uz"), owing.take("uz"), size(gone.after, gone.center)) == (True, [], 4)


async def test_receipts_that_another_worker_honoured_are_owed_no_more(gone: Gone) -> None:
    """A lane that comes back finds what SQL has by then, though this worker knew of the receipts when it started."""
    await gone.after.store.owed.keep(gone.receipts)
    first = await taken(gone, Owing(gone.source), [])
    await first.revoke(["uz"])
    await (await taken(gone, Owing(gone.source), [gone.records])).revoke(["uz"])
    gone.is_as_before()
    done = size(gone.after, gone.center)
    await first.assign(["uz"])
    await first.handle("uz", gone.center.offers(2, first=90))
    assert size(gone.after, gone.center) == done + 2


async def test_receipts_that_another_worker_was_lent_are_owed_here(gone: Gone) -> None:
    """They were read and are in SQL; whoever has the lane next gives them again, and signs no others."""
    ours = await taken(gone, Owing(gone.source), [])
    await ours.revoke(["uz"])
    theirs = await taken(gone, Owing(gone.source), [lent(gone)])
    await theirs.revoke(["uz"])
    await ours.assign(["uz"])
    behind = len(gone.receipts)
    await ours.handle("uz", [Sent(r.key, r.value, r.headers, r.offset + behind) for r in gone.records])
    gone.is_as_before()


async def test_lane_that_comes_back_to_its_worker_goes_on(gone: Gone) -> None:
    """What was held back is forgotten, and read again from the position in SQL."""
    await gone.after.store.owed.keep(gone.receipts)
    made = await taken(gone, Owing(gone.source), [gone.records[:4]])
    done = size(gone.after, gone.center)
    await made.revoke(["uz"])
    await made.assign(["uz"])
    await made.handle("uz", [r for r in gone.records if r.offset > gone.records[0].offset + done - 5])
    gone.is_as_before()


async def test_lane_is_read_again_though_what_is_owed_could_not_be_asked(
    gone: Gone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that fails at a busy database is done again by the next one."""
    owing, seen = Owing(gone.source), Seen()
    made = consolidator(gone.after, seen, Clock(), owing=owing)
    position = (await made.assign(["uz"]))["uz"]
    term, _ = (await gone.after.store.changes()).intakes["uz"]
    await gone.after.store.set_status("uz", term, "waiting", "")

    async def busy(_centers: object) -> None:
        raise Retriable("busy")

    with monkeypatch.context() as patched:
        patched.setattr(owing, "assigned", busy)
        await made.look_again()
    assert seen.sought == []
    await made.look_again()
    assert seen.sought == [("uz", position)]


async def test_nothing_owed_costs_one_question_at_an_assignment(gone: Gone) -> None:
    """It is asked at each rebalance, for thousands of lanes."""
    asked: list[str] = []

    class Asked:
        def __getattr__(self, name: str) -> Any:
            asked.append(name)
            return getattr(gone.after.store.owed, name)

    class Around:
        owed = Asked()

    source = Source(Around(), gone.after.headquarters, IDENTITY, RELEASED)  # type: ignore[arg-type]
    await Owing(source).assigned([f"c{number}" for number in range(3_000)])
    assert asked == ["owed"]


async def test_basis_is_had_at_each_size_of_the_hq_lane(gone: Gone) -> None:
    """As far as the lane has been so long: where it has not, nothing is had."""
    newest = (await gone.after.headquarters.lane.read()).size
    wanted = {newest - 1, newest, newest + 1}
    found = await bases_at(gone.after.store, gone.after.headquarters, IDENTITY, RELEASED, wanted)
    assert {at: basis.size for at, basis in found.items()} == {newest - 1: newest - 1, newest: newest}


def test_receipts_of_a_center_are_owed_without_a_gap() -> None:
    """What the ledger has is left out, and so is all behind a hole; each counts once."""
    keys = IDENTITY.hq_keys()

    def given(first: int, last: int, epoch: str = "0000abcd", center: str = "uz") -> Owed | None:
        receipt = Receipt(f"{IDENTITY.hub}/uz/{epoch}", first, last, b"r" * 32, NOW, 7)
        return read_owed(center, sign_note(receipt.to_text(), [IDENTITY.receipts]).to_bytes(), keys)

    one, two, four, new = (given(1, 3), given(4, 9), given(12, 12), given(1, 2, "0000abce"))
    assert one is not None
    assert two is not None
    assert four is not None
    assert new is not None
    assert owed([one, two, two, four, new, one], {one.origin: 3}) == [two, new]
    assert owed([two], {}) == []
    assert given(1, 3, center="kz") is None
    assert given(1, 3, center="hq") is None
    assert read_owed("uz", sign_note(one.receipt.to_text(), [IDENTITY.log]).to_bytes(), keys) is None
    assert read_owed("uz", b"nothing", keys) is None


async def test_step_with_another_verdict_is_not_as_signed(gone: Gone) -> None:
    """A receipt is given again only where the text is the very same."""
    step = await gone.after.feed("uz", gone.records[:3], NOW + timedelta(minutes=8))
    one = read_owed("uz", gone.receipts[0].note, IDENTITY.hq_keys())
    assert one is not None
    with pytest.raises(NotAsSigned):
        honoured(step, one)
