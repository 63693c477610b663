"""`hub audit export` and `hub audit check`: what they print, write and return."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from hub.cli.main import run_command
from hub.cli.options import Settings
from tests.support.evidence import ROOT, TRUST_NOTE, Story, told

KEY = ROOT.verifier.to_text()
ENDINGS = (
    "receipt.note",
    "seal.note",
    ".event",
    "trust.note",
    "checkpoint.note",
    ".avsc",
    "summary.html",
)


@dataclass
class Ran:
    status: int
    out: str
    err: str


Hub = Callable[..., Ran]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hub")
    (made / "keys").mkdir(exist_ok=True)
    (made / "keys" / "trust.note").write_bytes(TRUST_NOTE)

    async def tell() -> None:
        await (await told(made, "uz", "kz")).close()

    asyncio.run(tell())
    return made


@pytest.fixture
def hub(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        status = run_command(list(arguments), Settings(folder))
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    return run


def test_export_and_check_of_a_deal(hub: Hub, tmp_path: Path) -> None:
    """The command that checks is printed, and it is right."""
    made = hub("audit", "export", "--deal", "uz:D-1")
    assert made.status == 0, made.err
    assert "seen by 2 of 3 centers; proved" in made.out
    command = made.out.splitlines()[-1]
    assert command == f"hub audit check evidence-deal-uz_D-1.zip --root {KEY}"
    checked = hub(*command.split()[1:], "--html", "result.html")
    assert (checked.status, checked.out.splitlines()[-1]) == (0, "evidence-deal-uz_D-1.zip: proved")
    assert "All of it holds" in (tmp_path / "result.html").read_text("utf-8")
    assert not list(tmp_path.glob("*.part"))


def test_export_of_a_range_by_days(hub: Hub) -> None:
    """`--to` names a whole day."""
    made = hub("audit", "export", "--center", "uz", "--from", "2026-03-04", "--to", "2026-03-07", "--json")
    assert made.status == 0, made.err
    found = json.loads(made.out)
    assert found["subject"]["since"] == "2026-03-04T00:00:00.000000Z"
    assert found["subject"]["until"] == "2026-03-08T00:00:00.000000Z"
    assert (found["status"], found["events"]) == ("proved", 9)


def test_check_as_json_has_every_check(hub: Hub) -> None:
    """For programs: outcome and number of each, findings with their places."""
    hub("audit", "export", "--entity", "offer/uz:K-1", "-o", "offer.zip")
    found = json.loads(hub("audit", "check", "offer.zip", "--root", KEY, "--json").out)
    assert found["status"] == "proved"
    assert {check["check"]: check["outcome"] for check in found["checks"]}["complete"] == "skipped"
    assert found["findings"] == []


def test_check_without_a_root_key_shows_the_bundles_own_and_refuses(hub: Hub) -> None:
    """A key out of the bundle is no ground to trust it."""
    hub("audit", "export", "--deal", "uz:D-1", "-o", "deal.zip")
    ran = hub("audit", "check", "deal.zip")
    assert ran.status == 2
    assert KEY in ran.err
    assert "telephone" in ran.err


def test_check_with_a_pinned_trust_note(hub: Hub, folder: Path) -> None:
    """What a center has pinned will do."""
    hub("audit", "export", "--deal", "uz:D-1", "-o", "deal.zip")
    assert hub("audit", "check", "deal.zip", "--trust", str(folder / "keys" / "trust.note")).status == 0


def test_damaged_bundle_exits_with_one_and_says_where(hub: Hub, tmp_path: Path) -> None:
    """Also where nothing can be read at all."""
    hub("audit", "export", "--deal", "uz:D-1", "-o", "deal.zip")
    whole = (tmp_path / "deal.zip").read_bytes()
    (tmp_path / "deal.zip").write_bytes(whole[: len(whole) // 2])
    ran = hub("audit", "check", "deal.zip", "--root", KEY, "--html", "result.html")
    assert ran.status == 1
    assert "container: not a zip that can be read" in ran.out
    assert ran.out.splitlines()[-1] == "deal.zip: failed"
    assert len(ran.out.splitlines()) == 3, "no table of checks that could not be made"


def test_one_damaged_byte_is_one_cause_and_accuses_nobody(hub: Hub, tmp_path: Path) -> None:
    """What follows from it is counted, not told as if HQ had cheated; the result names file, digest and time."""
    hub("audit", "export", "--deal", "uz:D-1", "-o", "deal.zip")
    whole = (tmp_path / "deal.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "deal.zip") as archive:
        infos = [info for info in archive.infolist() if info.compress_size > 40]
    for info in (next(i for i in infos if i.filename.endswith(ending)) for ending in ENDINGS):
        at = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
        data = whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
        (tmp_path / "deal.zip").write_bytes(data)
        ran = hub("audit", "check", "deal.zip", "--root", KEY, "--html", "result.html")
        assert ran.status == 1
        told = [line for line in ran.out.splitlines() if line.startswith("error")]
        assert len(told) == 1, told
        assert told[0].startswith(f"error  container: {info.filename}"), told
        found = json.loads(hub("audit", "check", "deal.zip", "--root", KEY, "--json").out)
        digest = sha256(data).hexdigest()
        assert (found["bundle"], found["sha256"], found["checked_at"][:2]) == ("deal.zip", digest, "20")
        assert [finding["check"] for finding in found["findings"] if not finding["follows"]] == ["container"]
        page = (tmp_path / "result.html").read_text("utf-8")
        assert page.count(digest) == 3
        assert "архив повреждён или неполон" in page
        assert "压缩包损坏" in page
        assert "не обвиняют ни штаб-квартиру" in page


def test_root_key_that_does_not_read_is_answered_by_where_to_get_it(hub: Hub) -> None:
    """An auditor who pasted half a key needs to know whom to ask."""
    hub("audit", "export", "--deal", "uz:D-1", "-o", "deal.zip")
    ran = hub("audit", "check", "deal.zip", "--root", "garbage")
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "`hub key list --json`" in ran.err
    assert "trust.note" in ran.err


def test_unbelieved_bundle_passes_only_when_that_is_allowed(tmp_path: Path, hub: Hub) -> None:
    """Too few witnesses: exit status 1, or 0 with --allow-unwitnessed."""
    data = tmp_path / "hub"
    (data / "keys").mkdir(parents=True)
    (data / "keys" / "trust.note").write_bytes(TRUST_NOTE)

    async def tell() -> None:
        story: Story = await told(data, "uz")
        await story.close()

    asyncio.run(tell())
    made = hub("audit", "export", "--deal", "uz:D-1", "-o", "deal.zip", "--data-dir", str(data))
    assert made.status == 0
    assert "not believed yet" in made.err
    assert hub("audit", "check", "deal.zip", "--root", KEY).status == 1
    assert hub("audit", "check", "deal.zip", "--root", KEY, "--allow-unwitnessed").status == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export"], "expected one of --entity, --deal and --center"),
        (["export", "--deal", "uz:D-1", "--entity", "offer/uz:K-1"], "--entity and --deal"),
        (["export", "--center", "uz"], "both of them"),
        (["export", "--center", "uz", "--from", "2026-03-04", "--to", "2026-03-02"], "before it begins"),
        (["export", "--center", "uz", "--from", "yesterday", "--to", "2026-03-02"], "is no time"),
        (["export", "--deal", "uz:none"], "never had an event"),
        (["export", "--deal", "uz:D-1", "-o", "no/such/folder/x.zip"], "can't be written"),
        (["check", "nothing.zip", "--root", KEY], "can't be read"),
        (["check", "x.zip", "--root", "nonsense"], "expected"),
    ],
)
def test_wrong_use_is_one_line_with_the_remedy(hub: Hub, tmp_path: Path, arguments: list[str], says: str) -> None:
    """Exit status 2."""
    (tmp_path / "x.zip").write_bytes(b"")
    ran = hub("audit", *arguments)
    assert ran.status == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_export_does_not_write_over_a_file_unasked(hub: Hub, tmp_path: Path) -> None:
    """Evidence that is there stays."""
    (tmp_path / "deal.zip").write_bytes(b"something else")
    assert hub("audit", "export", "--deal", "uz:D-1", "-o", "deal.zip").status == 2
    assert (tmp_path / "deal.zip").read_bytes() == b"something else"
    assert hub("audit", "export", "--deal", "uz:D-1", "-o", "deal.zip", "--force").status == 0
