"""A row in a sheet becomes an accepted fact, whatever happens to the receipts, the key or the outbox.

Every test runs on a broker in memory; those that are about what a broker does also run on real Kafka.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import openpyxl
import pytest
from structlog.testing import capture_logs

from connectors.runtime.daemon import Connector
from connectors.runtime.office import read_office
from connectors.runtime.outbox import Outbox
from hub.broker.embedded import EmbeddedKafka
from hub.kafka.memory import MemoryBroker
from hub.kafka.topics import ensure_topics, standard_topics
from hub.protocol.errors import Fatal, Rejected, UsageError
from hub.protocol.note import Signer
from hub.protocol.verdict import Code
from tests.support.answering import AnsweringHq
from tests.support.folder import HUB, RECEIPTS, OfficeFolder, run_connector, until

REAL_TOO = pytest.mark.parametrize(
    "real", ["memory", pytest.param("kafka", marks=pytest.mark.integration)], indirect=True
)


@pytest.fixture
def real(request: pytest.FixtureRequest) -> EmbeddedKafka | None:
    """Return real Kafka where a test asks for it, None for the broker in memory."""
    return request.getfixturevalue("kafka") if getattr(request, "param", "") == "kafka" else None


@pytest.fixture
async def office(tmp_path: Path, real: EmbeddedKafka | None, topic_prefix: str) -> OfficeFolder:
    """Return an office whose topics are there."""
    topics = standard_topics([topic_prefix], [])[:2]
    if real is not None:
        await ensure_topics(real.cluster, topics)
        return OfficeFolder(tmp_path / "office", topic_prefix, real.bootstrap)
    broker = MemoryBroker()
    for topic in topics:
        broker.create_topic(topic.name, topic.partitions, topic.configs)
    return OfficeFolder(tmp_path / "office", topic_prefix, "memory:1", broker)


@pytest.fixture
async def hq(office: OfficeFolder) -> AsyncIterator[AnsweringHq]:
    """Yield an HQ that answers this office."""
    where = str(office.settings["bootstrap"][0])  # type: ignore[index]
    async with AnsweringHq(where, HUB, office.center, office.key.verifier, RECEIPTS, office.clients) as hq:
        yield hq


def totals(connector: Connector) -> dict[str, int]:
    found: dict[str, int] = connector.outbox.status()["totals"]
    return found


def offers(hq: AnsweringHq) -> dict[str, str]:
    """Return the titles that HQ holds, by number."""
    return {e.id.split(":")[1]: e.record["title"] for e in hq.entities.values() if e.stream == "offer"}


def rows(count: int, title: str = "Title") -> dict[str, str]:
    return {f"K-{i}": f"{title} {i}" for i in range(count)}


@REAL_TOO
async def test_connector_tells_every_row_and_learns_what_became_of_it(office: OfficeFolder, hq: AnsweringHq) -> None:
    """Good rows are accepted, prohibited ones never leave, and every row is in one state."""
    office.sheet(rows(300) | {"S-1": "secret thing"})
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 300)
        found = totals(connector)
        assert (found["rows"], found["refused"], found["pending"], found["backlog"]) == (301, 1, 0, 0)
        await until(lambda: hq.presence)
    assert offers(hq) == rows(300)
    assert len(hq.accepted) == len(set(hq.accepted)) == 301


async def test_connector_sends_nothing_for_a_sorted_a_copied_and_a_renamed_sheet(
    office: OfficeFolder, hq: AnsweringHq
) -> None:
    """Rows are found by their key: moving them says nothing, and a copy is unchanged."""
    office.sheet(rows(50))
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 50)
        office.sheet(dict(reversed(rows(50).items())))
        office.sheet(rows(50), "offers-copy.csv")
        await until(lambda: totals(connector)["unchanged"] == 50)
        (office.folder / "offers-copy.csv").rename(office.folder / "offers-2.csv")
        await until(lambda: set(connector.outbox.status()["files"]) == {"offers.csv", "offers-2.csv"})
        await until(lambda: totals(connector)["rows"] == 100)
        assert (totals(connector)["events"], totals(connector)["orphans"]) == (50, 0)
    assert len(hq.accepted) == 51


async def test_connector_shows_a_rejection_and_plans_again_when_the_row_is_mended(
    office: OfficeFolder, hq: AnsweringHq
) -> None:
    """HQ's verdict stands in the sheet beside the source; a mended row is told again, an untouched one is not."""
    hq.refuse = lambda _entity, value: (
        Rejected(Code.CODE_NOT_LISTED, "title", "list=x") if "bad" in str(value.get("title")) else None
    )
    office.sheet(rows(3) | {"B-1": "bad one", "B-2": "bad two"})
    async with office.running() as connector:
        await until(lambda: totals(connector)["rejected"] == 2)
        sheet = office.folder / "cohub" / "offers.csv.verdicts.xlsx"
        await until(sheet.exists)
        lines = list(openpyxl.load_workbook(sheet).active.iter_rows(values_only=True))  # type: ignore[union-attr]
        assert [line[1] for line in lines[1:3]] == ["B-1", "B-2"]
        assert str(lines[1][3]).startswith("Title: ")
        office.sheet(rows(3) | {"B-1": "good one", "B-2": "bad two"})
        await until(lambda: totals(connector)["accepted"] == 4)
        assert (totals(connector)["rejected"], totals(connector)["events"]) == (1, 6)
    assert offers(hq)["B-1"] == "good one"


