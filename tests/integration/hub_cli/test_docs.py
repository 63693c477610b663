"""README.md and docs/ say commands that work: each block is taken out of the text and run on a hub that has lived.

The hubs are those that the text itself starts, each with the broker that belongs to it.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from connectors.runtime.outbox import Outbox
from hub.demo.network import find_network
from hub.hq.folder import HubFolder
from hub.protocol.errors import Retriable, UsageError
from tests.support.documents import ROOT, Terminal, blocks, printed
from tests.support.lived import lived
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

DEADLINE_S: Final = 90.0
PAGES: Final = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
DOCUMENTS: Final = ("README.md", "CONTRIBUTING.md", "schemas/PROTOCOL.md", *PAGES)
# They end by a signal alone: each is started, seen to work, and ended.
ENDLESS: Final = re.compile(r"hub up\b|hub --data-dir hub-data view run\b|connector run\b|\S+=\S+ .*connector run\b")
# What is not run here, and why.
NOT_RUN: Final = {
    "make demo": "sets up an environment of its own; what it starts is `hub demo`, by which the demo network here runs",
    "source .venv/bin/activate": "the commands here are found by PATH",
    "connector mapping propose offers.xlsx --ask": "asks what this sheet leaves open; the tests of propose answer it",
    "hub web --listen 0.0.0.0:8443 --public https://hub.example.org:8443": "tests/integration/web runs it",
    'hub log begin 1042 --reason "the broker\'s disk is lost too"': "tests/integration/hub/test_restore.py runs it",
    "hub replay follow 01a20d7c-a6c5-769c-9b13-8307eac53c53": "the ids of one outbox, which no other hub has",
}
ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|/[0-9a-f]{8}|\d{4}-\d\d-\d\dT[\d:.]+Z|event \d+")
CHECK: Final = """hub audit check deal.zip --root "$(hub trust | sed -n 's/^root //p')\""""
DEMO: Final = "hub demo --data-dir demo"
STATES: Final = ("rows", "accepted", "refused", "rejected", "unchanged", "blank", "pending")


def bare(command: str) -> str:
    """Return a command without its comment, and with single spaces."""
    return " ".join(re.sub(r"\s#\s.*", "", command).split())


def until(found: Callable[[], Any], what: str) -> Any:
    """Return what `found` gives once that is something."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        if something := found():
            return something
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def said(log: Path, text: str) -> None:
    """Return once a running command has printed a text."""
    until(lambda: text in log.read_text("utf-8"), f"no {text!r} in {log}")


def run(terminal: Terminal, document: str, first: str, typed: str = "") -> dict[str, str]:
    """Run the block of a document that begins with `first`; return what each command printed, or prints into."""
    (block,) = [found for found in blocks(document) if found[0].startswith(first)]
    wanted = [command for command in block if bare(command) not in NOT_RUN]
    for command in wanted:
        if ENDLESS.match(command):
            terminal.ran[bare(command)] = str(terminal.start(command))
        elif bare(command) not in terminal.ran:  # what two pages say is run once, as a person would
            terminal.ran[bare(command)] = terminal.run(command, typed)
    return {bare(command): terminal.ran[bare(command)] for command in wanted}


def has_accepted(office: Path, rows: int) -> bool:
    """Return whether HQ has accepted so many rows of an office."""
    try:
        with Outbox(office / "outbox.sqlite3", read_only=True) as outbox:
            return bool(outbox.status()["totals"]["accepted"] == rows)
    except (UsageError, Retriable):  # it is not there yet, or being made
        return False


def is_cosigned(data_dir: Path, witnesses: int) -> bool:
    """Return whether so many witnesses have cosigned the newest checkpoint of HQ's log."""
    with HubFolder(data_dir).snapshot() as hq:
        return hq.log_standing().cosigned == witnesses


def lane_of(data_dir: Path, center: str) -> str:
    """Return the origin of a center's lane."""
    with HubFolder(data_dir).snapshot() as hq:
        return next(lane.origin for lane in hq.lanes() if lane.origin.split("/")[1] == center)


