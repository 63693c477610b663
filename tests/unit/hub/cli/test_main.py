"""Wrong use is one line on stderr and status 2, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from hub.base.command import _leaf
from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.protocol.errors import Fatal, Retriable


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--jsn"],
        ["nonsense"],
        ["center", "suspend", "uz"],
        ["quarantine", "show", "seven"],
        ["up", "--port", "70000"],
        ["status"],
        ["trust"],
        ["center", "list"],
        ["show", "dragons"],
        ["show", "offer", "uz:1"],
        ["worker", "--bootstrap", "nowhere"],
        ["worker", "--bootstrap", "127.0.0.1:9"],
        ["code-list", "publish", "technology"],
        ["code-list", "publish", "technology", "missing.csv"],
        ["lane", "resume", "uz"],
        ["demo", "--network", "nowhere"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_one_line_and_status_two(hub: Any, arguments: list[str]) -> None:
    done = hub(*arguments)
    assert done.status == 2
    assert done.out == ""
    assert done.err.startswith("hub: ")
    assert done.err.count("\n") == 1


def test_wrong_option_names_the_help_that_has_it(hub: Any) -> None:
    assert "Try `hub lane resume --help`." in hub("lane", "resume").err


def test_data_dir_after_the_command_counts_before_the_global_one(hub: Any, tmp_path: Path) -> None:
    assert hub("--data-dir", str(tmp_path / "one"), "init", "--data-dir", str(tmp_path / "two")).status == 0
    assert not (tmp_path / "one").exists()
    assert (tmp_path / "two" / "keys" / "hub.name").exists()


def test_settings_read_the_environment() -> None:
    assert Settings.read({"HUB_DATA_DIR": "/srv/hub", "COHUB_DEBUG": "1"}) == Settings(Path("/srv/hub"), debug=True)
    assert Settings.read({"COHUB_DEBUG": "0"}) == Settings()
    kept = Settings.read({"HUB_BOOTSTRAP": "k:1", "HUB_PASSWORD": "hunter2", "PATH": "/bin"})
    assert kept.environment == {"HUB_BOOTSTRAP": "k:1", "HUB_PASSWORD": "hunter2"}
    assert "hunter2" not in repr(kept)


def test_debug_lets_the_traceback_through(tmp_path: Path) -> None:
    with pytest.raises(Fatal):
        run_command(["status"], Settings(tmp_path, debug=True))


def test_group_of_errors_tells_our_own_first() -> None:
    group = BaseExceptionGroup("", [ValueError("foreign"), ExceptionGroup("", [Retriable("ours")])])
    assert str(_leaf(group)) == "ours"
    assert str(_leaf(ExceptionGroup("", [ValueError("foreign")]))) == "foreign"


def test_main_ends_the_process_with_the_status(tmp_path: Path) -> None:
    """In a process of its own, for it sees to it that this one leaves no memory behind, which can't be undone."""
    command = [sys.executable, "-m", "hub.cli.main", "init", "--hub", "Not a name"]
    ended = subprocess.run(command, env=os.environ | {"HUB_DATA_DIR": str(tmp_path / "here")}, check=False)
    assert ended.returncode == 2


def test_every_command_has_help_with_an_example(hub: Any) -> None:
    """A person finds out from the command itself how it is used."""
    commands = [
        ["up"],
        ["init"],
        ["worker"],
        ["broker"],
        ["trust"],
        ["settings", "show"],
        ["status"],
        ["show"],
        ["demo"],
        ["schema", "check"],
    ]
    commands += [["center", c] for c in ("add", "list", "set", "add-key", "revoke-key", "suspend", "resume", "close")]
    commands += [["lane", c] for c in ("list", "show", "resume")]
    commands += [["quarantine", c] for c in ("list", "show")] + [["code-list", "publish"]]
    for command in commands:
        done = hub(*command, "--help")
        assert done.status == 0, command
        assert "Example" in done.out, command


@pytest.mark.parametrize("group", ["audit", "center", "lane", "ledger", "log", "replay"])
def test_group_has_examples_and_alone_shows_its_help(hub: Any, group: str) -> None:
    """In lines as they are written, whether help was asked for or not."""
    done = hub(group, "--help")
    assert f"  Examples:\n    hub {group} " in done.out
    assert "\b" not in done.out
    alone = hub(group)
    assert (alone.status, alone.err) == (2, done.out)


def test_version_is_the_packages(hub: Any) -> None:
    done = hub("--version")
    assert (done.status, done.out) == (0, f"hub {version('cohub')}\n")


def test_help_imports_nothing_heavy_and_a_broker_no_way_to_fetch_what_it_has() -> None:
    code = (
        "import sys; from hub.cli.main import run_command; from hub.cli.options import Settings;"
        "run_command(['--help'], Settings());"
        "print([m for m in ('faust', 'sqlalchemy', 'aiokafka', 'confluent_kafka', 'pydantic') if m in sys.modules]);"
        "import hub.broker.embedded; print([m for m in ('httpx', 'jgo', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-2:] == ["[]", "[]"]


def test_process_of_a_command_is_started_with_a_collector_that_looks_rarely() -> None:
    """What is imported stays: walking through it again and again took a tenth of every command's start."""
    code = (
        "import gc, atexit; from {module}.cli.main import main;"
        "atexit.register(lambda: print(gc.isenabled(), gc.get_threshold()[0])); main(['--version'])"
    )
    for module in ("hub", "connectors"):
        command = [sys.executable, "-c", code.format(module=module)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "True 50000"
