"""What is said of who listens at a broker's address: each fault is a real listener; the rest is asked of real Kafka."""

from __future__ import annotations

import asyncio
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka.protocol.admin import ApiVersionResponse_v0, SaslAuthenticateResponse_v0, SaslHandShakeResponse_v0
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import SecretStr

from hub.base.access import Security
from hub.base.diagnosis import diagnose, find_obstacles
from hub.base.obstacle import obstacles_in
from hub.base.probe import time_of_https
from hub.base.second_clock import SecondClock
from tests.support.certificates import Authority
from tests.support.listeners import listening, web_server

DAY = timedelta(days=1)
PASSWORD = "sentinel-b7c1"


def login(authority: Authority, protocol: str = "SASL_SSL") -> Security:
    """Return how somebody comes who would tell a password to whoever he believes."""
    return Security.model_validate(
        {
            "protocol": protocol,
            "mechanism": "PLAIN",
            "username": "uz",
            "password": SecretStr(PASSWORD),
            "ca_file": authority.file if protocol.endswith("SSL") else None,
        }
    )


async def codes(address: str, security: Security, *clocks: SecondClock, timeout_s: float = 3.0) -> list[str]:
    found = await find_obstacles([address], security, timeout_s, clocks)
    assert found is not None
    assert PASSWORD not in f"{found}{[one.to_json() for one in found]}"
    return [one.name.removeprefix("obstacles.") for one in obstacles_in(found)]


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ({"valid": (-2 * DAY, -DAY)}, "the broker's certificate has expired at "),
        ({"valid": (DAY, 2 * DAY)}, "certificate is not valid yet"),
        ({"address": "10.0.0.1"}, "is made out to another address: use the address that it names (10.0.0.1)"),
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


@pytest.mark.parametrize(
    ("valid", "alone", "true_time", "wrong_clock"),
    [
        ((-3 * DAY, -DAY), "expired_or_ahead", "certificate_expired", "clock_ahead"),
        ((DAY, 3 * DAY), "early_or_behind", "certificate_early", "clock_behind"),
    ],
    ids=["expired", "not yet valid"],
)
async def test_web_servers_date_tells_whether_certificate_or_clock_is_off(
    tmp_path: Path, valid: tuple[timedelta, timedelta], alone: str, true_time: str, wrong_clock: str
) -> None:
    """HQ's HTTPS address has the same certificate: its dates don't count for being asked the time, all else does."""
    authority, now = Authority(tmp_path), datetime.now(UTC)
    node = authority.leaf("node", valid=valid)
    security = Security(protocol="SSL", ca_file=authority.file)
    middle = now + (valid[0] + valid[1]) / 2
    async with listening(node) as broker:
        assert await codes(broker, security) == [alone]
        for at, expected in ((now, true_time), (middle, wrong_clock)):
            async with listening(node, web_server(at)) as web:
                told = await time_of_https(f"https://{web}/", authority.file, 5.0)
                assert told == at.replace(microsecond=0)
                assert await codes(broker, security, SecondClock(told)) == [expected]


async def test_date_of_a_server_that_proves_nothing_is_not_believed(tmp_path: Path) -> None:
    """Somebody else's certificate, another name, no TLS at all: none of them is a second clock."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    for certificate in (stranger.leaf("theirs"), authority.leaf("elsewhere", address="10.0.0.1")):
        async with listening(certificate, web_server()) as web:
            assert await time_of_https(f"https://{web}/", authority.file, 3.0) is None
    async with listening(None, web_server()) as web:
        assert await time_of_https(f"http://{web}/", authority.file, 3.0) is None
        assert await time_of_https(f"https://{web}/", authority.file, 3.0) is None
    assert await time_of_https("https://127.0.0.1:9/", authority.file, 3.0) is None


async def test_other_authority_is_told_with_and_without_a_file(tmp_path: Path) -> None:
    """Whether the file is of another hub, or none was set, is told apart."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    async with listening(authority.leaf("node")) as address:
        assert await codes(address, Security(protocol="SSL", ca_file=stranger.file)) == ["unknown_authority"]
        assert await codes(address, Security(protocol="SSL")) == ["unknown_to_system"]


async def test_nothing_is_told_to_whom_nobody_believes(tmp_path: Path) -> None:
    """Neither a wrong certificate, nor one that has expired, nor a plain port hears a name or a password."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    for certificate in (
        stranger.leaf("theirs"),
        authority.leaf("old", valid=(-2 * DAY, -DAY)),
        authority.leaf("early", valid=(DAY, 2 * DAY)),
        authority.leaf("elsewhere", address="10.0.0.1"),
        None,
    ):
        heard = bytearray()
        async with listening(certificate, heard=heard) as address:
            await find_obstacles([address], login(authority), 0.5)
        assert PASSWORD.encode() not in heard
        assert b"uz" not in heard


async def test_plain_client_at_a_tls_port_is_told_to_set_it(tmp_path: Path) -> None:
    """Whoever speaks plain text to TLS is told so for sure: the port was asked for its certificate."""
    authority = Authority(tmp_path)
    async with listening(authority.leaf("node")) as address:
        assert await codes(address, Security()) == ["wants_tls"]
        assert await codes(address, login(authority, "SASL_PLAINTEXT")) == ["wants_tls"]


@pytest.mark.parametrize("has_tls", [False, True], ids=["plain", "TLS"])
async def test_web_server_is_no_broker(tmp_path: Path, has_tls: bool) -> None:
    """The address of the desk, or of a proxy, is told as what it is, whatever we speak."""
    authority = Authority(tmp_path)
    async with listening(authority.leaf("node") if has_tls else None, web_server()) as address:
        security = Security(protocol="SSL", ca_file=authority.file) if has_tls else Security()
        assert await codes(address, security) == ["no_kafka"]
    async with listening(None, web_server()) as address:
        assert await codes(address, login(authority)) == ["no_kafka"]


async def test_port_that_closes_at_once_is_no_broker() -> None:
    """A proxy without anybody behind it takes connections and ends them."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with listening(None, close) as address:
        assert await codes(address, Security()) == ["no_kafka"]


