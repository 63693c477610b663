"""`hub settings show`, and the commands that settings are for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.hq.settings import FILE, read_settings


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*arguments: str, **environment: str) -> tuple[int, str, str]:
        status = run_command(list(arguments), Settings.read({"HUB_DATA_DIR": str(tmp_path), **environment}))
        return status, *capsys.readouterr()

    return command


def test_show_prints_what_is_in_force_and_where_it_comes_from(run: Any, tmp_path: Path) -> None:
    """Every setting, by table and by JSON; the password is masked in both."""
    (tmp_path / FILE).write_text("bootstrap: [k-1:9092]\nworker: {stall_s: 90}\n")
    status, out, _ = run("settings", "show", "--json", HUB_PASSWORD="hunter2")
    found = json.loads(out)
    assert (status, found["file"], found["exists"]) == (0, str(tmp_path / FILE), True)
    by_name = {row["setting"]: (row["value"], row["from"]) for row in found["settings"]}
    assert by_name["bootstrap"] == (["k-1:9092"], "hub.yaml")
    assert by_name["worker.stall_s"] == (90.0, "hub.yaml")
    assert by_name["security.password"] == ("*****", "HUB_PASSWORD")
    assert by_name["security.protocol"] == ("PLAINTEXT", "default")
    status, table, _ = run("settings", "show", HUB_PASSWORD="hunter2")
    assert status == 0
    assert all(name in table for name in by_name)
    assert "hunter2" not in out + table


def test_show_without_a_file_says_so(run: Any) -> None:
    """Where one may be made, and what it may hold."""
    status, out, _ = run("settings", "show")
    assert status == 0
    assert "which does not exist; docs/settings.md says" in " ".join(out.split())


def test_worker_without_a_broker_says_where_to_name_one(run: Any, tmp_path: Path) -> None:
    """Three places, in one line."""
    status, _, err = run("worker")
    assert status == 2
    assert f"set bootstrap in {tmp_path / FILE} or HUB_BOOTSTRAP, or name it: --bootstrap host:port" in err


@pytest.mark.parametrize(
    ("text", "environment"),
    [("bootstrap: [k-1:9092]", {}), ("security: {protocol: SSL}", {}), ("", {"HUB_BOOTSTRAP": "k-1:9092"})],
)
def test_up_refuses_settings_for_another_broker(
    run: Any, tmp_path: Path, text: str, environment: dict[str, str]
) -> None:
    """It runs its own: who has set another one meant `hub worker`."""
    (tmp_path / FILE).write_text(text)
    status, _, err = run("up", **environment)
    assert status == 2
    assert "`hub up` runs a broker of its own" in err
    assert "run `hub worker`, or take that setting out" in err
    assert not (tmp_path / "keys").exists()


def test_mistake_in_hub_yaml_stops_the_commands_that_need_it(run: Any, tmp_path: Path) -> None:
    """One line that names file, setting and remedy; commands without a broker go on."""
    (tmp_path / FILE).write_text("boostrap: [k-1:9092]")
    for command in (["worker"], ["up"], ["status"], ["settings", "show"]):
        status, _, err = run(*command)
        assert (status, "did you mean bootstrap?" in err) == (2, True)
    assert run("init", "--hub", "hub.example")[0] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "which broker? start `hub up` in another terminal first"),
        (("--bootstrap", "k:1"), "set web.public in hub.yaml, or name it: --public https://host:port"),
        (("--bootstrap", "k:1", "--public", "http://hub.example"), "--public: expected https://host"),
        (("--bootstrap", "k:1", "--public", "https://hub.example:443"), "--public: expected https://host"),
        (("--bootstrap", "k:1", "--listen", "8443"), "--listen: expected host:port"),
    ],
)
def test_web_says_what_it_has_to_know(run: Any, options: tuple[str, ...], said: str) -> None:
    """In one line, before anything is opened."""
    status, _, err = run("web", *options)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("address", ["https://hub.example/x", "hub.example:8443", "https://HUB.example"])
def test_web_address_in_the_file_is_refused_by_its_place(run: Any, tmp_path: Path, address: str) -> None:
    """An office signs for the address byte for byte: it has one form."""
    (tmp_path / FILE).write_text(f"web: {{public: ['{address}']}}\n")
    status, _, err = run("settings", "show")
    assert (status, "web.public: expected https://host" in err) == (2, True), err


def test_web_files_are_looked_for_beside_the_settings(tmp_path: Path) -> None:
    """As all paths of the file; several addresses may stand in one text."""
    (tmp_path / FILE).write_text("web: {certificate: web.pem, key: /k.pem, public: 'https://a, https://b:1'}\n")
    web = read_settings(tmp_path, {}).settings.web
    assert (web.certificate, web.key) == (tmp_path / "web.pem", Path("/k.pem"))
    assert web.public == ("https://a", "https://b:1")
