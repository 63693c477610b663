"""The settings of a hub: what counts, where it comes from, and what is said of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.hq.folder import HubFolder
from hub.hq.settings import FILE, VARIABLES, HubSettings, InForce, read_settings
from hub.protocol.errors import UsageError


def settings(folder: Path, text: str | None = None, **environment: str) -> InForce:
    if text is not None:
        (folder / FILE).write_text(text, "utf-8")
    return read_settings(folder, environment)


@pytest.mark.parametrize("text", [None, "", "# nothing yet\n"])
def test_hub_without_settings_has_the_defaults(tmp_path: Path, text: str | None) -> None:
    """`hub up` needs no file."""
    found = settings(tmp_path, text)
    assert found.settings == HubSettings()
    assert {origin for _, _, origin in found.rows()} == {"default"}


def test_environment_counts_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    """Each value says where it comes from."""
    text = "bootstrap: [file:1]\nsecurity: {protocol: SASL_SSL, username: file, password: file}\nworker: {stall_s: 5}\n"
    given = {"HUB_BOOTSTRAP": "env:1, env:2", "HUB_USERNAME": "env", "HUB_PASSWORD": "from-env", "HUB_INSTANCE": "hq-1"}
    found = settings(tmp_path, text, **given)
    assert found.settings.bootstrap == ("env:1", "env:2")
    assert found.settings.security.login() == ("env", "from-env")
    rows = {name: (value, origin) for name, value, origin in found.rows()}
    assert rows["security.protocol"] == ("SASL_SSL", FILE)
    assert rows["security.username"] == ("env", "HUB_USERNAME")
    assert rows["worker.stall_s"] == (5.0, FILE)
    assert rows["worker.session_s"] == (6.0, "default")
    assert {origin for _, origin in rows.values()} == {FILE, "default", *VARIABLES}


def test_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    """An empty variable, as a container's template leaves it, changes nothing."""
    found = settings(tmp_path, "bootstrap: [file:1]", HUB_BOOTSTRAP="")
    assert (found.settings.bootstrap, found.origins) == (("file:1",), {"bootstrap": FILE})


def test_secret_is_masked_wherever_it_is_shown(tmp_path: Path) -> None:
    """A password can be given, and never read back."""
    found = settings(tmp_path, "security: {password: hunter2}")
    assert {name: value for name, value, _ in found.rows()}["security.password"] == "*****"
    assert "hunter2" not in repr(found)


def test_paths_are_the_data_directorys(tmp_path: Path) -> None:
    """Wherever the command was started."""
    found = settings(tmp_path, "security: {protocol: SSL, ca_file: ca.pem, cert_file: /etc/hq.pem}").settings.security
    assert (found.ca_file, found.cert_file) == (tmp_path / "ca.pem", Path("/etc/hq.pem"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("worker: {stal_s: 5}", "worker.stal_s: there is no such setting: did you mean worker.stall_s?"),
        ("securty: {}", "securty: there is no such setting: did you mean security?"),
        ("colour: red", "colour: there is no such setting: take it out; docs/settings.md has them all"),
        ("worker: {stall_s: 0}", "worker.stall_s: expected greater than 0, came '0'; change it, or take it out"),
        ("worker: {stall_s: soon}", "worker.stall_s: expected a valid number"),
        ("bootstrap: [nowhere]", "bootstrap: expected host:port, came 'nowhere'; change it"),
        ("security: {protocol: TELNET}", "security.protocol: expected 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or"),
        ("security: hunter2", "security: expected settings below it, such as security.protocol; change it"),
        ("worker:", "worker: expected settings below it, such as worker.instance"),
        ("bootstrap: 5", "bootstrap: expected a list such as [kafka-1:9092], came '5'"),
        ("security: {ca_file: [a]}", "security.ca_file: expected a file's name, came"),
        ("- bootstrap", "expected settings such as `bootstrap"),
        ("security: {password: hunter2", "line 1: expected YAML such as"),
        ("security: {password: [hunter2]}", "security.password: expected a valid string; change it"),
    ],
)
def test_mistake_in_the_file_names_file_setting_and_remedy(tmp_path: Path, text: str, expected: str) -> None:
    """One line, and no secret in it."""
    with pytest.raises(UsageError) as told:
        settings(tmp_path, text)
    said = str(told.value)
    assert said.startswith(str(tmp_path / FILE))
    assert expected in said
    assert "hunter2" not in said


def test_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    """It is to be mended there, not in the file."""
    with pytest.raises(UsageError, match=r"^HUB_BOOTSTRAP \(instead of bootstrap in hub.yaml\): expected host:port"):
        settings(tmp_path, HUB_BOOTSTRAP="nowhere")


def test_section_that_is_none_is_no_place_for_a_variable(tmp_path: Path) -> None:
    """What the file says is checked as it is: a variable hides no mistake in it."""
    with pytest.raises(UsageError, match="security: expected settings below it"):
        settings(tmp_path, "security: foo\n", HUB_PASSWORD="x")


def test_file_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    """What is there and is no file is no reason for the defaults."""
    (tmp_path / FILE).mkdir()
    with pytest.raises(UsageError, match=f"can't read {tmp_path / FILE}"):
        settings(tmp_path)


def test_cluster_is_the_one_named_then_the_settings_then_the_last_workers(tmp_path: Path) -> None:
    """The last worker's address is for commands that only look, and has the settings' security."""
    where, none = HubFolder(tmp_path), HubSettings()
    assert where.known_cluster(none) is None
    where.worker_file.write_text('{"bootstrap": "last:1", "pid": 7}\n')  # as 0.2 wrote it
    some = settings(tmp_path, "bootstrap: [file:1]\nsecurity: {protocol: SSL}").settings
    assert where.cluster(none) is None
    found = [
        where.known_cluster(none),
        where.known_cluster(some),
        where.known_cluster(some, "named:1"),
        where.cluster(some),
    ]
    assert [c and c.bootstrap for c in found] == ["last:1", "file:1", "named:1", "file:1"]
    assert [c and c.security.protocol for c in found] == ["PLAINTEXT", "SSL", "SSL", "SSL"]