async def test_broker_that_says_nothing_is_told_after_the_time() -> None:
    """A port that somebody else listens at, or a firewall, holds nobody up for ever."""
    async with listening(None) as address:
        assert "no answer in time" in str(await diagnose([address], Security(), 0.1))


async def test_host_that_cannot_be_is_told_as_one_that_is_not() -> None:
    """A name that no host can have is as good as one that nobody knows."""
    assert await codes(f"{'a' * 70}.example:9092", Security()) == ["no_host"]


async def test_several_addresses_are_each_told_of() -> None:
    """None of several brokers lets us in: each is named with its own reason."""
    async with listening(None) as silent:
        said = str(await diagnose(["127.0.0.1:9", silent], Security(), 0.1))
    assert said.startswith("127.0.0.1:9: nobody listens there")
    assert f"; {silent}: no answer in time" in said


async def test_impostor_who_does_not_know_the_password_is_told(tmp_path: Path) -> None:
    """Both ends of SCRAM prove what they know: who lets us in without that is not HQ's broker."""
    authority = Authority(tmp_path)
    security = login(authority).model_copy(update={"mechanism": "SCRAM-SHA-512"})

    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = [
            ApiVersionResponse_v0(0, [(18, 0, 0), (17, 0, 1), (36, 0, 0), (3, 0, 5)]),
            SaslHandShakeResponse_v0(0, ["SCRAM-SHA-512"]),
        ]
        while True:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            request = await reader.readexactly(size)
            if said:
                body = said.pop(0).encode()
            elif b"n,,n=" in request:
                nonce = request.partition(b",r=")[2].decode()
                body = SaslAuthenticateResponse_v0(0, None, f"r={nonce}x,s=c2FsdA==,i=4096".encode()).encode()
            else:
                body = SaslAuthenticateResponse_v0(0, None, b"v=d3Jvbmc=").encode()
            answer = request[4:8] + body
            writer.write(struct.pack(">i", len(answer)) + answer)

    async with listening(authority.leaf("node"), impostor) as address:
        assert await codes(address, security) == ["no_proof"]


EACH = "Multiple exceptions: [Errno {0}] Connect call failed ('::1', 9, 0, 0), [Errno {1}] Connect call failed (…)"


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (OSError(101, "Network is unreachable"), "no_route"),
        (OSError(113, "No route to host"), "no_route"),
        (PermissionError(1, "Operation not permitted"), "no_route"),
        (OSError(EACH.format(111, 111)), "nobody_listens"),  # a host of several addresses, as localhost often is
        (OSError(EACH.format(101, 111)), "nobody_listens"),  # without a way by IPv6, and nobody at IPv4
        (OSError(EACH.format(101, 110)), "no_answer"),
        (OSError(EACH.format(101, 113)), "no_route"),
        (OSError("[WinError 1225] The remote computer refused"), "nobody_listens"),
        (OSError("something else"), "other"),
    ],
)
async def test_what_this_system_says_is_told(monkeypatch: pytest.MonkeyPatch, exc: OSError, expected: str) -> None:
    """A computer without a network says so, and not that the broker is down."""

    async def unreachable(*_: object, **__: object) -> None:
        raise exc

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", unreachable)
    assert await codes("192.0.2.1:9092", Security()) == [expected]


async def test_nobody_at_any_address_of_a_host_is_told() -> None:
    """`localhost` has two addresses on most machines."""
    assert await codes("localhost:9", Security()) == ["nobody_listens"]


async def test_authority_whose_own_certificate_has_expired_is_told(tmp_path: Path) -> None:
    """What every office has of the hub ends, too, however new the broker's certificate is."""
    authority = Authority(tmp_path, valid=(-9 * DAY, -DAY))
    async with listening(authority.leaf("node")) as address:
        security = Security(protocol="SSL", ca_file=authority.file)
        assert await codes(address, security) == ["expired_or_ahead"]
        assert await codes(address, security, SecondClock(datetime.now(UTC))) == ["certificate_expired"]


async def test_tls_of_another_kind_is_told_as_tls(tmp_path: Path) -> None:
    """Who speaks TLS, and not with us, is no plain port and no stranger."""
    alert = bytes.fromhex("15030300020228")  # fatal: handshake_failure

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(alert)
        await writer.drain()

    async with listening(None, refuse) as address:
        assert await codes(address, Security(protocol="SSL", ca_file=Authority(tmp_path).file)) == ["hangs_up"]
