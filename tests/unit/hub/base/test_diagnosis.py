"""What is said of a broker's certificate, and of one that does not answer; the rest is asked of a real broker."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from hub.base.access import Security
from hub.base.diagnosis import diagnose
from tests.support.certificates import Authority

DAY = timedelta(days=1)


@asynccontextmanager
async def listening(certificate: Path | None) -> AsyncIterator[str]:
    """Yield the address of one who takes connections, with this certificate, and says nothing."""
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    held: list[asyncio.StreamWriter] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0, ssl=context)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ({"valid": (-2 * DAY, -DAY)}, "certificate has expired: renew it, or set this machine's clock"),
        ({"valid": (DAY, 2 * DAY)}, "certificate is not valid yet"),
        ({"address": "10.0.0.1"}, "is made out to another address"),
        ({"usage": ExtendedKeyUsageOID.CLIENT_AUTH}, "is not a server's"),
    ],
    ids=["expired", "not yet valid", "another address", "client's"],
)
async def test_each_fault_of_a_certificate_has_its_sentence(
    tmp_path: Path, leaf: dict[str, object], expected: str
) -> None:
    """A person learns which of clock, address and certificate is to be mended."""
    authority = Authority(tmp_path)
    async with listening(authority.leaf("node", **leaf)) as address:  # type: ignore[arg-type]
        said = await diagnose([address], Security(protocol="SSL", ca_file=authority.file), 5.0)
    assert said is not None
    assert said.startswith(f"{address}: ")
    assert expected in said


async def test_broker_that_says_nothing_is_told_after_the_time() -> None:
    """A port that somebody else listens at, or a firewall, holds nobody up for ever."""
    async with listening(None) as address:
        assert "no answer in time" in str(await diagnose([address], Security(), 0.1))


async def test_several_addresses_are_each_told_of() -> None:
    """None of several brokers lets us in: each is named with its own reason."""
    async with listening(None) as silent:
        said = str(await diagnose(["127.0.0.1:9", silent], Security(), 0.1))
    assert said.startswith("127.0.0.1:9: nobody listens there")
    assert f"; {silent}: no answer in time" in said