def expected() -> dict[str, Counter[str]]:
    """Return what must become of each center's rows in the demo network."""
    files = json.loads((find_network(None) / "expected.json").read_text("utf-8"))
    found: dict[str, Counter[str]] = {}
    for center, sheets in files.items():
        sums = found.setdefault(center, Counter(dict.fromkeys(STATES, 0)))
        for sheet in sheets.values():
            for name in ("rows", "accepted", "unchanged", "blank"):
                sums[name] += sheet[name]
            for name in ("refused", "rejected"):
                sums[name] += sheet[name]["rows"]
    return found


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Terminal, str, str]:
    """Return a terminal in which the demo network ran once, what that printed, and what `hub status` said then."""
    terminal = Terminal(tmp_path_factory.mktemp("demo"), {}, {})
    printed_once = terminal.run(f"{DEMO} --once 2>&1", deadline_s=180.0)
    return terminal, printed_once, terminal.run("hub status --data-dir demo --json && exit 9 || test $? = 1")


@pytest.fixture(scope="module")
def network(once: tuple[Terminal, str, str]) -> Iterator[tuple[Terminal, Path]]:
    """Yield a terminal in which the demo network was started again: it gets ready while other tests run."""
    terminal, *_ = once
    yield terminal, terminal.start(DEMO)
    assert terminal.end() == [0]


@pytest.fixture(scope="module")
def demo(network: tuple[Terminal, Path]) -> Terminal:
    """Return a terminal beside the demo network, when it is through and its log is cosigned."""
    terminal, log = network
    said(log, "It stays up.")
    terminal.run("export HUB_DATA_DIR=demo")
    until(lambda: is_cosigned(terminal.folder / "demo", 5), "the witnesses did not cosign")
    return terminal


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Terminal]:
    """Yield a terminal in an empty folder, where a row need not stand still for a minute."""
    terminal = Terminal(tmp_path, {"COHUB_CONNECTOR_SETTLE_S": "0"}, {"9092": str(free_port())})
    yield terminal
    terminal.end()


@pytest.mark.long
@pytest.mark.usefixtures("network")
def test_a_hub_of_your_own_has_offers_an_audit_and_other_keys(own: Terminal) -> None:
    """From an empty folder to two accepted rows and their audit; then other keys, with the root key at hand and not."""
    started = run(own, "README.md", "hub up")
    said(Path(*started.values()), "is up at")
    office = run(own, "README.md", "hub trust")
    assert "годных 2, с ошибками 0" in office["connector preview --office office sample/offers.xlsx"]
    until(lambda: has_accepted(own.folder / "office", 2), office["connector run --office office"])
    looked = run(own, "README.md", "connector status")
    assert "entities offer 2" in looked["hub status --data-dir hub-data"]
    assert "uz:T-1" in looked["hub show offer --data-dir hub-data"]

    own.run("export HUB_DATA_DIR=hub-data")
    until(lambda: is_cosigned(own.folder / "hub-data", 1), "the witness did not cosign")
    own.stand_ins |= {"hub.example/uz/1a2b3c4d": lane_of(own.folder / "hub-data", "uz")}
    audits = run(own, "docs/audit.md", "hub audit")
    told = [text for command, text in audits.items() if command.startswith("hub audit") and "--json" not in command]
    assert [text.splitlines()[-1] for text in told] == ["nothing found"] * 6
    assert json.loads(audits["hub audit verify --jobs 4 --json"])["findings"] == []
    assert audits["hub replay rebuild"].endswith("equal\n")

    before = json.loads(own.run("hub key list --json"))["keys"]
    run(own, "docs/keys.md", "hub key list")
    own.stand_ins |= {"1f2e3d4c": next(key["id"] for key in before if key["purpose"] == "receipts")}
    # The page says to wait for half a minute; the test does not, and hears so.
    ((retire,),) = [block for block in blocks("docs/keys.md") if block[0].startswith("hub key retire")]
    assert "wait until it is 30 s old" in own.run(retire, status=2)
    own.run("cp hub-data/keys/root.key root.key; cp hub-data/keys/trust.note trust-1.note")
    run(own, "docs/keys.md", "hub key rotate log", typed="y\n")
    after = json.loads(own.run("hub key list --json"))["keys"]
    assert [key["status"] for key in after if key["id"] == own.stand_ins["1f2e3d4c"]] == ["former"]
    assert len(after) == len(before) + 3  # one for receipts, two for the log

    own.run("hub settings show")
    assert own.end() == [0, 0]
    own.stand_ins |= {"/srv/office": "office"}
    (quiet,) = run(own, "docs/settings.md", "COHUB_OFFICE").values()
    until(lambda: "connector_started" in (own.folder / "office/cohub/connector.log").read_text("utf-8"), quiet)


