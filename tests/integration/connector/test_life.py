"""What an office learns of its connector: how it ended, and that its computer's clock is wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import orjson
import pytest
import yaml
from structlog.testing import capture_logs

from connectors.cli.main import run_command
from connectors.runtime.daemon import Connector
from connectors.runtime.life import look
from connectors.runtime.office import read_office
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import Foreign
from hub.kafka.memory import MemoryBroker
from hub.kafka.topics import standard_topics
from hub.protocol.errors import Fatal, UsageError
from tests.support.answering import AnsweringHq
from tests.support.folder import HUB, MAPPING, RECEIPTS, OfficeFolder, until

CENTER = "uz"
DAYS = timedelta(days=3)


def office_with(tmp_path: Path, **settings: object) -> OfficeFolder:
    """Return an office on a broker in memory."""
    broker = MemoryBroker()
    for topic in standard_topics([CENTER], [])[:2]:
        broker.create_topic(topic.name, topic.partitions, topic.configs)
    return OfficeFolder(tmp_path / "office", CENTER, "memory:1", broker, **settings)


@pytest.fixture
def office(tmp_path: Path) -> OfficeFolder:
    return office_with(tmp_path, language="ru")


def answering(office: OfficeFolder) -> AnsweringHq:
    return AnsweringHq("memory:1", HUB, CENTER, office.key.verifier, RECEIPTS, office.clients)


def totals(connector: Connector) -> dict[str, int]:
    found: dict[str, int] = connector.outbox.status()["totals"]
    return found


@pytest.mark.parametrize("ahead", [True, False])
async def test_rows_without_a_date_get_the_right_time_though_the_clock_is_wrong(
    office: OfficeFolder, ahead: bool
) -> None:
    """What HQ rejected for a time that the connector gave is sent again by itself; the office is told of its clock."""
    wrong = DAYS if ahead else -DAYS
    office.sheet({f"K-{n}": f"Title {n}" for n in range(3)})
    connector = Connector(read_office(office.folder), clients=office.clients, wall=lambda: datetime.now(UTC) + wrong)
    running = asyncio.create_task(connector.run())
    async with answering(office) as hq:
        await connector.started.wait()
        await until(lambda: totals(connector)["accepted"] == 3)
        await until(lambda: "clock" in connector.outbox.status()["alarms"])
        office.sheet({f"K-{n}": f"Title {n}" for n in range(4)})
        await until(lambda: totals(connector)["accepted"] == 4)
        assert (
            "72:00:00" in connector.outbox.status("ru")["alarms"]["clock"]
            or "71:59:59" in (connector.outbox.status("ru")["alarms"]["clock"])
        )
        assert totals(connector)["rejected"] == 0
        connector.stop()
        await running
    if ahead:
        assert len(hq.accepted) == 5  # the lane's first event, and each row once


async def test_rows_that_were_dated_wrongly_before_the_clock_was_set_are_sent_again(tmp_path: Path) -> None:
    """The connector may not have known; when it does, nobody has to touch a row."""
    office = office_with(tmp_path, presence_s=3600.0)
    office.sheet({"K-1": "Title"})
    wrong = [DAYS]

    async def run(until_done: str, expected: int) -> None:
        connector = Connector(
            read_office(office.folder), clients=office.clients, wall=lambda: datetime.now(UTC) + wrong[0]
        )
        task = asyncio.create_task(connector.run())
        await connector.started.wait()
        await until(lambda: totals(connector)[until_done] == expected)
        connector.stop()
        await task

    async with answering(office):
        await run("accepted", 1)
        wrong[0] = timedelta()
        office.sheet({"K-1": "Title", "K-2": "Title 2"})
        await run("accepted", 2)


def dated(office: OfficeFolder) -> None:
    mapping = {**MAPPING, "occurred_at": {"column": "When"}}
    (office.folder / "mappings" / "offers.yaml").write_text(yaml.safe_dump(mapping))
    when = (datetime.now(UTC) + timedelta(days=9)).strftime("%Y-%m-%d")
    (office.folder / "offers.csv").write_text(f"No,Title,Control,Status,When\nK-1,T,free,published,{when}\n")


async def test_date_of_the_sheet_stays_the_persons_to_mend(office: OfficeFolder) -> None:
    """It is not sent again and again, and the person is told to correct it."""
    dated(office)
    async with answering(office), office.running() as connector:
        await until(lambda: totals(connector)["rejected"] == 1)
        await asyncio.sleep(0.5)
        assert (totals(connector)["rejected"], totals(connector)["events"]) == (1, 1)
        sheet = office.folder / "cohub" / "offers.csv.verdicts.xlsx"
        await until(sheet.exists)
        (line,) = list(openpyxl.load_workbook(sheet).worksheets[0].iter_rows(min_row=2, values_only=True))
        assert "Исправьте дату" in str(line[4])


async def test_end_of_a_connector_reaches_log_sheets_check_and_status(
    office: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who only knows Excel reads it on top of the sheet; a good start takes it away."""
    office.sheet({"K-1": "Title"})
    sheet = office.folder / "cohub" / "offers.csv.verdicts.xlsx"
    async with answering(office):
        async with office.running() as connector:
            await until(lambda: totals(connector)["accepted"] == 1)
            await until(sheet.exists)
        assert look(office.folder, office.folder / "outbox.sqlite3").standing == "stopped"
        with Outbox(office.folder / "outbox.sqlite3") as outbox:
            outbox.database.set_foreign(Foreign(f"{HUB}/{CENTER}/ffffffff", datetime.now(UTC)))
        with capture_logs() as logs, pytest.raises(Fatal, match="another machine"):
            await Connector(read_office(office.folder), clients=office.clients).run()
        (ended,) = [entry for entry in logs if entry["event"] == "connector_ended"]
        assert (ended["code"], ended["log_level"]) == ("foreign", "error")
        lines = list(openpyxl.load_workbook(sheet).worksheets[0].iter_rows(values_only=True))
        assert "Коннектор сам остановился" in str(lines[1][3])
        assert "за этот центр пишет другая машина" in str(lines[1][3])
        capsys.readouterr()
        assert run_command(["status", "--office", str(office.folder), "--json"]) == 1
        found = orjson.loads(capsys.readouterr().out)
        assert (found["connector"]["state"], found["connector"]["code"]) == ("ended", "foreign")
        assert {"connector", "alarm.foreign"} <= {need["code"] for need in found["needs"]}
        assert run_command(["status", "--office", str(office.folder)]) == 1
        text = capsys.readouterr().out
        assert "коннектор: не работает; остановился сам" in text
        assert "связь: есть" not in text
        with Outbox(office.folder / "outbox.sqlite3") as outbox:
            outbox.epoch_new("the other one is switched off")
        async with office.running() as connector:
            await until(lambda: "остановился" not in str(
                list(openpyxl.load_workbook(sheet).worksheets[0].iter_rows(max_row=2, values_only=True))))  # fmt: skip


