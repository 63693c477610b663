"""docs/operator.md and docs/office.en.md from nothing to three offices: what they have people type, in its order.

Real processes in folders of their own, on this machine's loopback in place of a network. Of the addresses alone others
are typed than the pages show.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.hub_cli.test_docs import has_accepted, lane_of
from tests.support.documents import BIN, ROOT, Terminal, blocks
from tests.support.ports import free_port
from tests.support.services import imitate, words_of
from tests.support.terminal import at_terminal

pytestmark = [
    pytest.mark.integration,
    pytest.mark.long,
    pytest.mark.timeout(1_200),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="systemd is imitated, and the pages' Linux is run"),
]

PAGE: Final = "docs/operator.md"
# What is not run here, and why.
NOT_RUN: Final = {
    "make setup": "what it makes is what runs these tests",
    "source .venv/bin/activate": "the commands here are found by PATH",
    "make connector": "the tests of deploy make the file, and start it",
    "make connector ARGS='--platform windows-x86_64'": "likewise",
    "make connector ARGS='--platform macos-arm64'": "likewise",
}
ENDLESS: Final = {"hub up": "is up at", "hub web": "listens on port"}
FILE: Final = "python3 connector.pyz"
DEADLINE_S: Final = 300.0  # for whatever other tests keep this machine busy


def until(found: Callable[[], Any], what: str) -> None:
    """Return once that is something. Errors: AssertionError, by what did not come."""
    ends = time.monotonic() + DEADLINE_S
    while not found():
        assert time.monotonic() < ends, what
        time.sleep(0.2)


def until_told(log: Path, text: str) -> None:
    """Return once a running command has printed a text."""
    until(lambda: text in log.read_text("utf-8"), f"no {text!r} in {log}")


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def spans(text: str, *starts: str) -> list[str]:
    """Return what a text has between backticks and begins so, each once, in its order."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return list(dict.fromkeys(each for each in re.findall(r"`([^`]+)`", plain) if each.startswith(starts)))


class Hq:
    """HQ's people at their terminals."""

    def __init__(self, folder: Path) -> None:
        kafka, web = str(free_port()), str(free_port())
        here = {
            "0.0.0.0:9093": f"127.0.0.1:{kafka}", "hub.example.org:9093": f"127.0.0.1:{kafka}",
            "0.0.0.0:8443": f"127.0.0.1:{web}", "https://hub.example.org:8443": f"https://127.0.0.1:{web}",
        }  # fmt: skip
        self.terminal = Terminal(folder, {}, here)
        self.folder = folder

    def types(self, command: str) -> str:
        """Return what a command shows; one that goes on until a signal is ready then."""
        for start, ready in ENDLESS.items():
            if command.startswith(start):
                log = self.terminal.start(command)
                until_told(log, ready)
                return log.read_text("utf-8")
        if command == "hub status":
            command += " || test $? = 1"  # it says by that whether a person is needed
        if command.startswith("mkdir"):
            shown = self.terminal.run(command, deadline_s=DEADLINE_S)
            (settings,) = re.findall(r"```yaml\n(.*?)```", page(PAGE), re.DOTALL)
            (self.folder / "hub-data/hub.yaml").write_text(self.terminal._here(settings), "utf-8")
            return shown
        return self.terminal.run(command, deadline_s=DEADLINE_S)

    def restarts(self) -> None:
        """End everything, as a reboot does."""
        assert set(self.terminal.end()) == {0}


class Office:
    """The people of an office at their terminal, who have what HQ sent."""

    def __init__(self, folder: Path, invitation: Path, **more: str) -> None:
        self.folder, services = folder, folder / "home/.config/systemd/user"
        imitate("linux", folder / "bin", services)
        environment = {
            "HOME": str(folder / "home"), "XDG_CONFIG_HOME": "", "COHUB_CONNECTOR_SETTLE_S": "0",
            "PATH": os.pathsep.join((str(BIN), str(folder / "bin"), os.environ["PATH"])), **more,
        }  # fmt: skip
        self.services = services
        self.office = folder / "home/cohub"
        self.terminal = Terminal(self.office, environment, {FILE: f"{sys.executable} -m connectors.cli.main"})
        shutil.copy(invitation, self.office)

    def types(self, command: str, answers: dict[str, str] | None = None) -> str:
        if answers is None:
            return self.terminal.run(command, deadline_s=DEADLINE_S)
        return at_terminal(self.terminal._here(command), self.office, self.terminal._environment, answers)

    def joins(self, command: str) -> tuple[Path, str]:
        """Return what it prints into, and the numbers of its own six words, once HQ has asked for nothing more."""
        log = self.terminal.start(command)
        until(lambda: log.read_text("utf-8").count("Ctrl+C") > 1, f"HQ has not heard it: {log}")
        numbers = re.findall(r"^\d +(\d{4}) ", log.read_text("utf-8"), re.MULTILINE)
        assert len(numbers) == 12
        return log, " ".join(numbers[6:])

    def starts_its_service(self) -> None:
        """Do what the system does by the file that `install-service` has made."""
        (unit,) = self.services.glob("*.service")
        self.terminal.start(shlex.join(words_of(unit.read_bytes(), "linux")))


@pytest.fixture
def offices() -> Iterator[dict[str, Office]]:
    made: dict[str, Office] = {}
    yield made
    for office in made.values():
        office.terminal.end()


@pytest.fixture
def hq(tmp_path: Path) -> Iterator[Hq]:
    made = Hq(tmp_path / "hq")
    yield made
    made.terminal.end()


def confirm(hq: Hq, center: str, office: Office, join: str) -> str:
    """Have an office join, and HQ confirm it as the page says; return what the office was shown."""
    log, numbers = office.joins(join)
    until(lambda: f"hub center confirm {center}" in hq.types("hub status"), "HQ does not see that it has asked")
    at_terminal(
        f"hub center confirm {center}", hq.folder, hq.terminal._environment | {"HUB_DATA_DIR": "hub-data"},
        {f"the words of {center}: ": numbers},
    )  # fmt: skip
    until_told(log, "install-service")
    return log.read_text("utf-8")


def test_page_of_operators_from_nothing_to_three_offices(hq: Hq, offices: dict[str, Office], tmp_path: Path) -> None:
    """Every block is run in its order, then what the table has; files that it names are there."""
    commands = [command for block in blocks(PAGE) for command in block if command not in NOT_RUN]
    assert {command for block in blocks(PAGE) for command in block} >= NOT_RUN.keys()
    shown = {}
    for command in commands:
        if command == "hub up --data-dir hub-data":
            hq.restarts()
        if command.startswith("hub center confirm"):
            break
        shown[command] = hq.types(command)
    assert "FAILS" not in shown["hub doctor"]
    assert [command for command in commands if command.startswith("hub center confirm")] == ["hub center confirm uz"]
    again = spans(page(PAGE).split("## 5.")[1].split("## 6.")[0], "hub center withdraw", "hub center invite")
    assert len(again) == 2
    for command in again:
        hq.types(command)
    for center, way in (("uz", "kafka"), ("kz", "https"), ("cn", "auto")):
        file = hq.folder / f"{center}{'-2' if center == 'uz' else ''}.cohub"
        offices[center] = Office(tmp_path / center, file, COHUB_CONNECTOR_WAY=way)
    live_as_the_page_of_offices_says(hq, offices)

    table = page(PAGE).split("## 7.")[1].split("\n## ")[0]
    for command in spans(table, "hub "):
        hq.types(command)
    for named in spans(page(PAGE), "hub-data/"):
        assert (hq.folder / named).exists(), named


def live_as_the_page_of_offices_says(hq: Hq, offices: dict[str, Office]) -> None:
    """Each office joins, in its language, and reports a sheet; one of them tries all that its page has."""
    typed = spans(page("docs/office.en.md"), f"{FILE} ", "mv *.cohub")
    moves, join, *others = typed
    assert join.startswith(f"{FILE} join ")
    for center, office in offices.items():
        office.types(moves)
        told = confirm(hq, center, office, join)
        assert ("总部已确认" if center == "cn" else "подтвердила") in told, "in the language of the invitation"
        for next_step in ("check", "run", "install-service"):
            assert f"connectors.cli.main {next_step}`" in told or f"connector {next_step}`" in told
        shutil.copy(office.office / "sample/offers.xlsx", office.office / "offers.xlsx")
        if center == "uz":
            for command in others:
                if "uninstall" not in command and " status" not in command:
                    answers = (
                        {"]: ": "", "номер или само значение: ": "1", "номер: ": "1"}
                        if command.endswith("--ask")
                        else None
                    )
                    office.types(command, answers)
        else:
            office.types(f"{FILE} install-service")
        office.starts_its_service()
    for center, office in offices.items():
        until(lambda office=office: has_accepted(office.office, 2), f"{center}: nothing was accepted")  # type: ignore[misc]
    assert lane_of(hq.folder / "hub-data", "kz")
    first = offices["uz"]
    assert "offers.xlsx" in first.types(f"{FILE} status")
    assert "uninstall-service" in others[-1] or f"{FILE} uninstall-service" in others
    first.types(f"{FILE} uninstall-service")
    assert list(first.services.glob("*.service")) == []