async def test_connector_withdraws_what_the_sheet_says_is_withdrawn(office: OfficeFolder, hq: AnsweringHq) -> None:
    """A changed status is told by its own event; a vanished row is reported and never withdrawn."""
    office.sheet(rows(3))
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 3)
        office.sheet({"K-0": "Title 0"}, status="withdrawn")
        await until(lambda: "withdrawn" in {e.status for e in hq.entities.values()})
        await until(lambda: totals(connector)["accepted"] == 1)
        assert connector.outbox.status()["files"]["offers.csv"]["vanished"] == 2
    assert sorted(e.status for e in hq.entities.values() if e.stream == "offer") == [
        "published", "published", "withdrawn",
    ]  # fmt: skip


async def test_second_connector_on_one_folder_is_refused(office: OfficeFolder, hq: AnsweringHq) -> None:
    """One office folder has one connector; the other says so in one line, and the first goes on."""
    office.sheet(rows(1))
    async with office.running() as connector:
        with pytest.raises(UsageError, match="another connector"):
            await Connector(read_office(office.folder), clients=office.clients).run()
        await until(lambda: totals(connector)["accepted"] == 1)


async def test_connector_with_a_full_disk_waits_and_loses_nothing(office: OfficeFolder, hq: AnsweringHq) -> None:
    """While the outbox can't grow no source is read; when there is room everything is told, once."""
    office.sheet(rows(10))
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 10)
        database = connector.outbox.database
        pages = database.read("PRAGMA page_count")[0][0]
        database.read(f"PRAGMA max_page_count={pages}")
        with capture_logs() as logs:
            office.sheet(rows(3000))
            await until(lambda: any(line["event"] == "sources_wait" for line in logs))
        assert totals(connector)["accepted"] < 3000
        database.read("PRAGMA max_page_count=1000000")
        await until(lambda: totals(connector)["accepted"] == 3000, 40)
    assert offers(hq) == rows(3000)
    assert len(set(hq.accepted)) == len(hq.accepted) == 3001


async def test_connector_whose_receipts_were_lost_sends_again_and_gets_the_stored_ones(
    office: OfficeFolder, hq: AnsweringHq
) -> None:
    """Silence is broken by sending again; HQ answers with what it has stored, and takes nothing twice."""
    hq.loses_receipts = 2
    office.sheet(rows(600))
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 600)
        assert connector.outbox.lane.receipted() == 601
    assert len(hq.accepted) == 601


