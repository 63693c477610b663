"""The checker itself: silent on a clean run, and every seeded defect is found at its place."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from hub.protocol.receipt import RECEIPT
from hub.protocol.tree import leaf_hash
from hub.protocol.trust import Trust
from tests.support.checker import Finding, Office, Record, check, row_verdicts, trust_of
from tests.support.network import Network
from tests.support.sheet import Sheet

pytestmark = [pytest.mark.fault, pytest.mark.integration]

EDITS = 12


@dataclass
class Run:
    """What one run left behind: HQ's database, each center's outbox and sheet, the topics."""

    database: Path
    trust: Trust
    offices: tuple[Office, ...]
    topics: tuple[Record, ...]

    def copy(self, folder: Path) -> Run:
        """Return a copy of the files in `folder`, to be spoiled."""
        shutil.copy(self.database, folder / "hub.sqlite3")
        offices = []
        for office in self.offices:
            sheet = Sheet(folder)
            sheet.rows, sheet.ever = dict(office.sheet.rows), dict(office.sheet.ever)
            outbox = folder / f"{office.center}.sqlite3"
            shutil.copy(office.outbox, outbox)
            offices.append(Office(office.center, outbox, sheet))
        return replace(self, database=folder / "hub.sqlite3", offices=tuple(offices))

    def check(self) -> list[Finding]:
        return check(self.database, self.trust, self.offices, self.topics)

    def ask(self, query: str, *values: object, file: Path | None = None) -> list[tuple[object, ...]]:
        """Run one statement on HQ's database, or another file."""
        db = sqlite3.connect(file or self.database)
        try:
            with db:
                return db.execute(query, values).fetchall()
        finally:
            db.close()


async def clean_run(folder: Path) -> Run:
    """Run a network of two centers for a while; nobody is killed."""
    rng = Random(7)
    network = await Network.set_up(folder, ("uz", "kz"))
    try:
        for office in network.offices:
            office.sheet.add(rng, 40)
            office.sheet.save()
        network.start()
        await network.settle()
        for number in range(EDITS):
            for office in network.offices:
                office.sheet.edit(rng)
                office.mark(f"END-{number}")
            await network.until(lambda: all(office.is_settled() for office in network.offices), 60)
        await network.until(network.is_published, 30)
        assert await network.check() == []
        return Run(
            network.hub.data_dir / "hub.sqlite3",
            trust_of(network.hub.identity),
            tuple(Office(o.id, o.outbox, o.sheet) for o in network.offices),
            tuple(await network.read_topics()),
        )
    finally:
        network.kill()


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Yield one clean run, which no test changes."""
    loop = asyncio.new_event_loop()
    try:
        yield loop.run_until_complete(clean_run(tmp_path_factory.mktemp("clean")))
    finally:
        loop.close()


@pytest.fixture
def run(clean: Run, tmp_path: Path) -> Run:
    """Return a copy of the clean run, to be spoiled."""
    return clean.copy(tmp_path)


def place(run: Run, where: str = "code = 'ACCEPTED' AND type LIKE '%revised%'") -> tuple[int, str, int]:
    """Return lane id, origin and sequence of an event in the middle of a center's lane."""
    found = run.ask(
        "SELECT lane_id, origin, sequence FROM ledger JOIN lane ON lane.id = lane_id"
        f" WHERE center = 'uz' AND sequence < size AND {where} ORDER BY sequence DESC LIMIT 1"
    )
    lane, origin, sequence = found[0]
    assert isinstance(lane, int)
    assert isinstance(sequence, int)
    return lane, str(origin), sequence


def has(findings: list[Finding], what: str, where: str) -> bool:
    return any(finding.what == what and finding.where.startswith(where) for finding in findings)


@pytest.mark.long
def test_clean_run_has_no_finding_and_all_kinds_of_rows(run: Run) -> None:
    """No false alarm, on a run in which rows were accepted, refused by the connector and rejected by HQ."""
    assert run.check() == []
    states = {state for _, state, _ in row_verdicts(run.offices[0].outbox)}
    assert {"accepted", "refused", "rejected"} <= states
    assert len(run.ask("SELECT 1 FROM entity WHERE version > 2 AND center = 'uz'")) > 5


def drop_row(run: Run) -> tuple[str, str]:
    lane, origin, sequence = place(run)
    run.ask("DELETE FROM ledger WHERE lane_id = ? AND sequence = ?", lane, sequence)
    return "LEDGER_GAP", f"{origin} {sequence}"