@pytest.mark.long
def test_demo_once_accounts_for_every_row(once: tuple[Terminal, str, str]) -> None:
    """Every row of every sheet becomes exactly what `expected.json` says, and HQ has it when the demo has ended."""
    _, out, status = once
    summary = json.loads(out.strip().splitlines()[-1])
    for center, sums in expected().items():
        counts = summary["centers"][center]
        assert {name: counts[name] for name in STATES} == dict(sums), center
        assert counts["backlog"] == 0
        assert counts["receipts"] >= 1
    assert set(summary["entities"]) == {"deal", "deal_confirmation", "offer", "partner", "request"}
    assert 0 < summary["first_event_s"] <= summary["seconds"]
    assert "refused by the connector or rejected by HQ" in out
    # The data directory is one that `hub up` and every other command know.
    found = json.loads(status)
    totals = found["totals"]
    assert (found["needs"], found["worker"]["state"]) == (["worker"], "stopped")
    assert {center["status"] for center in found["centers"]} == {"stopped"}
    assert totals["entities"] == summary["entities"]
    opened = len(summary["centers"])  # each lane's first event is about no row
    assert totals["events"] == sum(c["events"] for c in summary["centers"].values()) + opened
    assert sum(totals["rejected"].values()) >= sum(c["rejected"] for c in summary["centers"].values())


@pytest.mark.long
def test_what_readme_and_evidence_prove_holds_on_the_demo_network(demo: Terminal) -> None:
    """Each command of "Prove it" and of docs/evidence.md shows what it is said to show."""
    answers = run(demo, "README.md", "source")
    assert (
        "log: 36 receipts" in answers["hub status"]
        or "receipts, checkpoint cosigned by 5 of 5" in answers["hub status"]
    )
    assert "nothing found" in answers["hub audit verify"]
    assert answers["hub replay rebuild"].endswith("equal\n")
    assert "closed: closed, version 3" in answers["hub replay history uz:D-2024/004"]
    assert "by:D-2024/001" in answers["hub replay as-of 2026-03-01T12:00:00+08:00 deal --happened"]
    assert "added    deal" in answers["hub replay diff 2026-02-28 2026-03-31 deal --happened"]
    assert "by:D-2024/001" in answers["hub replay as-of now deal"]
    assert "events" in answers["hub replay to events.avro --from 2026-03-01"]
    assert "deal.zip: proved" in answers[CHECK]
    assert (demo.folder / "www" / "checkpoint").exists()
    assert "nothing to move" in answers["hub ledger archive --older-than 730 --to archive/"]

    command = "hub replay follow uz:D-2024/004"  # the page shows it too; ids and times are each hub's own
    shown, found = (ID.sub("…", text).strip() for text in (printed("docs/replay.md", command), answers[command]))
    assert found == shown
    answers = run(demo, "docs/evidence.md", "hub audit")
    assert "deal.zip: proved" in answers[f"{CHECK} --html deal.html"]
    assert all(text for command, text in answers.items() if command.startswith("hub"))
    assert "uz:D-2024/004" in (demo.folder / "deal.html").read_text("utf-8")


def test_examples_of_replay_print_what_the_page_shows(tmp_path: Path) -> None:
    """What docs/replay.md shows of the hub that the tests of replay know is what is printed, to the letter."""

    async def live() -> None:
        await (await lived(tmp_path / "data")).hq.store.close()

    asyncio.run(live())
    terminal = Terminal(tmp_path, {"HUB_DATA_DIR": "data"}, {})
    for command in ("hub replay history uz:K-1", "hub replay follow 019c9a5e-0000-7000-8000-00000000c0de"):
        assert terminal.run(command).strip("\n").startswith(printed("docs/replay.md", command)), command


