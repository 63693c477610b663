"""The tests' own proxy and listeners leave nothing open: what is left is found in whatever test comes next."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
from pathlib import Path

from tests.support.certificates import Authority
from tests.support.kafka_listener import broker_listening
from tests.support.listeners import listening
from tests.support.proxies import forward_proxy


async def test_proxy_that_is_cut_while_it_opens_tls_leaves_no_broken_stream(tmp_path: Path) -> None:
    """Python takes a connection that was broken off here for one on which TLS was agreed, and has none to return."""
    leaf = Authority(tmp_path).leaf("node")
    async with listening(None) as far, forward_proxy(certificate=leaf) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
        writer.write(f"CONNECT {far} HTTP/1.1\r\n\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        proxy.cut()  # it waits for the first word of TLS
        assert await reader.read() == b""
        writer.close()
    gc.collect()


async def test_end_of_a_proxy_waits_for_no_good_bye(tmp_path: Path) -> None:
    """The other end of a TLS connection may take half a minute for its own."""
    authority = Authority(tmp_path)
    leaf, trusts = authority.leaf("127.0.0.1"), ssl.create_default_context(cafile=str(authority.file))
    with broker_listening(leaf, says_goodbye=False, is_silent=True) as port:
        async with forward_proxy(upstream=trusts) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
            writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            writer.close()
            await writer.wait_closed()
        assert not proxy.connections
    gc.collect()


async def test_listener_s_end_closes_a_connection_whose_other_end_says_no_good_bye(tmp_path: Path) -> None:
    """It would be open when the test's loop has ended."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

    def connect(address: str) -> ssl.SSLSocket:
        host, _, port = address.rpartition(":")
        return trusting.wrap_socket(socket.create_connection((host, int(port)), timeout=5))

    async with listening(Authority(tmp_path).leaf("node")) as address:
        client = await asyncio.to_thread(connect, address)
    with client, contextlib.suppress(ConnectionResetError):
        assert await asyncio.to_thread(client.recv, 1) == b""
