"""The units for systemd: what systemd itself says of them, and that they run commands that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Final

import pytest

from tests.support.services import unit_words
from tests.unit.docs.test_commands import fault

ROOT: Final = Path(__file__).parents[3]
UNITS: Final = sorted((ROOT / "deploy/systemd").glob("*.service"))
EXPOSURE_MAX: Final = 2.0
needs_systemd: Final = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="SYSTEMD IS NOT HERE: what it says of the units was not asked"
)


def section(path: Path) -> dict[str, str]:
    """Return what a unit says of its service; of a key that stands there twice, the last."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read_string(path.read_text("utf-8"))
    return dict(parser["Service"])


def placed(path: Path, folder: Path, spoil: str = "") -> Path:
    """Return a copy whose program and page are there, for systemd looks for both."""
    text = path.read_text("utf-8").replace("/opt/cohub/bin/hub", "/bin/true")
    text = re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE)
    copy = folder / path.name
    copy.write_text(text + spoil, "utf-8")
    return copy


def asked(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True, check=False)


def test_there_is_a_unit_for_each_process_that_goes_on() -> None:
    """A host without containers runs the same processes."""
    assert [path.name for path in UNITS] == [
        "cohub-broker.service", "cohub-hub.service", "cohub-web.service", "cohub-worker@.service",
    ]  # fmt: skip


@needs_systemd
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_knows_every_word_of_a_unit(path: Path, tmp_path: Path) -> None:
    """It warns of unknown keys and bad values on stderr, and of a seeded one too."""
    done = asked("verify", placed(path, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "ProtectSytem" in asked("verify", placed(path, tmp_path, "[Service]\nProtectSytem=strict\n")).stderr


@needs_systemd
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit_is_hardened(path: Path, tmp_path: Path) -> None:
    """By systemd's own measure little is left that the process could reach."""
    done = asked("security", "--offline=true", placed(path, tmp_path))
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure is not None, done.stderr
    assert float(exposure[1]) <= EXPOSURE_MAX


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit_runs_a_command_that_there_is(path: Path) -> None:
    """With its options; it is told when it lives, and never given up."""
    said = section(path)
    command = said["ExecStart"].replace("/opt/cohub/bin/", "")
    assert fault(command) is None
    assert (said["Type"], said["Restart"], said["TimeoutStartSec"]) == ("notify", "always", "infinity")
    assert int(said["WatchdogSec"]) >= 120
    assert "StartLimitIntervalSec=0" in path.read_text("utf-8")


def test_no_secret_is_in_an_environment() -> None:
    """Passwords are credentials: whoever may see a unit's environment sees none."""
    for path in UNITS:
        assert not re.search(r"^Environment=.*(PASSWORD|SECRET)", path.read_text("utf-8"), re.MULTILINE)
        for loaded in re.findall(r"^LoadCredential=(.*)$", path.read_text("utf-8"), re.MULTILINE):
            name, _, place = loaded.partition(":")
            assert place == f"/etc/cohub/secrets/{name}"


def test_instances_of_a_unit_share_no_folder() -> None:
    """Two workers of one folder would write over each other's word, and could have but one port between them."""
    (path,) = [path for path in UNITS if "@" in path.name]
    assert section(path)["StateDirectory"] == "cohub/worker-%i"
    assert "--data-dir /var/lib/cohub/worker-%i" in section(path)["ExecStart"]


def test_words_of_a_unit_are_plain() -> None:
    """None of them needs a shell, or a quote."""
    for path in UNITS:
        line = section(path)["ExecStart"].replace("%i", "1")  # the instance
        assert not set(line) & set("\"'$%;|&<>")
    assert unit_words('ExecStart="hub" "up"') == ("hub", "up")
