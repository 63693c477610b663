"""A hub whose keys are not in its data directory, such as in a mounted secret: every command finds them there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity
from hub.protocol.errors import UsageError
from tests.unit.hub.cli.conftest import HUB

ADD = ("center", "add", "uz", "--name", "T", "--country", "UZ", "--direction", "west", "--stream", "offer")


def says(settings: Settings, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    status = run_command(list(arguments), settings)
    said = capsys.readouterr()
    assert status == 0, said.err
    return said.out if "--json" in arguments else said.out + said.err


@pytest.mark.parametrize("by", ["variable", "file"])
def test_keys_are_made_and_used_where_the_settings_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    """Made, registered with, listed, rotated and backed up; the data directory has none."""
    data, keys = tmp_path / "data", tmp_path / "secret"
    data.mkdir(mode=0o700)
    settings = Settings(data, environment={"HUB_KEYS": str(keys)} if by == "variable" else {})
    if by == "file":
        (data / "hub.yaml").write_text("keys: ../secret\n")
    says(settings, capsys, "init", "--hub", HUB)
    assert load_identity(keys).hub == HUB
    says(settings, capsys, *ADD)
    says(settings, capsys, "key", "rotate", "receipts", "--reason", "a test")
    assert len(list(keys.glob("receipts*.key"))) == 2
    assert {"purpose": "receipts", "status": "in use"}.items() <= {
        key["status"]: key for key in json.loads(says(settings, capsys, "key", "list", "--json"))["keys"]
        if key["purpose"] == "receipts"
    }["in use"].items()  # fmt: skip
    assert str(data / "../secret" if by == "file" else keys) in says(settings, capsys, "settings", "show", "--json")
    assert not (data / "keys").exists()

    words = tmp_path / "words"
    words.write_text("correct horse battery staple, and some more\n")
    words.chmod(0o600)
    says(settings, capsys, "backup", str(tmp_path / "copy"), "--sealed-by", str(words))
    again = Settings(tmp_path / "again", environment=settings.environment)
    said = says(again, capsys, "restore", str(tmp_path / "copy"), "--sealed-by", str(words))
    assert load_identity(tmp_path / "again" / "keys").hub == HUB
    assert f"take away {tmp_path / 'again' / 'keys'}" in " ".join(said.split())
    assert load_identity(keys).hub == HUB  # a restore takes nothing away there


def test_folder_is_beneath_the_data_directory_unless_it_is_named_from_the_root(tmp_path: Path) -> None:
    assert HubFolder(tmp_path).keys == tmp_path / "keys"
    assert HubFolder(tmp_path, {"HUB_KEYS": "secret"}).keys == tmp_path / "secret"
    assert HubFolder(tmp_path, {"HUB_KEYS": "/run/secrets/hub"}).keys == Path("/run/secrets/hub")
    (tmp_path / "hub.yaml").write_text("keys: /run/secrets/file\n")
    assert HubFolder(tmp_path).keys == Path("/run/secrets/file")
    assert HubFolder(tmp_path, {"HUB_KEYS": "/run/secrets/hub"}).keys == Path("/run/secrets/hub")
    assert HubFolder(tmp_path).own_keys == tmp_path / "keys"


def test_setting_that_is_no_folders_name_is_refused(tmp_path: Path) -> None:
    """Nobody goes on with the keys of another place."""
    (tmp_path / "hub.yaml").write_text("keys: [a, b]\n")
    with pytest.raises(UsageError, match=r"hub\.yaml: keys"):
        _ = HubFolder(tmp_path).keys
