"""`hub audit verify` and `hub replay rebuild` as a person calls them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.protocol.keys import Signer
from tests.support.audited import TRUST
from tests.support.center import HUB
from tests.support.evidence import TRUST_NOTE
from tests.support.tampering import ask, change, lane_id

UZ = f"{HUB}/uz/00000001"


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def data_dir(whole: Path, tmp_path: Path) -> Path:
    """Return a hub's data directory with the ledger that has everything."""
    folder = tmp_path / "data"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "trust.note").write_bytes(TRUST_NOTE)
    shutil.copy(whole, folder / "hub.sqlite3")
    return folder


@pytest.fixture
def hub(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Return a function that runs `hub` on it."""

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        status = run_command(list(arguments), Settings(data_dir))
        said = capsys.readouterr()
        return Done(status, said.out, said.err)

    return run


def test_verify_of_an_untouched_ledger_finds_nothing_and_says_whom_it_trusts(hub: Callable[..., Done]) -> None:
    """Exit status 0, what was looked at, and the root key to compare with the one that centers pin."""
    done = hub("audit", "verify")
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("nothing found\n")
    assert f"trusted root key {TRUST.root.to_text()}" in done.out
    found = hub("audit", "verify", "--jobs", "2", "--json").json
    assert found["good"] is True
    assert found["findings"] == found["not_checked"] == []
    assert found["log"]["leaves"] > 256


def test_findings_are_told_with_their_place_and_end_with_status_1(hub: Callable[..., Done], data_dir: Path) -> None:
    """A table for people, JSON for programs, both with every finding."""
    path = data_dir / "hub.sqlite3"
    change(path, ("DELETE FROM ledger WHERE lane_id = ? AND sequence BETWEEN 90 AND 99", (lane_id(path, UZ),)))
    done = hub("audit", "verify")
    assert done.status == 1
    assert f"ledger {UZ} 90-99" in done.out
    assert "LEDGER_GAP (1): an event is missing from the ledger\n  The lane has this event" in done.out
    assert "Look for the event in a backup" in done.out
    assert "账本中缺少一个事件" in hub("audit", "verify", "--language", "zh").out
    wrong = hub("audit", "verify", "--language", "fr")
    assert (wrong.status, wrong.err) == (2, "hub: --language 'fr': expected zh, en, ru\n")
    found = hub("audit", "verify", "--json")
    assert found.status == 1
    (gap,) = [f for f in found.json["findings"] if f["what"] == "LEDGER_GAP"]
    assert (gap["table"], gap["lane"], gap["first"], gap["last"]) == ("ledger", UZ, 90, 99)


def test_window_is_checked_alone_and_says_what_it_leaves_out(hub: Callable[..., Done], data_dir: Path) -> None:
    """Damage inside is found, damage outside is not, and nobody is told that all is well with the rest."""
    path = data_dir / "hub.sqlite3"
    change(path, ("UPDATE ledger SET data = CAST(data || 'x' AS BLOB) WHERE lane_id = ? AND sequence = 100",
                  (lane_id(path, UZ),)))  # fmt: skip
    inside = hub("audit", "verify", "--lane", UZ, "--from", "95", "--to", "105", "--json")
    assert inside.status == 1
    assert [(f["what"], f["first"]) for f in inside.json["findings"]] == [("LEDGER_BYTES", 100)]
    outside = hub("audit", "verify", "--lane", UZ, "--from", "120", "--json")
    assert outside.status == 0
    assert "events outside of the window" in outside.json["not_checked"]
    assert "HQ's log" in outside.json["not_checked"]
    assert 0 < outside.json["events"] < ask(path, "SELECT size FROM lane WHERE origin = ?", UZ)[0][0]
    whole = hub("audit", "verify", "--lane", UZ, "--json")
    assert "LEDGER_BYTES" in {f["what"] for f in whole.json["findings"]}
    assert "other lanes" in whole.json["not_checked"]
    later = hub("audit", "verify", "--from", "2100-01-01T00:00:00Z", "--json")
    assert (later.status, later.json["receipts"]) == (0, 0)


def test_window_over_all_of_an_untouched_ledger_finds_nothing(hub: Callable[..., Done]) -> None:
    """The hq lane is not folded in a window: its receipts are judged under the bases that were folded before."""
    done = hub("audit", "verify", "--from", "2000-01-01T00:00:00Z", "--json")
    assert (done.status, done.json["findings"]) == (0, [])
    assert done.json["receipts"] == hub("audit", "verify", "--json").json["receipts"]


def test_date_is_a_whole_day_as_in_replay(hub: Callable[..., Done], data_dir: Path) -> None:
    """`--from` takes a day from its beginning and `--to` to its end, and an offset is needed beside an hour."""
    recorded_us = ask(data_dir / "hub.sqlite3", "SELECT max(recorded_at_us) FROM receipt")[0][0]
    day = f"{datetime.fromtimestamp(recorded_us / 1e6, UTC):%Y-%m-%d}"
    of_the_day = hub("audit", "verify", "--from", day, "--to", day, "--json")
    between = hub("audit", "verify", "--from", f"{day}T00:00:00Z", "--to", f"{day}T23:59:59.999999Z", "--json")
    assert of_the_day.json["receipts"] == between.json["receipts"] > 0


def test_causes_stand_before_what_followed_from_them(
    hub: Callable[..., Done], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One receipt that is gone changes hundreds of entities; the table begins with it."""
    monkeypatch.setenv("COLUMNS", "200")
    path = data_dir / "hub.sqlite3"
    change(path, ("DELETE FROM receipt WHERE lane_id = ? AND last = (SELECT min(last) FROM receipt WHERE lane_id = ?)",
                  (lane_id(path, UZ), lane_id(path, UZ))))  # fmt: skip
    lines = hub("audit", "verify").out.splitlines()
    rows = [
        words[0] for line in lines[lines.index(next(x for x in lines if "──" in x)) + 1 :] if (words := line.split())
    ]
    assert rows.index("RECEIPT_GAP") < rows.index("ENTITY")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "7"], "name it with --lane"),
        (["--to", "yesterday"], "--to 'yesterday' is no time: expected a time with its offset"),
        (["--from", "2026-03-01T12:00:00"], "another moment in every time zone"),
        (["--lane", f"{HUB}/uz/ffffffff"], f"known are {HUB}/hq/"),
        (["--trust", "nowhere.note"], "cannot be read"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(hub: Callable[..., Done], arguments: list[str], said: str) -> None:
    """What was expected, and the remedy."""
    done = hub("audit", "verify", *arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_checkpoint_from_elsewhere_must_be_signed_by_the_log(
    hub: Callable[..., Done], data_dir: Path, tmp_path: Path
) -> None:
    """The log contains what HQ has signed; what somebody else signed is no checkpoint of it."""
    path = data_dir / "hub.sqlite3"
    note = ask(path, "SELECT note FROM checkpoint ORDER BY size LIMIT 1 OFFSET 3")[0][0]
    kept = tmp_path / "seen.note"
    kept.write_bytes(note)
    assert hub("audit", "verify", "--checkpoint", str(kept)).status == 0
    kept.write_bytes(note.replace(f"{HUB}/log".encode(), f"{HUB}/lag".encode()))
    assert hub("audit", "verify", "--checkpoint", str(kept)).status == 2


def test_another_hubs_trust_note_finds_everything_unsigned(hub: Callable[..., Done], data_dir: Path) -> None:
    """Nothing is believed because it stands in the database."""
    from dataclasses import replace  # noqa: PLC0415

    from hub.protocol.note import sign_note  # noqa: PLC0415

    root = Signer(f"{HUB}/root", b"S" * 32)
    forged = replace(TRUST, root=root.verifier, receipts=(Signer(f"{HUB}/receipts", b"T" * 32).verifier,))
    (data_dir / "keys" / "trust.note").write_bytes(sign_note(forged.to_text(), [root]).to_bytes())
    found = hub("audit", "verify", "--json")
    assert found.status == 1
    assert found.json["trusted_root"] == root.verifier.to_text()
    assert {f["what"] for f in found.json["findings"]} == {"RECEIPT_NOTE", "EVIDENCE"}


def test_rebuild_says_equal_or_lists_what_differs(hub: Callable[..., Done], data_dir: Path) -> None:
    """Nothing of the second state is left behind, unless asked for."""
    done = hub("replay", "rebuild", "--jobs", "2")
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("equal\n")
    assert not (data_dir / "rebuild").exists()
    assert hub("replay", "rebuild", "--keep", "--json").json["equal"] is True
    assert (data_dir / "rebuild" / "uz.sqlite3").exists()
    assert "--resume" in hub("replay", "rebuild").err
    entity = ask(data_dir / "hub.sqlite3", "SELECT id FROM entity WHERE stream = 'deal' LIMIT 1")[0][0]
    change(data_dir / "hub.sqlite3", ("UPDATE entity SET version = version + 1 WHERE id = ?", (entity,)))
    done = hub("replay", "rebuild", "--resume")
    assert done.status == 1
    assert f"entity deal {entity}" in done.out
    assert done.out.endswith("\n1 difference\n")
