"""A bad mapping stops its own sheets alone: it is named, with what is wrong, and all others are in force."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.cli.main import run_command
from connectors.runtime.outbox.rows import FileState
from hub.base import files
from hub.protocol.errors import UsageError
from tests.support.sheets_office import MAPPING, SheetsOffice

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="made with the calls of POSIX")

OTHER = MAPPING.replace("offers*", "other*")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[SheetsOffice]:
    office = SheetsOffice(tmp_path / "office")
    yield office
    office.outbox.close()


def yaml(path: Path, text: str = "files: [") -> None:
    path.write_text(text, "utf-8")


def link(path: Path) -> None:
    path.symlink_to(path.parent / "offers.yaml")


def latin(path: Path) -> None:
    path.write_bytes(b"files: \xff")


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (os.mkfifo, "pipe"),
    "folder": (Path.mkdir, "folder"),
    "link": (link, "link"),
    "not text": (latin, "UTF-8"),
    "no YAML": (yaml, "zz.yaml, line 1"),
    "no mapping": (lambda path: yaml(path, "files: a.csv\n"), "stream: is required"),
    "deep": (lambda path: yaml(path, "a: " + "[" * 100_000), "zz.yaml"),
    "large": (lambda path: yaml(path, "#" * (5 << 20)), "zz.yaml"),
}


def states(bench: SheetsOffice) -> dict[str, FileState]:
    return {one.name: FileState(one.state) for one in bench.outbox.rows.summaries()}


@pytest.mark.parametrize("kind", BAD)
def test_bad_mapping_at_the_start_is_named_and_stops_no_good_one(
    bench: SheetsOffice, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """In the log, in status and in check; its sheets are told as those that no mapping is for."""
    make, reason = BAD[kind]
    make(bench.path / "mappings" / "zz.yaml")
    bench.write("offers.csv", "1,Pump")
    bench.write("other.csv", "2,Valve")
    with capture_logs() as logs:
        bench.restart()
    (told,) = (one["reason"] for one in logs if one["event"] == "mapping_refused")
    assert "zz.yaml" in told
    assert reason in told
    bench.look()
    assert states(bench) == {"offers.csv": FileState.TAKEN, "other.csv": FileState.UNMAPPED}
    assert bench.rows("offers.csv") == {"1": "pending"}

    capsys.readouterr()
    assert run_command(["status", "--json", "--office", str(bench.path)]) == 1
    (need,) = (need for need in json.loads(capsys.readouterr().out)["needs"] if need["code"] == "mapping")
    assert "zz.yaml" in need["said"]
    assert run_command(["check", "--json", "--office", str(bench.path)]) == 11  # nobody listens at the broker, either
    found = [one for one in json.loads(capsys.readouterr().out) if one["name"] == "mappings"]
    assert [one["ok"] for one in found] == [True, False]
    assert "offers.yaml (offer)" in found[0]["said"]
    assert "zz.yaml" in found[1]["said"]
    assert run_command(["preview", str(bench.path / "offers.csv"), "--json", "--office", str(bench.path)]) == 0
    assert json.loads(capsys.readouterr().out)["mapping"] == "offers.yaml"


def test_office_of_bad_mappings_alone_does_not_start(bench: SheetsOffice) -> None:
    yaml(bench.path / "mappings" / "offers.yaml")
    with pytest.raises(UsageError, match=r"offers\.yaml, line 1"):
        bench.restart()


def test_mappings_go_bad_and_good_at_run_time(bench: SheetsOffice) -> None:
    """One that goes bad counts as it was; beside it a new one comes into force, and the bad one once it is mended."""
    mappings = bench.path / "mappings"
    bench.write("offers.csv", "1,Pump")
    bench.look()
    yaml(mappings / "offers.yaml")
    yaml(mappings / "other.yaml", OTHER)
    bench.write("offers.csv", "1,Pump", "3,Filter")
    bench.write("other.csv", "2,Valve")
    with capture_logs() as logs:
        bench.look()
    assert [one["reason"][:19] for one in logs if one["event"] == "mapping_refused"] == ["offers.yaml, line 1"]
    assert states(bench) == {"offers.csv": FileState.TAKEN, "other.csv": FileState.TAKEN}
    assert set(bench.rows("offers.csv")) == {"1", "3"}

    bench.restart()  # as it was is not known any more: nothing of its sheet is withdrawn
    backlog = bench.outbox.backlog()
    bench.look()
    assert states(bench) == {"offers.csv": FileState.UNMAPPED, "other.csv": FileState.TAKEN}
    assert bench.outbox.backlog() == backlog
    yaml(mappings / "offers.yaml", MAPPING)
    bench.look()
    assert states(bench) == {"offers.csv": FileState.TAKEN, "other.csv": FileState.TAKEN}
    assert bench.outbox.backlog() == backlog


def test_mapping_that_could_not_be_opened_is_taken_up_when_it_can(
    bench: SheetsOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though neither its size nor its time tells that."""
    path = bench.path / "mappings" / "other.yaml"
    yaml(path, OTHER)
    bench.write("other.csv", "2,Valve")
    real = files.opened

    def opened(asked: Path, under: Path | None = None) -> object:
        if asked == path:
            raise PermissionError(13, "Permission denied", str(path))
        return real(asked, under)

    monkeypatch.setattr(files, "opened", opened)
    bench.restart()
    with capture_logs() as logs:
        bench.look()
    assert states(bench) == {"other.csv": FileState.UNMAPPED}
    assert not [one for one in logs if one["event"] == "mapping_refused"], "it is told once"
    monkeypatch.undo()
    bench.look()
    assert states(bench) == {"other.csv": FileState.TAKEN}