async def test_start_that_fails_says_so_in_the_sheets(office: OfficeFolder) -> None:
    """A mapping that is broken ends the start: whoever looks into the sheets learns it."""
    office.sheet({"K-1": "Title"})
    sheet = office.folder / "cohub" / "offers.csv.verdicts.xlsx"
    async with answering(office), office.running():
        await until(sheet.exists)
    (office.folder / "mappings" / "offers.yaml").write_text("files: [")
    with pytest.raises(UsageError):
        await Connector(read_office(office.folder), clients=office.clients).run()
    assert look(office.folder, office.folder / "outbox.sqlite3").standing == "ended"
    lines = list(openpyxl.load_workbook(sheet).worksheets[0].iter_rows(values_only=True))
    assert "offers.yaml" in str(lines[1][3])
    settings = office.folder / "connector.yaml"
    settings.write_text(settings.read_text() + "colour: red\n")
    assert run_command(["run", "--once", "--office", str(office.folder)]) == 2
    lines = list(openpyxl.load_workbook(sheet).worksheets[0].iter_rows(values_only=True))
    assert "такой настройки нет" in str(lines[1][3])
    assert "остановился" not in str(lines[4:])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("number", "standing"), [(signal.SIGTERM, "stopped"), (signal.SIGKILL, "killed")])
def test_signal_that_asks_is_no_alarm_and_a_kill_is_seen(
    tmp_path: Path, number: signal.Signals, standing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service that is stopped needs nobody; a process that vanished does, and says when it was last seen."""
    office = OfficeFolder(tmp_path / "office", CENTER, "127.0.0.1:1")
    process = subprocess.Popen(
        [sys.executable, "-m", "connectors.cli.main", "run", "--office", str(office.folder)], stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        assert process.stderr.readline()
        assert look(office.folder, office.folder / "outbox.sqlite3").standing == "running"
        os.kill(process.pid, number)
        process.wait(20)
    finally:
        process.kill()
        process.stderr.close()
    assert look(office.folder, office.folder / "outbox.sqlite3").standing == standing
    assert run_command(["status", "--office", str(office.folder)]) == (standing == "killed")
    text = capsys.readouterr().out
    assert ("stopped without a word at about" in text) == (standing == "killed")
