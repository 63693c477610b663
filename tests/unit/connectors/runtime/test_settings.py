"""A wrong setting is one clear line; a right one is read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.runtime.office import read_key, read_office
from connectors.runtime.settings import FILE, Overrides, make_settings, read_settings
from hub.protocol.errors import UsageError
from hub.protocol.note import Signer, sign_note
from hub.protocol.trust import Trust

GOOD = {"hub": "hub.example", "center": "uz", "bootstrap": ["localhost:9092"]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"colour": "red"}, "connector.yaml: colour: there is no such setting"),
        ({"center": "U Z"}, "expected a center's id"),
        ({"hub": "Hub!"}, "connector.yaml: hub: "),
        ({"linger_ms": -1}, "connector.yaml: linger_ms: "),
        ({"bootstrap": []}, "connector.yaml: bootstrap: "),
        ({"security": {"protocol": "TELNET"}}, "connector.yaml: security.protocol: "),
        ({"language": "fr"}, "connector.yaml: language: "),
    ],
)
def test_make_settings_of_a_wrong_value_names_file_and_setting(change: dict[str, object], expected: str) -> None:
    """The message says which file and which setting, in one line."""
    with pytest.raises(UsageError) as caught:
        make_settings(GOOD | change, "connector.yaml")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_make_settings_gives_topics_and_defaults() -> None:
    """The three required settings are enough."""
    settings = make_settings(GOOD, "connector.yaml")
    assert (settings.topic_in, settings.topic_out, settings.settle_s) == ("in.uz", "out.uz", 60)


def test_read_settings_lets_the_environment_override(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment wins over the file, a password is never shown."""
    (tmp_path / "connector.yaml").write_text(
        "hub: hub.example\ncenter: uz\nbootstrap: [a:1]\nsecurity: {protocol: SSL}\n"
    )
    monkeypatch.setenv("COHUB_CONNECTOR_BOOTSTRAP", "b:2, c:3")
    monkeypatch.setenv("COHUB_CONNECTOR_PASSWORD", "hidden")
    settings = read_settings(tmp_path, Overrides())
    assert settings.bootstrap == ("b:2", "c:3")
    assert settings.security.protocol == "SSL"
    assert "hidden" not in repr(settings)


def test_read_settings_looks_for_files_from_the_office_on(tmp_path: Path) -> None:
    """Wherever the connector was started, as the settings' page says."""
    (tmp_path / "connector.yaml").write_text(
        "hub: hub.example\ncenter: uz\nbootstrap: [a:1]\nsecurity: {protocol: SSL, ca_file: ca.pem}\n"
    )
    assert read_settings(tmp_path).security.ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize("text", ["hub: [", "- a\n", ""])
def test_read_settings_of_no_settings_says_so(tmp_path: Path, text: str) -> None:
    """A file that is no YAML mapping is one line."""
    (tmp_path / "connector.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"connector\.yaml"):
        read_settings(tmp_path)


def test_read_settings_without_a_file_points_to_init(tmp_path: Path) -> None:
    """The remedy stands in the message."""
    with pytest.raises(UsageError, match="connector init"):
        read_settings(tmp_path)


def office_at(folder: Path, hub: str = "hub.example") -> Signer:
    root, receipts = Signer(f"{hub}/root", b"o" * 32), Signer(f"{hub}/receipts", b"r" * 32)
    key = Signer("hub.example/uz", b"k" * 32)
    (folder / "connector.yaml").write_text("hub: hub.example\ncenter: uz\nbootstrap: [a:1]\n")
    (folder / "trust.note").write_bytes(
        sign_note(Trust(hub, root.verifier, (receipts.verifier,)).to_text(), [root]).to_bytes()
    )
    (folder / "keys").mkdir()
    (folder / "keys" / "seal.key").write_text(key.to_text())
    (folder / "keys" / "seal.key").chmod(0o600)
    return key


def test_read_office_brings_settings_key_and_trust_together(tmp_path: Path) -> None:
    """What `connector run` needs is read in one go."""
    key = office_at(tmp_path)
    office = read_office(tmp_path)
    assert office.key == key
    assert office.trust.hub == office.settings.hub


def test_read_office_with_another_hubs_trust_is_refused(tmp_path: Path) -> None:
    """Receipts of another hub are not to be believed."""
    office_at(tmp_path, "other.example")
    with pytest.raises(UsageError, match=r"other\.example"):
        read_office(tmp_path)


def test_read_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """A seal key is for its owner's eyes."""
    office_at(tmp_path)
    (tmp_path / "keys" / "seal.key").chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        read_key(tmp_path / "keys" / "seal.key")


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "9" * 6_000, "a: 2001-99-99", "a: &a [*a]"])
def test_read_settings_of_a_hostile_file_says_that_it_is_no_yaml(tmp_path: Path, text: str) -> None:
    """Whatever stands in it, it is one line for a person, and no crash."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match="is not YAML"):
        read_settings(tmp_path)
