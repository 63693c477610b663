"""A person is sealed on the way to a real HQ, erased at the center, and every proof goes on to verify."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import openpyxl
import pytest
import yaml

from connectors.cli.main import run_command
from connectors.mapping import PersonField, person_identity
from connectors.runtime.daemon import Connector
from connectors.runtime.persons import Persons
from connectors.runtime.persons.cipher import KEY_BYTES
from connectors.runtime.persons.register import KEYS
from hub.cli.main import run_command as run_hub
from hub.cli.options import Settings
from hub.domain.sealed import key_id_of
from hub.hq.folder import HubFolder
from hub.protocol.topics import FAN_OUT_PARTITIONS
from tests.support.center import Center
from tests.support.checker import check, trust_of
from tests.support.folder import HUB, OfficeFolder, until
from tests.support.peek import ask, is_published
from tests.support.worker import Hub, read_topic

pytestmark = pytest.mark.integration

MAPPING = {
    "files": "partners*.csv",
    "stream": "partner",
    "key": ["No"],
    "fields": {"kind": {"value": "enterprise"}, "name": {"column": "Name"}, "country": {"value": "UZ"}},
    "persons": {"contact": {"id": "Mail", "name": "Who", "email": "Mail", "phone": "Phone"}},
}
MAIL = "nigora.karimova@example.org"
PLAIN = ("Nigora", "Karimova", "nigora.", "+998712345678", "Timur", "Aliev", "timur.")


@pytest.fixture
async def office(hub: Hub, tmp_path: Path, topic_prefix: str) -> OfficeFolder:
    """Return the office of a center that this HQ has, with a mapping of partners and their contacts."""
    office = OfficeFolder(tmp_path / "office", topic_prefix, hub.bootstrap)
    (office.folder / "trust.note").write_bytes(hub.identity.note)
    (office.folder / "mappings" / "partners.yaml").write_text(yaml.safe_dump(MAPPING))
    await hub.register(Center(office.center, seed=b"k" * 32))
    return office


def write(office: OfficeFolder, *rows: str) -> None:
    part = office.folder / "partners.part"
    part.write_text("\n".join(["No,Name,Who,Mail,Phone", *rows, ""]), "utf-8")
    part.replace(office.folder / "partners.csv")


def accepted(connector: Connector) -> int:
    return int(connector.outbox.status()["totals"]["accepted"])


def settled(connector: Connector, events: int) -> bool:
    totals = connector.outbox.status()["totals"]
    return bool(totals["events"] == events and not totals["backlog"] and not totals["pending"])


def contact(hub: Hub, subject: str) -> str:
    found = ask(hub.database, "SELECT document FROM entity WHERE stream = 'partner' AND id = ?", subject)
    value: str = json.loads(found)["record"]["contact"]
    return value


def office_bytes(office: OfficeFolder) -> bytes:
    paths = [p for p in office.folder.rglob("*") if p.is_file() and p.suffix != ".csv"]
    return b"".join(path.read_bytes() for path in sorted(paths))


def zip_texts(office: OfficeFolder) -> str:
    """What stands in the verdict sheets: a workbook is compressed, so its bytes alone would hide it."""
    found = []
    for path in (office.folder / "cohub").glob("*.xlsx"):
        book = openpyxl.load_workbook(path)
        found += [str(cell.value) for row in book["cohub"].iter_rows() for cell in row]
        book.close()
    return "\n".join(found)


async def topic_bytes(hub: Hub, center: str) -> bytes:
    places = [(f"in.{center}", 0), (f"out.{center}", 0)]
    places += [(topic, number) for topic in ("events", "state.partner") for number in range(FAN_OUT_PARTITIONS)]
    found = []
    for topic, partition in places:
        for record in await read_topic(hub.bootstrap, topic, partition):
            headers = b"".join(value for name, value in record.headers)
            found.append((record.key or b"") + (record.value or b"") + headers)
    return b"".join(found)


def hq_bytes(hub: Hub) -> bytes:
    return b"".join(path.read_bytes() for path in HubFolder(hub.data_dir).database.parent.glob("*.sqlite3*"))


def assert_not_in(found: bytes, where: str) -> None:
    assert found, where
    for plain in PLAIN:
        for encoding in ("utf-8", "utf-16-le"):
            assert plain.encode(encoding) not in found, (where, plain)


def assert_tools_hold(hub: Hub, subject: str, sealed: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """HQ's own tools: the audit, the second state, one entity's life, and a bundle that leaves the house."""
    bundle, page = folder / "evidence.zip", folder / "evidence.html"
    trust = str(HubFolder(hub.data_dir).keys / "trust.note")
    for command in (
        ["audit", "verify"],
        ["replay", "rebuild"],
        ["audit", "export", "--entity", f"partner/{subject}", "-o", str(bundle)],
        ["audit", "check", str(bundle), "--trust", trust, "--html", str(page), "--allow-unwitnessed"],
        ["replay", "history", subject],
    ):
        capsys.readouterr()
        assert run_hub(command, Settings(hub.data_dir)) == 0, (command, capsys.readouterr())
    said = capsys.readouterr().out
    assert "(sealed: only its center can read it) → (erased)" in said
    with zipfile.ZipFile(bundle) as parts:
        inside = b"".join(map(parts.read, parts.namelist()))
    assert sealed.encode() in inside
    assert_not_in(inside + page.read_bytes() + said.encode(), "the bundle and what the tools say")


async def test_erased_person_is_unreadable_everywhere_and_all_proofs_still_verify(
    hub: Hub, office: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sealed, accepted, published, erased while all runs: no plaintext was ever anywhere, and the key is gone."""
    write(office, f"P-1,Firm,Nigora Karimova,{MAIL},+998712345678", "P-2,Fund,Timur Aliev,timur.aliev@example.org,")
    subject, keys = f"{office.center}:P-1", office.folder / KEYS
    async with office.running() as connector:
        await until(lambda: accepted(connector) == 2)
        sealed = contact(hub, subject)
        with Persons(office.folder, HUB, office.center) as persons:
            person = persons.find(person_identity([MAIL]))
            assert person is not None
            assert persons.unseal(PersonField("partner", subject, "contact"), sealed) == {
                "name": "Nigora Karimova",
                "email": MAIL,
                "phone": "+998712345678",
            }
        key = keys.read_bytes()[person.slot * KEY_BYTES :][:KEY_BYTES]
        assert run_command(["erase", MAIL, "--yes", "--office", str(office.folder)]) == 0
        await until(lambda: contact(hub, subject) == f"erased.v1.{key_id_of(sealed)}")
        await until(lambda: settled(connector, 3))
        # A restart reads the sheet once more: the person is still in it, and is not sent.
    async with office.running() as connector:
        await until(lambda: accepted(connector) == 2)
        assert settled(connector, 3)
        await until(lambda: "this person was erased" in zip_texts(office))
    await hub.until(is_published)

    assert_not_in(office_bytes(office), "the office")
    assert key not in office_bytes(office)
    assert key not in hq_bytes(hub)
    assert not [plain for plain in PLAIN if plain in zip_texts(office)]
    assert_not_in(hq_bytes(hub), "HQ's database")
    on_topics = await topic_bytes(hub, office.center)
    assert_not_in(on_topics, "the topics")
    assert sealed.encode() in on_topics
    assert sealed.encode() in hq_bytes(hub)

    with Persons(office.folder, HUB, office.center) as persons:
        assert persons.unseal(PersonField("partner", subject, "contact"), sealed) is None
        kept = persons.unseal(
            PersonField("partner", f"{office.center}:P-2", "contact"), contact(hub, f"{office.center}:P-2")
        )
    assert kept == {"name": "Timur Aliev", "email": "timur.aliev@example.org"}
    # Digests, lane trees, seals, verdicts, receipts, entities and state digests, all worked out again from the bytes.
    assert check(HubFolder(hub.data_dir).database, trust_of(hub.identity)) == []

    logged = capsys.readouterr()
    assert "file_taken" in logged.out
    assert not [plain for plain in PLAIN if plain in logged.out + logged.err]
    assert run_command(["person", "show", MAIL, "--office", str(office.folder)]) == 0
    said = capsys.readouterr().out
    assert "(erased)" in said
    assert "at HQ: registered" in said
    assert "said by partners.csv, row 2" in said
    assert run_hub(["show", "partner", subject], Settings(hub.data_dir)) == 0
    assert "(erased)" in capsys.readouterr().out
    assert run_hub(["show", "partner", f"{office.center}:P-2"], Settings(hub.data_dir)) == 0
    assert f"(sealed: only {office.center} can read it)" in capsys.readouterr().out
    assert_tools_hold(hub, subject, sealed, office.folder.parent, capsys)


async def test_partner_without_a_contact_is_told_as_the_release_before_did(hub: Hub, office: OfficeFolder) -> None:
    """Only what the new version alone can say is said by it."""
    write(office, "P-1,Firm,,,")
    async with office.running() as connector:
        await until(lambda: accepted(connector) == 1)
    sent = await read_topic(hub.bootstrap, f"in.{office.center}")
    types = {value.decode() for record in sent for name, value in record.headers if name == "ce_type"}
    assert types == {"net.cohub.lane.opened.v1", "net.cohub.partner.registered.v1"}
    assert not (office.folder / KEYS).exists() or (office.folder / KEYS).stat().st_size == KEY_BYTES
