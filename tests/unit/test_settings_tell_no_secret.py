"""Whatever is wrong with settings, what is said of it shows no password: not in a line, nor in a traceback."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.runtime import settings as office
from connectors.runtime.settings import Overrides, make_settings
from hub.base.access import host_and_port
from hub.hq import settings as hub
from hub.protocol.address import without_login
from hub.protocol.errors import Malformed, UsageError
from hub.protocol.session import read_address

WORD = "hunter2hunter2"
DIGITS = "4815162342"
OFFICE = "hub: hub.example\ncenter: uz\nbootstrap: [a:1]\n"

# Lines that a person writes by mistake, each with a password in it.
ANYWHERE = (
    "security: {password: W",  # no end
    "security: {password: *W}",
    "security: {password: !W x}",
    "security:\n  password: %W",
    "security:\n\tpassword: W",
    "security: {password: D}",  # a number
    "security: {password: [W]}",
    "security: {password: {W: 1}}",
    "security: {password: D.5}",
    "security: W",
    "security: [W]",
    "security: D",
    "security: {pasword: W}",
    "security: {username: [{password: W}]}",
    "security: {username: {password: W}}",
    "bootstrap: 'sasl://name:W@host'",
    "bootstrap: ['name:W@host:port']",
    "bootstrap: {password: W}",
    "- password: W",
    "W",
)
AT_HQ = (
    "admin: {password: W}",  # without its name
    "admin: W",
    "web: W",
    "web: {security: W}",
    "web: {security: {username: x, password: D}}",
    "web: {public: 'https://name:W@host'}",
    "web: {listen: 'name:W@host'}",
    "broker: {listen: 'name:W@host:1'}",
    "worker: {instance: {password: W}}",
)
IN_AN_OFFICE = (
    "https: 'http://name:W@proxy:3128'",
    "https: ['http://name:W@proxy:3128']",
    "https: {proxy: 'htp://name:W@proxy:3128'}",
    "https: {proxy: 'http://name:W@proxy:port'}",
    "https: {proxy: ['http://name:W@proxy:3128']}",
    "https: {proxy: D}",
    "https: {address: 'https://name:W@hub.example'}",
    "https: {address: 'http://name:W@hub.example/x'}",
    "guard: W",
    "folder: [{password: W}]",
    "center: {password: W}",
)


@pytest.mark.parametrize("line", [*ANYWHERE, *AT_HQ])
def test_mistake_in_the_hubs_settings_shows_no_password(tmp_path: Path, line: str) -> None:
    (tmp_path / hub.FILE).write_text(_with(line))
    _shows_none(lambda: hub.read_settings(tmp_path, {}))


@pytest.mark.parametrize("line", [*ANYWHERE, *IN_AN_OFFICE])
def test_mistake_in_an_offices_settings_shows_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """With a password from the environment, too, which is to be put into the same section."""
    (tmp_path / office.FILE).write_text(OFFICE.replace("bootstrap: [a:1]\n", "") * ("bootstrap" in line) + _with(line))
    if "bootstrap" not in line:
        (tmp_path / office.FILE).write_text(OFFICE + _with(line))
    _shows_none(lambda: office.read_settings(tmp_path))
    monkeypatch.setenv("COHUB_CONNECTOR_PASSWORD", WORD)
    try:
        office.read_settings(tmp_path, Overrides())
    except UsageError as exc:
        _see_none(exc)


def test_value_that_is_no_secret_is_shown_still() -> None:
    """A person who has mistyped sees what."""
    good = {"hub": "hub.example", "center": "uz", "bootstrap": ["a:1"]}
    for change, came in (({"linger_ms": -7}, "-7"), ({"security": {"protocol": "TELNET"}}, "TELNET")):
        with pytest.raises(UsageError, match=came):
            make_settings(good | change, "connector.yaml")


@pytest.mark.parametrize("read", [read_address, host_and_port])
def test_address_with_a_login_is_told_without_it(read: Callable[[str], object]) -> None:
    for text in (f"https://name:{WORD}@host", f"name:{WORD}@host", f"https://na/me:{WORD}@a@host:1/x"):
        with pytest.raises((ValueError, Malformed), match="expected") as caught:
            read(text)
        assert WORD not in str(caught.value)
        assert "host" in str(caught.value)


def test_address_without_a_login_stays_as_it_is() -> None:
    for text in ("https://host:1", "host:1", "", "//"):
        assert without_login(text) == text
    assert without_login("https://a:b@host:1") == "https://…@host:1"
    assert without_login("a:b@host:1") == "…@host:1"


def _with(line: str) -> str:
    return line.replace("W", WORD).replace("D", DIGITS) + "\n"


def _shows_none(read: Callable[[], object]) -> None:
    with pytest.raises(UsageError) as caught:
        read()
    _see_none(caught.value)


def _see_none(exc: BaseException) -> None:
    told = "".join(traceback.format_exception(exc))
    # What the traceback shows of the code and of this test is none of it.
    said = "\n".join(line for line in told.splitlines() if not line.startswith("    "))
    assert WORD not in said
    assert DIGITS not in said
