"""By which proxy HQ is reached is said by the settings, else by the environment, as everywhere."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from connectors.runtime.https.faults import HttpsAway
from connectors.runtime.https.proxy import choose_proxy
from connectors.runtime.settings import Https

ADDRESS = "https://hq.example"


def chosen(https: Https, found: dict[str, str], bypasses: bool = False) -> tuple[str, str]:
    asked: list[str] = []

    def bypass(host: str) -> bool:
        asked.append(host)
        return bypasses

    proxy = choose_proxy(https, lambda: found, bypass)
    assert asked in ([], ["hq.example:443"])
    return proxy.url, proxy.shown


@pytest.mark.parametrize(
    ("setting", "found", "bypasses", "expected"),
    [
        (None, {}, False, ("", "")),
        (None, {"http": "http://p:1"}, False, ("", "")),
        (None, {"https": "http://p:1"}, False, ("http://p:1", "p:1")),
        (None, {"https": "p:1"}, False, ("http://p:1", "p:1")),
        (None, {"all": "https://p:1"}, False, ("https://p:1", "p:1")),
        (None, {"https": "http://p:1"}, True, ("", "")),
        ("http://name:pass@q:2", {"https": "http://p:1"}, True, ("http://name:pass@q:2", "q:2")),
        ("none", {"https": "http://p:1"}, False, ("", "")),
    ],
)
def test_proxy_is_the_settings_else_the_environments(
    setting: str | None, found: dict[str, str], bypasses: bool, expected: tuple[str, str]
) -> None:
    """What is shown has no name and no password."""
    assert chosen(Https(address=ADDRESS, proxy=setting), found, bypasses) == expected


def test_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY and NO_PROXY count, in small letters too; a port in NO_PROXY is that port's."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    https = Https(address="https://hq.example:8443")
    assert choose_proxy(https).url == ""
    monkeypatch.setenv("HTTPS_PROXY", "http://p:3128")
    assert choose_proxy(https).shown == "p:3128"
    for excepted in ("hq.example", ".example", "hq.example:8443", "*"):
        monkeypatch.setenv("NO_PROXY", excepted)
        assert choose_proxy(https).url == ""
    monkeypatch.setenv("NO_PROXY", "other.example,hq.example:443")
    assert choose_proxy(https).shown == "p:3128"


def test_proxy_that_is_none_of_http_is_told_without_its_password() -> None:
    """SOCKS is not spoken; nothing goes around a proxy that can't be used."""
    with pytest.raises(HttpsAway, match="socks5://p:1080 can't be used") as caught:
        choose_proxy(Https(address=ADDRESS), lambda: {"https": "socks5://name:hidden@p:1080"}, lambda _: False)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://", "http://[::1", "http://name:hidden@p:99999", "http://name:hidden@p:x", "ftp://p:1", "://", "http://p:0",
     "http://na me:hidden@p\x00q:1", "http://" + "p" * 70_000, "http://name:hid@den@p:1"],
)  # fmt: skip
def test_no_odd_proxy_of_the_environment_ends_a_connector(url: str) -> None:
    """It is told as what it is, and tried again; or it can be spoken to."""
    with contextlib.suppress(HttpsAway):
        chosen = choose_proxy(Https(address=ADDRESS), lambda: {"https": url}, lambda _: False)
        assert "hid" not in chosen.shown
        chosen.made()


def test_settings_are_beneath_the_office(tmp_path: Path) -> None:
    """`ca_file` is looked for from the office's folder on; the password of a proxy is not shown."""
    https = Https(address=ADDRESS, ca_file=Path("ca.pem"), proxy="http://name:hidden@p:1")
    assert https.beneath(tmp_path).ca_file == tmp_path / "ca.pem"
    assert "hidden" not in repr(https)
