"""The first users of a broker: drawn once, private, and told again to whatever does not know them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hub.broker.principals import ADMIN, USERS, WORKER, Principals
from hub.protocol.errors import NotFound, UsageError


@pytest.fixture
def principals(tmp_path: Path) -> Principals:
    made = Principals(tmp_path)
    made.make()
    return made


def test_passwords_are_drawn_once_and_private(principals: Principals, tmp_path: Path) -> None:
    """32 random bytes each; nobody but their owner reads the files."""
    first = {user: principals.password(user).get_secret_value() for user in USERS}
    principals.make()
    assert {user: principals.password(user).get_secret_value() for user in USERS} == first
    assert len({*first.values()}) == len(USERS)
    assert all(len(bytes.fromhex(password)) == 32 for password in first.values())
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}


def test_cluster_knows_the_passwords_that_it_was_told(principals: Principals, tmp_path: Path) -> None:
    """Another cluster does not, and neither does this one when a password is another."""
    assert not principals.are_known_to("one")
    assert principals.was_open()
    principals.set_known("one")
    assert principals.are_known_to("one")
    assert not principals.was_open()
    assert not principals.are_known_to("two")
    (tmp_path / "worker.password").unlink()
    assert not principals.are_known_to("one")
    principals.make()
    assert not principals.are_known_to("one")


def test_plain_start_makes_anybodys_word_of_what_the_cluster_knows(principals: Principals) -> None:
    """Whoever came in meanwhile may have made users; clients of this folder ask nobody for a password."""
    principals.set_known("one")
    assert principals.are_asked()
    principals.forget()
    assert principals.was_open()
    assert not principals.are_asked()
    principals.make()
    assert principals.are_asked()
    assert principals.was_open()


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"{}"])
def test_what_is_no_note_of_ours_knows_nothing(principals: Principals, tmp_path: Path, damage: bytes) -> None:
    principals.set_known("one")
    (tmp_path / "known").write_bytes(damage)
    assert not principals.are_known_to("one")


def test_what_is_known_is_no_password(principals: Principals, tmp_path: Path) -> None:
    principals.set_known("one")
    text = (tmp_path / "known").read_text()
    assert not any(principals.password(user).get_secret_value() in text for user in USERS)


def test_password_that_others_may_read_is_refused(principals: Principals, tmp_path: Path) -> None:
    (tmp_path / "admin.password").chmod(0o640)
    with pytest.raises(UsageError, match=r"admin\.password: others may read"):
        principals.password(ADMIN)


def test_password_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="was never started locked"):
        Principals(tmp_path).password(WORKER)


def test_security_is_by_tls_and_password_and_shows_none(principals: Principals, tmp_path: Path) -> None:
    security = principals.security(WORKER, tmp_path / "ca.pem")
    assert (security.protocol, security.login()[0]) == ("SASL_SSL", WORKER)
    assert security.login()[1] not in repr(security)
