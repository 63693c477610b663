"""Which is off, clock or certificate: `connector check` asks whatever other clock this office has, by either way in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from connectors.cli.check import Checked
from connectors.cli.check_broker import ask_broker
from connectors.cli.check_way import ask_https
from connectors.cli.main import run_command
from connectors.cli.office import OpenedOffice
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.standing import Kept
from hub.base.obstacle import obstacles_in
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.status import State, StatusNote
from hub.protocol.trust import Trust
from tests.support.certificates import Authority
from tests.support.listeners import listening, web_server

HUB = "hub.example"
DAY = timedelta(days=1)


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """Return an office's folder."""
    root = Signer(f"{HUB}/root", b"r" * 32)
    trust = Trust(HUB, root.verifier, (Signer(f"{HUB}/receipts", b"x" * 32).verifier,))
    note = tmp_path / "hub.note"
    note.write_bytes(sign_note(trust.to_text(), [root]).to_bytes())
    folder = tmp_path / "office"
    options = ["--trust", str(note), "--center", "uz", "--bootstrap", "127.0.0.1:1", "--language", "en"]
    assert run_command(["init", *options, "--office", str(folder)]) == 0
    return folder


def opened(office: Path, authority: Authority, broker: str | None, web: str | None) -> OpenedOffice:
    """Return the office with these ways in."""
    ways: dict[str, object] = {"hub": HUB, "center": "uz", "request_timeout_s": 3.0}
    if broker is not None:
        ways |= {"bootstrap": [broker], "security": {"protocol": "SSL", "ca_file": str(authority.file)}}
    if web is not None:
        ways |= {"https": {"address": f"https://{web}", "ca_file": str(authority.file), "proxy": "none"}}
    (office / "connector.yaml").write_text(yaml.safe_dump(ways))
    return OpenedOffice.open(office)


def codes(found: list[Checked]) -> list[str]:
    return [one.name.partition(".")[2] for checked in found for one in obstacles_in(checked.said)]


def hear(office: Path, at: datetime) -> None:
    """Have HQ have said something at a time."""
    note = StatusNote(HUB, "uz", at, "", 0, State.READS, at, "", 3, f"{HUB}/hq/00c0ffee", 1)
    with Outbox(office / "outbox.sqlite3") as outbox:
        outbox.database.set_meta(Meta.HQ_STATUS, Kept.read(note, at, at).to_text())


@pytest.mark.parametrize(
    ("valid", "web_at", "heard_at", "expected"),
    [
        ((-9 * DAY, -DAY), None, None, "expired_or_ahead"),
        ((-9 * DAY, -DAY), timedelta(), None, "certificate_expired"),
        ((-9 * DAY, -DAY), -2 * DAY, None, "clock_ahead"),
        ((-9 * DAY, -DAY), None, -DAY / 2, "certificate_expired"),
        ((DAY, 9 * DAY), None, None, "early_or_behind"),
        ((DAY, 9 * DAY), timedelta(), None, "certificate_early"),
        ((DAY, 9 * DAY), 2 * DAY, None, "clock_behind"),
        ((DAY, 9 * DAY), None, 3 * DAY, "clock_behind"),
    ],
)
async def test_other_clock_tells_which_is_off_by_kafka(
    office: Path,
    tmp_path: Path,
    valid: tuple[timedelta, timedelta],
    web_at: timedelta | None,
    heard_at: timedelta | None,
    expected: str,
) -> None:
    """HQ's web server has a time, and so has what HQ once signed; without both, both possibilities are told."""
    authority, now = Authority(tmp_path), datetime.now(UTC)
    node = authority.leaf("node", valid=valid)
    if heard_at is not None:
        hear(office, now + heard_at)
    async with listening(node) as broker, listening(node, web_server(now + (web_at or timedelta()))) as web:
        found = await ask_broker(opened(office, authority, broker, None if web_at is None else web))
    assert codes(found) == [expected]


@pytest.mark.parametrize(
    ("valid", "expected"),
    [((-9 * DAY, -DAY), "certificate_expired"), ((DAY, 9 * DAY), "certificate_early")],
)
async def test_web_servers_own_certificate_is_judged_by_its_date(
    office: Path, tmp_path: Path, valid: tuple[timedelta, timedelta], expected: str
) -> None:
    """Over HTTPS alone, too: its time is asked though its certificate is not valid now."""
    authority = Authority(tmp_path)
    async with listening(authority.leaf("web", valid=valid), web_server(datetime.now(UTC))) as web:
        found = await ask_https(opened(office, authority, None, web), [])
    assert codes(found) == [expected]
    assert [one.ok for one in found] == [False]
