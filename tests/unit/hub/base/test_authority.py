"""An authority in a folder: made once, believed for ever, and never made anew over what offices believe."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.base.authority import Authority
from hub.base.certificates import (
    AUTHORITY_LIFE,
    BEGUN_BEFORE,
    LEAF_LIFE,
    Leaf,
    certificate_from_pem,
    has_key,
    key_from_pem,
)
from hub.protocol.errors import UsageError

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LEAF = Leaf("broker", ("127.0.0.1",))


def test_authority_is_made_once_and_its_key_is_its_owners_alone(tmp_path: Path) -> None:
    """The second opening finds the first one's."""
    made = Authority.open(tmp_path / "keys", NOW)
    again = Authority.open(tmp_path / "keys", NOW + timedelta(days=1))
    assert made.issuer.certificate == again.issuer.certificate
    assert stat.S_IMODE((tmp_path / "keys" / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_authority_that_died_between_key_and_certificate_is_gone_on_with(tmp_path: Path) -> None:
    """The certificate follows from the key."""
    first = Authority.open(tmp_path, NOW)
    first.file.unlink()
    again = Authority.open(tmp_path, NOW)
    assert has_key(again.issuer.certificate, first.issuer.key)


@pytest.mark.parametrize("damage", [b"", b"-----BEGIN CERTIFICATE-----\n"])
def test_damaged_certificate_is_made_anew_by_the_same_key(tmp_path: Path, damage: bytes) -> None:
    first = Authority.open(tmp_path, NOW)
    first.file.write_bytes(damage)
    assert has_key(Authority.open(tmp_path, NOW).issuer.certificate, first.issuer.key)


def test_certificate_is_made_anew_when_a_third_is_left(tmp_path: Path) -> None:
    """By the same key and under the same name: who has the one before goes on with it until its end."""
    first = Authority.open(tmp_path, NOW)
    later = Authority.open(tmp_path, NOW + AUTHORITY_LIFE * 0.7)
    assert later.issuer.certificate.not_valid_after_utc > first.issuer.certificate.not_valid_after_utc
    assert later.issuer.certificate.subject == first.issuer.certificate.subject
    assert has_key(later.issuer.certificate, first.issuer.key)


def test_lost_key_is_refused_and_nothing_is_made_over_it(tmp_path: Path) -> None:
    """A new authority would shut out every office that believes the old one."""
    first = Authority.open(tmp_path, NOW)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(UsageError, match="put the key back from a backup"):
        Authority.open(tmp_path, NOW)
    assert first.file.read_bytes()
    assert not (tmp_path / "ca.key").exists()


def test_damaged_key_is_refused(tmp_path: Path) -> None:
    Authority.open(tmp_path, NOW)
    (tmp_path / "ca.key").write_bytes(b"half a key")
    with pytest.raises(UsageError, match=r"ca\.key is damaged"):
        Authority.open(tmp_path, NOW)


def test_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    Authority.open(tmp_path, NOW)
    (tmp_path / "ca.key").chmod(0o644)
    with pytest.raises(UsageError, match="others may read or write it"):
        Authority.open(tmp_path, NOW)


def test_key_behind_a_link_is_refused(tmp_path: Path) -> None:
    Authority.open(tmp_path, NOW)
    (tmp_path / "ca.key").rename(tmp_path / "elsewhere")
    (tmp_path / "ca.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="it is a link"):
        Authority.open(tmp_path, NOW)


def test_leaf_is_kept_until_it_is_due(tmp_path: Path) -> None:
    """It is made anew with a third of its life left, with another key."""
    authority, file = Authority.open(tmp_path, NOW), tmp_path / "server.pem"
    assert authority.keep(file, LEAF, NOW)
    first = file.read_bytes()
    assert not authority.keep(file, LEAF, NOW + LEAF_LIFE / 2)
    assert file.read_bytes() == first
    assert authority.keep(file, LEAF, NOW + LEAF_LIFE * 0.7)
    assert file.read_bytes() != first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert has_key(certificate_from_pem(file.read_bytes()), key_from_pem(file.read_bytes()))
    assert key_from_pem(file.read_bytes()).private_numbers() != key_from_pem(first).private_numbers()


@pytest.mark.parametrize("what", ["hosts", "cut", "gone", "open", "future", "key"])
def test_leaf_that_is_not_what_is_wanted_is_made_anew(tmp_path: Path, what: str) -> None:
    """A moved address, a file that is damaged, gone, open to others or from a clock that was ahead."""
    authority, file, now = Authority.open(tmp_path, NOW), tmp_path / "server.pem", NOW
    authority.keep(file, LEAF, NOW + (timedelta(days=30) if what == "future" else timedelta()))
    leaf = Leaf("broker", ("127.0.0.1", "10.0.0.1")) if what == "hosts" else LEAF
    if what == "cut":
        file.write_bytes(file.read_bytes()[:300])
    elif what == "gone":
        file.unlink()
    elif what == "open":
        file.chmod(0o644)
    elif what == "key":
        authority.keep(tmp_path / "other.pem", LEAF, NOW)
        other = (tmp_path / "other.pem").read_bytes()
        file.write_bytes(other[: other.index(b"-----BEGIN CERT")] + file.read_bytes()[len(file.read_bytes()) // 4 :])
    assert authority.keep(file, leaf, now)
    assert not authority.keep(file, leaf, now)


def test_leaf_of_another_authority_is_made_anew(tmp_path: Path) -> None:
    """Where somebody began with a new authority, its broker shows that one's certificate."""
    file = tmp_path / "server.pem"
    Authority.open(tmp_path / "one", NOW).keep(file, LEAF, NOW)
    other = Authority.open(tmp_path / "two", NOW)
    assert other.keep(file, LEAF, NOW)


def test_authority_made_by_a_clock_that_was_ahead_is_made_anew(tmp_path: Path) -> None:
    """Else nobody could come in until that time."""
    ahead = Authority.open(tmp_path, NOW + timedelta(days=400))
    again = Authority.open(tmp_path, NOW)
    assert again.issuer.certificate.not_valid_before_utc == NOW - BEGUN_BEFORE
    assert has_key(again.issuer.certificate, ahead.issuer.key)
