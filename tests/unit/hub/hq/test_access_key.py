"""The key that seals what HQ keeps of others' access."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hub.hq.access_key import AccessKey
from hub.hq.identity import load_identity, make_identity
from hub.protocol.errors import Malformed, NotFound, UsageError

SECRET = b"the secret of a center"


def test_what_was_sealed_opens_by_the_same_key_for_the_same_purpose(tmp_path: Path) -> None:
    """No two sealed forms of one secret are the same, and none shows it."""
    key = AccessKey.make(tmp_path)
    first, second = key.seal(SECRET, "credential of uz"), key.seal(SECRET, "credential of uz")
    assert first != second
    assert SECRET not in first
    assert AccessKey.load(tmp_path).open(first, "credential of uz") == SECRET


def test_what_was_sealed_opens_for_nothing_else(tmp_path: Path) -> None:
    """A row that was put in another's place gives nobody another's access."""
    sealed = AccessKey.make(tmp_path).seal(SECRET, "credential of uz")
    with pytest.raises(Malformed):
        AccessKey.load(tmp_path).open(sealed, "credential of kz")
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(Malformed):
        AccessKey.make(other).open(sealed, "credential of uz")


def test_every_changed_byte_and_every_cut_is_noticed(tmp_path: Path) -> None:
    """Nothing that was changed is taken for a credential."""
    key = AccessKey.make(tmp_path)
    sealed = key.seal(SECRET, "x")
    for at in range(len(sealed)):
        for damaged in (sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], sealed[:at]):
            with pytest.raises(Malformed):
                key.open(damaged, "x")


def test_key_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    """A second process that makes it at once has the same one."""
    sealed = AccessKey.make(tmp_path).seal(SECRET, "x")
    assert AccessKey.make(tmp_path).open(sealed, "x") == SECRET
    assert stat.S_IMODE((tmp_path / "access.key").stat().st_mode) == 0o600


def test_key_that_is_gone_open_to_others_or_damaged_is_said(tmp_path: Path) -> None:
    """What a damaged file holds is not shown: it may be half the key."""
    with pytest.raises(NotFound, match="is not there"):
        AccessKey.load(tmp_path)
    AccessKey.make(tmp_path)
    path = tmp_path / "access.key"
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        AccessKey.load(tmp_path)
    path.chmod(0o600)
    text = path.read_text()
    for damaged in (text[:-6], text.replace("/v1", "/v2"), "", text + "x", "\xff"):
        path.write_text(damaged, encoding="latin-1")
        with pytest.raises(UsageError, match="damaged") as caught:
            AccessKey.load(tmp_path)
        assert text.split()[1] not in str(caught.value)


def test_hub_with_such_a_key_beside_the_others_is_loaded(tmp_path: Path) -> None:
    """It signs no note, and neither does the key of the broker's authority."""
    make_identity(tmp_path / "keys", "hub.example")
    AccessKey.make(tmp_path / "keys")
    (tmp_path / "keys" / "ca.key").write_text("no signer's key")
    assert load_identity(tmp_path / "keys").hub == "hub.example"