def double_event(run: Run) -> tuple[str, str]:
    """An event once more, under a new sequence, with the lane's size and edge as if it belonged there."""
    lane, origin, sequence = place(run)
    run.ask(
        "INSERT INTO ledger SELECT lane_id, (SELECT size + 1 FROM lane WHERE id = lane_id), data, digest, code, field,"
        " params, key, type, subject, occurred_at_us, version + 1, lane_id, sequence FROM ledger"
        " WHERE lane_id = ? AND sequence = ?",
        lane,
        sequence,
    )
    run.ask("UPDATE lane SET size = size + 1 WHERE id = ?", lane)
    (size,) = run.ask("SELECT size FROM lane WHERE id = ?", lane)[0]
    return "TWICE", f"{origin} {size}"


def swap_events(run: Run) -> tuple[str, str]:
    """Two events change places, digests and all."""
    lane, origin, sequence = place(run)
    for source, target in ((sequence, -1), (sequence + 1, sequence), (-1, sequence + 1)):
        run.ask("UPDATE ledger SET sequence = ? WHERE lane_id = ? AND sequence = ?", target, lane, source)
    return "WRONG_PLACE", f"{origin} {sequence}"


def accept_a_rejected(run: Run) -> tuple[str, str]:
    lane, origin, sequence = place(run, "code <> 'ACCEPTED'")
    run.ask("UPDATE ledger SET code = 'ACCEPTED' WHERE lane_id = ? AND sequence = ?", lane, sequence)
    return "VERDICT", f"{origin} {sequence}"


def reject_an_accepted(run: Run) -> tuple[str, str]:
    lane, origin, sequence = place(run)
    run.ask("UPDATE ledger SET code = 'BAD_FIELD', version = 0 WHERE lane_id = ? AND sequence = ?", lane, sequence)
    return "VERDICT", f"{origin} {sequence}"


def edit_the_bytes(run: Run) -> tuple[str, str]:
    lane, origin, sequence = place(run)
    run.ask(
        "UPDATE ledger SET data = CAST(substr(data, 1, length(data) - 1) || x'21' AS BLOB)"
        " WHERE lane_id = ? AND sequence = ?",
        lane,
        sequence,
    )
    return "LEDGER_BYTES", f"{origin} {sequence}"


def edit_bytes_and_digest(run: Run) -> tuple[str, str]:
    """The digest is that of the new bytes: the tree knows, and so does the center."""
    lane, origin, sequence = place(run)
    (data,) = run.ask("SELECT data FROM ledger WHERE lane_id = ? AND sequence = ?", lane, sequence)[0]
    assert isinstance(data, bytes)
    forged = data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]
    run.ask(
        "UPDATE ledger SET data = ?, digest = ? WHERE lane_id = ? AND sequence = ?",
        forged,
        leaf_hash(forged),
        lane,
        sequence,
    )
    return "DIGEST", f"{origin} {sequence}"


def edit_receipt_at_hq(run: Run) -> tuple[str, str]:
    lane, origin, sequence = place(run)
    first, last = run.ask("SELECT first, last FROM receipt WHERE lane_id = ? AND last >= ? LIMIT 1", lane, sequence)[0]
    run.ask(
        "UPDATE receipt SET note = CAST(replace(note, 'from ', 'From ') AS BLOB) WHERE lane_id = ? AND last = ?",
        lane,
        last,
    )
    return "RECEIPT_NOTE", f"{origin} {first}-{last}"


def edit_receipt_at_center(run: Run) -> tuple[str, str]:
    _, origin, sequence = place(run)
    outbox = run.offices[0].outbox
    first, last = run.ask("SELECT first, last FROM receipt WHERE last >= ? LIMIT 1", sequence, file=outbox)[0]
    run.ask("UPDATE receipt SET note = note || x'0a' WHERE last = ?", last, file=outbox)
    return "RECEIPT_HELD", f"{origin} {first}-{last}"


def lose_receipt_at_center(run: Run) -> tuple[str, str]:
    _, origin, sequence = place(run)
    outbox = run.offices[0].outbox
    first, last = run.ask("SELECT first, last FROM receipt WHERE last >= ? LIMIT 1", sequence, file=outbox)[0]
    run.ask("DELETE FROM receipt WHERE last = ?", last, file=outbox)
    return "PENDING", f"{origin} {first}"


def edit_entity(run: Run) -> tuple[str, str]:
    entity = "uz:END-11"
    run.ask("UPDATE entity SET document = replace(document, 'Marker', 'Marked') WHERE id = ?", entity)
    return "ENTITY", f"offer/{entity}"


def edit_state_digest(run: Run) -> tuple[str, str]:
    _, origin, _ = place(run)
    run.ask("UPDATE lane SET state_digest = zeroblob(32) WHERE origin = ?", origin)
    return "LANE_ROW", origin


