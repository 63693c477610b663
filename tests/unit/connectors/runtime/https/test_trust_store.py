"""Whom HTTPS believes where no file of certificates is named."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx2
import pytest

from connectors.runtime.https.trust_store import system_context
from tests.support.certificates import Authority


def test_file_of_the_environment_counts_before_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks with an authority of their own set it."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert len(system_context({"SSL_CERT_FILE": str(authority.file)}).get_ca_certs()) >= 1


def test_system_itself_is_asked_where_the_environment_names_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What httpx2 makes for it checks names and certificates as any other context of ours."""
    made: list[ssl.SSLContext] = []

    def make() -> ssl.SSLContext:
        made.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return made[-1]

    monkeypatch.setattr(httpx2, "create_ssl_context", make)
    context = system_context({"SSL_CERT_FILE": "", "HOME": "/root"})
    assert made == [context]
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
