"""The address of a PostgreSQL server: what is taken, and what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.protocol.errors import UsageError
from hub.store.postgres_server import Server


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("postgresql://hq@localhost/hub", Server("localhost", 5432, "hub", "hq")),
        ("postgresql://hq@127.0.0.1:6000/hub", Server("127.0.0.1", 6000, "hub", "hq")),
        ("postgres://h%40q@[::1]:6000/hub", Server("::1", 6000, "hub", "h@q")),
    ],
)
def test_address_is_read(url: str, server: Server) -> None:
    assert Server.at(url) == server


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://hq:secret@localhost/hub", "no password stands in an address"),
        ("postgresql://hq%3Asecret@localhost/hub", "no password stands in an address"),
        ("postgresql://hq:pa/secret@localhost/hub", "can't be read"),
        ("postgresql://hq:12/secret@localhost/hub", "lacks a part"),
        ("postgresql://hq:secret#cret@localhost/hub", "can't be read"),
        ("postgresql://hq:pa?secret@localhost/hub", "can't be read"),
        ("postgresql://hq:[secret@localhost/hub", "can't be read"),
        ("postgresql://hq:secret@localhost:secret/hub", "can't be read"),
        ("postgresql://hq@localhost:5432/secret@x", "goes on behind"),
        ("postgresql://hq@localhost/hub?password=secret", "goes on behind"),
        ("postgresql://hq@localhost/hub#secret", "goes on behind"),
        ("secret", "begins with something else"),
        ("mysql://hq@localhost/hub", "expected postgresql://"),
        ("postgresql://localhost/hub", "expected postgresql://"),
        ("postgresql://hq@localhost/", "expected postgresql://"),
        ("postgresql://hq@localhost:99999/hub", "can't be read"),
        ("postgresql://hq@localhost/hub?sslmode=disable", "goes on behind"),
        ("postgresql://hq@localhost/hub/other", "goes on behind"),
        ("postgresql://hq@db.example.org/hub", "database.ca_file"),
    ],
)
def test_address_is_refused(url: str, why: str) -> None:
    """What came with a password in it is not shown."""
    with pytest.raises(UsageError, match=why) as caught:
        Server.at(url)
    shown: BaseException | None = caught.value
    while shown is not None:  # a traceback in a log has the errors before it, too
        assert "secret" not in str(shown)
        shown = shown.__cause__


def test_another_machine_needs_its_authority() -> None:
    server = Server.at("postgresql://hq@db.example.org/hub", ca_file=Path("db-ca.pem"))
    assert server.location == "postgresql://hq@db.example.org:5432/hub"
    with pytest.raises(UsageError, match=r"db-ca\.pem can't be read"):
        server.tls()


@pytest.mark.parametrize("text", ["", "\n", "one\ntwo\n"])
def test_password_is_one_line(tmp_path: Path, text: str) -> None:
    """It is read for each connection; a file that others may read is none."""
    path = tmp_path / "password"
    path.write_text(text)
    path.chmod(0o600)
    server = Server.at("postgresql://hq@localhost/hub", path)
    with pytest.raises(UsageError, match="expected one line"):
        server.password()
    path.write_text("of HQ's own\n")
    assert server.password() == "of HQ's own"
    path.chmod(0o644)
    with pytest.raises(UsageError, match="can't be read"):
        server.password()


@given(name=st.text(min_size=1), user=st.text(min_size=1), host=st.sampled_from(["localhost", "127.0.0.1", "::1"]))
@example(name="hub#x", user="u/v", host="localhost")
def test_address_that_is_printed_is_read_back(name: str, user: str, host: str) -> None:
    """Whatever server an address was read as, the line for hub.yaml names the same one."""
    try:
        server = Server.at(
            f"postgresql://{quote(user, safe='')}@{'[::1]' if ':' in host else host}/{quote(name, safe='')}"
        )
    except (UsageError, UnicodeError):
        return
    assert Server.at(server.address) == server
