"""One connection's end is not told to another one's reader. In memory: no socket, and no race."""

from __future__ import annotations

import contextlib
import ssl
import sys
from pathlib import Path

import pytest

from hub.base.access import Security
from hub.base.tls import tidy
from tests.support.certificates import Authority


class Pair:
    """Two ends of a TLS connection whose bytes are carried by hand."""

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
        self.server = server.wrap_bio(to_server, to_client, server_side=True)

    def shake_hands(self) -> None:
        """Go on until the client has what it needs; whether the server has, it learns behind that."""
        for _ in range(3):
            for end in (self.client, self.server):
                with contextlib.suppress(ssl.SSLError):
                    end.do_handshake()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def serving(authority: Authority, *, wants_certificate: bool) -> ssl.SSLContext:
    """Return a server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.leaf("server"))
    if wants_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.file)
    return context


def ended_beside(client: ssl.SSLContext, authority: Authority) -> Exception | None:
    """Return what a healthy connection is told when it reads behind the end of one that the server has refused."""
    healthy = Pair(client, serving(authority, wants_certificate=False))
    healthy.shake_hands()
    refused = Pair(client, serving(authority, wants_certificate=True))
    refused.shake_hands()
    healthy.server.write(b"an answer")
    assert healthy.client.read(100) == b"an answer"
    with contextlib.suppress(ssl.SSLError):
        refused.client.unwrap()
    try:
        healthy.client.read(100)
    except ssl.SSLWantReadError:
        return None
    except ssl.SSLError as exc:
        return exc
    raise AssertionError("there was nothing to read")


def test_end_of_a_refused_connection_is_not_anothers_trouble(authority: Authority) -> None:
    security = Security(protocol="SSL", ca_file=authority.file)
    assert ended_beside(security.ssl_context(), authority) is None


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="what later releases of Python do is theirs")
def test_without_that_it_would_be(authority: Authority) -> None:
    """Python 3.11's own SSLObject leaves the error there; once none of those that we run on does, `tidy` can go."""
    context = ssl.create_default_context(cafile=str(authority.file))
    found = ended_beside(context, authority)
    assert "CERTIFICATE_REQUIRED" in str(found)
    assert ended_beside(tidy(context), authority) is None