def miscount(run: Run) -> tuple[str, str]:
    _, origin, _ = place(run)
    run.ask("UPDATE measure SET value = '1000' WHERE key = 'offer.published'")
    return "MEASURE", f"{origin} offer.published"


def change_a_row(run: Run) -> tuple[str, str]:
    """What a sheet says never reached HQ."""
    sheet = run.offices[0].sheet
    key = next(key for key, row in sheet.rows.items() if not (row.refused or row.rejected))
    sheet.rows[key] = replace(sheet.rows[key], title="Never told")
    return "LOST", f"offer/uz:{key}"


def drop_event_of_topic(run: Run) -> tuple[str, str]:
    events = [r for r in run.topics if r.topic == "events" and dict(r.headers)["ce_source"] == b"/centers/uz"]
    headers = dict(events[9].headers)
    run.topics = tuple(r for r in run.topics if r is not events[9])
    return "EVENTS_MISSING", f"uz/{headers['ce_epoch'].decode()} {int(headers['ce_sequence'])}"


def swap_events_of_topic(run: Run) -> tuple[str, str]:
    """A reader by sequence drops what comes behind a higher number."""
    topics = list(run.topics)
    first, second = [
        n for n, r in enumerate(topics) if r.topic == "events" and dict(r.headers)["ce_source"] == b"/centers/uz"
    ][9:11]
    headers = dict(topics[first].headers)
    topics[first], topics[second] = topics[second], topics[first]
    run.topics = tuple(topics)
    return "EVENTS_MISSING", f"uz/{headers['ce_epoch'].decode()} {int(headers['ce_sequence'])}"


def publish_an_old_state_last(run: Run) -> tuple[str, str]:
    states = [r for r in run.topics if r.topic == "state.offer" and r.key.startswith(b"uz:K-")]
    counts = {r.key: sum(1 for s in states if s.key == r.key) for r in states}
    old = next(r for r in states if counts[r.key] > 1)
    run.topics = (*run.topics, old)
    return "STATE_ORDER", f"offer/{old.key.decode()}"


def lose_a_published_receipt(run: Run) -> tuple[str, str]:
    receipts = [r for r in run.topics if r.topic == "out.kz" and r.value.startswith(RECEIPT.encode())]
    lost = receipts[-1].value  # which may stand there more than once: a center that waited long was told it again
    run.topics = tuple(r for r in run.topics if (r.topic, r.value) != ("out.kz", lost))
    return "RECEIPTS_OUT", "out.kz"


DEFECTS: list[Callable[[Run], tuple[str, str]]] = [
    drop_row,
    double_event,
    swap_events,
    accept_a_rejected,
    reject_an_accepted,
    edit_the_bytes,
    edit_bytes_and_digest,
    edit_receipt_at_hq,
    edit_receipt_at_center,
    lose_receipt_at_center,
    edit_entity,
    edit_state_digest,
    miscount,
    change_a_row,
    drop_event_of_topic,
    swap_events_of_topic,
    publish_an_old_state_last,
    lose_a_published_receipt,
]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
@pytest.mark.long
def test_seeded_defect_is_found_at_its_place(run: Run, defect: Callable[[Run], tuple[str, str]]) -> None:
    """Each defect is named, and located to the event, receipt, entity or row."""
    what, where = defect(run)
    findings = run.check()
    assert has(findings, what, where), findings


@pytest.mark.long
def test_hq_that_forgot_a_whole_commit_is_found(run: Run) -> None:
    """A database that is consistent in itself and older than the center's receipts: the center's books tell."""
    old = sqlite3.connect(run.database)
    with old:
        lane, origin, last, first = old.execute(
            "SELECT lane_id, origin, last, first FROM receipt JOIN lane ON id = lane_id WHERE center = 'uz'"
            " ORDER BY last DESC LIMIT 1"
        ).fetchone()
        old.execute("DELETE FROM ledger WHERE lane_id = ? AND sequence >= ?", (lane, first))
        old.execute("DELETE FROM receipt WHERE lane_id = ? AND last = ?", (lane, last))
        old.execute(
            "UPDATE lane SET size = ?1 - 1, edge = (SELECT edge FROM receipt WHERE lane_id = lane.id AND last = ?1 - 1)"
            " WHERE id = ?2",
            (first, lane),
        )
    old.close()
    findings = run.check()
    assert has(findings, "RECEIPT_HELD", f"{origin} {first}-{last}"), findings
    assert has(findings, "LOST", f"{origin} {first}"), findings