@REAL_TOO
@pytest.mark.parametrize("lost", [1, 100, 256, 300])
async def test_connector_goes_back_to_the_start_of_the_batch_that_hq_asks_for(
    office: OfficeFolder, hq: AnsweringHq, lost: int
) -> None:
    """The broker lost some records in the middle of a batch: the batches from there on are sent again, whole."""
    office.sheet(rows(10))
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 10)
        hq.drops = lost
        office.sheet(rows(700))
        await until(lambda: totals(connector)["accepted"] == 700)
    assert offers(hq) == rows(700)
    assert len(hq.accepted) == 701


async def test_connector_with_a_new_key_signs_the_unanswered_tree_again(office: OfficeFolder, hq: AnsweringHq) -> None:
    """The key was replaced before HQ could judge: the same events are sealed by the new one, in the same lane."""
    newer = Signer(office.key.name, b"n" * 32)
    hq.keys = [newer.verifier]
    office.sheet(rows(20))
    async with office.running() as connector:
        await until(lambda: hq.unknown_seals)
        origin = connector.outbox.lane.origin
    office.write_key(newer)
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 20)
        assert connector.outbox.lane.origin == origin


def keep(office: OfficeFolder, to: Path) -> None:
    shutil.copy(office.folder / "outbox.sqlite3", to)  # a stopped connector leaves no WAL behind


@REAL_TOO
@pytest.mark.long
async def test_connector_on_a_restored_outbox_opens_a_new_lane_and_says_why(
    office: OfficeFolder, hq: AnsweringHq, tmp_path: Path
) -> None:
    """HQ holds more than the restored outbox: a new epoch continues it, no fork, and every row has its verdict."""
    office.sheet(rows(5))
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 5)
        first = connector.outbox.lane.origin
    keep(office, tmp_path / "old.sqlite3")
    office.sheet(rows(9) | {"K-0": "Changed"})
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 9)
    shutil.copy(tmp_path / "old.sqlite3", office.folder / "outbox.sqlite3")
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 9)
        assert connector.outbox.lane.origin != first
        assert connector.outbox.status()["alarms"] == {}
    opened = hq.entities[f"lane/{office.center}:{connector.outbox.lane.origin[-8:]}"].record
    assert (opened["previous_origin"], opened["previous_size"]) == (first, hq.lanes[first[-8:]].edge.size)
    assert "old copy" in opened["reason"]
    assert offers(hq) == rows(9) | {"K-0": "Changed"}


async def test_connector_with_a_lost_outbox_learns_what_hq_has(office: OfficeFolder, hq: AnsweringHq) -> None:
    """A new outbox for a known center publishes, hears that it exists, and revises: rows end accepted."""
    office.sheet(rows(5))
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 5)
        first = connector.outbox.lane.origin
    (office.folder / "outbox.sqlite3").unlink()
    office.sheet(rows(5) | {"K-0": "Changed"})
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 5)
        opened = hq.entities[f"lane/{office.center}:{connector.outbox.lane.origin[-8:]}"].record
    assert opened["previous_origin"] == first
    assert offers(hq)["K-0"] == "Changed"


async def test_connector_stops_when_another_machine_writes_for_its_center(
    office: OfficeFolder, hq: AnsweringHq, tmp_path: Path
) -> None:
    """A copied folder opens its own lane; the first connector sees it, says so and stops, until it is told to go on."""
    office.sheet(rows(3))
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 3)
    old = tmp_path / "old.sqlite3"
    keep(office, old)
    office.sheet(rows(4))
    first = Connector(read_office(office.folder), clients=office.clients)
    first_run = asyncio.create_task(first.run())
    await first.started.wait()
    await until(lambda: totals(first)["accepted"] == 4)
    shutil.copytree(office.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("outbox*"))
    shutil.copy(old, tmp_path / "copy" / "outbox.sqlite3")
    async with run_connector(tmp_path / "copy", office.clients):
        with pytest.raises(Fatal, match="another machine writes for this center"):
            await asyncio.wait_for(first_run, 20)
    with pytest.raises(Fatal, match="another machine"):
        await Connector(read_office(office.folder), clients=office.clients).run()
    with Outbox(office.folder / "outbox.sqlite3") as outbox:
        outbox.epoch_new("the other one is switched off")
    office.sheet(rows(6))
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 6)
    assert offers(hq) == rows(6)