def test_a_mapping_is_proposed_and_a_sheet_to_fill_in_is_made(tmp_path: Path) -> None:
    """The commands of docs/mapping.md, in an office of the demo network with a workbook of its own."""
    office = tmp_path / "office"
    shutil.copytree(ROOT / "deploy/demo/centers/uz", office)
    shutil.copy(office / "partners.xlsx", office / "offers.xlsx")
    terminal = Terminal(office, {}, {})
    proposed = run(terminal, "docs/mapping.md", "connector mapping propose")
    assert "--out mappings/offers.yaml" in proposed["connector mapping propose offers.xlsx"]
    answers = run(terminal, "docs/mapping.md", "connector fields")
    assert "export_control" in answers["connector fields offer"]
    assert (office / "offer.xlsx").exists()
    assert (office / "mappings/offer.yaml").exists()


def test_views_are_kept_asked_and_proved_as_the_page_says(tmp_path: Path) -> None:
    """The commands of docs/views.md, on a hub that has lived; one of them runs beside the others."""

    async def live() -> None:
        await (await lived(tmp_path / "hub-data")).hq.store.close()

    asyncio.run(live())
    terminal = Terminal(tmp_path, {}, {})
    run(terminal, "docs/views.md", "hub --data-dir hub-data view run")
    until(
        lambda: "being built" not in (told := terminal.run("hub --data-dir hub-data view list")) and "asked" in told, ""
    )
    asked = run(terminal, "docs/views.md", "hub --data-dir hub-data view references")
    assert all(asked.values())
    proved = run(terminal, "docs/views.md", "hub --data-dir hub-data view check")
    assert proved["hub --data-dir hub-data view check"].count("as the ledger has it") == 3
    assert terminal.end() != []


@pytest.mark.long
def test_hub_is_backed_up_and_restored_as_the_page_says(tmp_path: Path) -> None:
    """The commands of docs/backup.md, on a hub that has a center; the restored ones are whole."""
    terminal = Terminal(tmp_path, {}, {})
    terminal.run("hub --data-dir hub-data init --hub hub.example.org")
    terminal.run("hub --data-dir hub-data center add uz --name Tashkent --country UZ --direction north --stream offer")
    word = tmp_path / "hub.words"
    word.touch(0o600)
    word.write_text("correct horse battery staple\n")
    made = run(terminal, "docs/backup.md", "hub --data-dir hub-data backup")
    assert "read back and whole" in "".join(made.values())
    restored = run(terminal, "docs/backup.md", "hub --data-dir hub-again restore")
    assert "hub.example.org, as it was at" in "".join(restored.values())
    assert "nothing was written" in "".join(run(terminal, "docs/backup.md", "hub restore").values())
    tried = run(terminal, "docs/backup.md", "hub --data-dir hub-tried restore")
    assert "nothing found" in tried["hub --data-dir hub-tried audit verify"]
    assert tried["hub --data-dir hub-tried replay rebuild"].endswith("equal\n")


def test_every_block_of_commands_is_run_or_named_as_not_run() -> None:
    """A block that is added to a page must be added here, or be named with a reason."""
    taken = [
        ("README.md", "hub up"), ("README.md", "hub trust"), ("README.md", "connector status"), ("README.md", "source"),
        ("docs/keys.md", "hub key list"), ("docs/keys.md", "hub key retire"), ("docs/keys.md", "hub key rotate log"),
        ("docs/mapping.md", "connector mapping propose"), ("docs/mapping.md", "connector fields"),
        ("docs/settings.md", "COHUB_OFFICE"), ("docs/audit.md", "hub audit"), ("docs/evidence.md", "hub audit"),
        ("docs/replay.md", "hub replay history uz:K-1"), ("docs/replay.md", "hub replay follow 019c9a5e"),
        ("docs/replay.md", "hub replay follow uz:D-2024/004"),
        ("docs/operator.md", ""),  # test_operator.py
        ("docs/site.md", ""),  # tests/integration/deploy/test_site.py
        ("docs/operations.md", ""),  # test_operations.py
        ("docs/backup.md", "hub --data-dir"), ("docs/backup.md", "hub restore"), ("docs/views.md", "hub --data-dir"),
    ]  # fmt: skip
    left = [
        (document, block[0])
        for document in DOCUMENTS
        for block in blocks(document)
        if not any(document == name and block[0].startswith(first) for name, first in taken)
    ]
    assert [command for _, command in left if bare(command) not in NOT_RUN] == []
    assert {bare(command) for document in DOCUMENTS for block in blocks(document) for command in block} >= set(NOT_RUN)
