"""Whatever is in the way of HTTPS has a sentence of its own, in three languages, and is an error that readers know."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError
from cryptography.x509.oid import ExtendedKeyUsageOID

from connectors.runtime.https.answers import Refusal, read_refusal
from connectors.runtime.https.faults import (
    Failed,
    HttpsAway,
    HttpsBusy,
    HttpsElsewhere,
    HttpsHidden,
    HttpsHungUp,
    HttpsRefused,
    HttpsTooLarge,
    explain,
    refused,
)
from connectors.runtime.https.wire import Wire
from connectors.runtime.settings import Https
from connectors.runtime.told import told_of
from hub.protocol.problem import MEDIA_TYPE, PROBLEMS, Problem, ProblemCode
from schemas.words import LANGUAGES
from tests.support.certificates import Authority
from tests.support.proxies import forward_proxy

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@asynccontextmanager
async def answering(answer: bytes, certificate: Path | None) -> AsyncIterator[str]:
    """Yield the address of one who gives this answer to whatever comes, and closes; b"" is none, for ever."""
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    held: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.add(writer)
        await reader.read(65_536)
        if answer == b"":
            await reader.read()
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in held:
            writer.transport.abort()


async def told(https: Https, timeout_s: float = 5.0) -> KafkaConnectionError:
    """Return why a request gets no answer."""
    wire = Wire(https, timeout_s)
    wire.open()
    try:
        with pytest.raises(KafkaConnectionError) as caught:
            await wire.ask("GET", "/v1/topics/out.uz", {})
    finally:
        await wire.close()
    for language in LANGUAGES:
        assert told_of(caught.value).text(language)
    return caught.value


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ({"valid": (-2 * DAY, -DAY)}, "certificate has expired"),
        ({"valid": (DAY, 2 * DAY)}, "certificate is not valid yet"),
        ({"address": "10.0.0.1"}, "is made out to another address"),
        ({"usage": ExtendedKeyUsageOID.CLIENT_AUTH}, "is not a server's"),
    ],
    ids=["expired", "not yet valid", "another address", "client's"],
)
async def test_each_fault_of_a_certificate_has_its_sentence(
    tmp_path: Path, leaf: dict[str, Any], expected: str
) -> None:
    """A person learns which of clock, address and certificate is to be mended."""
    authority = Authority(tmp_path)
    async with answering(b"", authority.leaf("node", **leaf)) as address:
        assert expected in str(await told(Https(address=address, ca_file=authority.file)))


async def test_another_authority_is_told_and_what_a_proxy_that_opens_tls_has_to_do_with_it(tmp_path: Path) -> None:
    """Whose CA is missing is HQ's or a proxy's on the way: both are named, and the setting."""
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    async with answering(b"", authority.leaf("node")) as address:
        text = str(await told(Https(address=address, ca_file=other.file, proxy="none")))
        assert f"signed by nobody in https.ca_file {other.file}" in text
        assert "proxy on the way opens TLS" in text
        assert "this system's list of authorities" in str(await told(Https(address=address, proxy="none")))


async def test_authority_of_the_environment_counts_beside_the_offices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HQ has a CA of its own, a proxy on the way another: both are checked with; a file that is damaged is told."""
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with answering(b"HTTP/1.1 204 No Content\r\n\r\n", authority.leaf("node")) as address:
        wire = Wire(Https(address=address, ca_file=other.file, proxy="none"), 5.0)
        wire.open()
        assert (await wire.ask("GET", "/", {})).status == 204
        await wire.close()
        monkeypatch.setenv("SSL_CERT_FILE", __file__)
        assert f"SSL_CERT_FILE {__file__}: expected certificates" in str(
            await told(Https(address=address, ca_file=other.file, proxy="none"))
        )


async def test_authority_of_the_environment_counts_where_the_office_names_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE takes the place of what the system knows."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with answering(b"HTTP/1.1 204 No Content\r\n\r\n", authority.leaf("node")) as address:
        wire = Wire(Https(address=address, proxy="none"), 5.0)
        wire.open()
        assert (await wire.ask("GET", "/", {})).status == 204
        await wire.close()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0x800B0109, "way.unknown_to_system"),
        (-67843, "way.unknown_to_system"),
        (0x800B010F, "way.certificate_other_name"),
        (-67602, "way.certificate_other_name"),
        (-67818, "way.certificate_expired"),
        (-67819, "way.certificate_early"),
        (0x800B0110, "way.certificate_no_server"),
        (-67609, "way.certificate_no_server"),
        (0x800B0101, "way.certificate_bad"),
        (None, "way.certificate_bad"),
    ],
)
def test_what_windows_and_macos_say_of_a_certificate_is_told_as_openssl_does(code: int | None, expected: str) -> None:
    """They judge themselves where no file is named; Windows' number for both of too late and too early is its text."""
    exc = ssl.SSLCertVerificationError("not within its validity period")
    if code is not None:
        exc.verify_code, exc.verify_message = code, "not within its validity period"
    text = explain(exc, "", None)
    assert text.name == expected
    assert ("validity period" in text.text()) == (expected == "way.certificate_bad")


async def test_ca_file_that_is_no_certificate_is_told_by_its_setting(tmp_path: Path) -> None:
    """A file that is missing, or no certificate, is not taken for an HQ that can't be reached."""
    for file in (tmp_path / "missing.pem", Path(__file__)):
        text = str(await told(Https(address="https://127.0.0.1:9", ca_file=file, proxy="none")))
        assert f"https.ca_file {file}: expected certificates in PEM" in text


async def test_nobody_no_host_no_tls_and_silence_are_told_apart(tmp_path: Path) -> None:
    """Each of them asks for something else to be done."""
    assert "nobody listens there" in str(await told(Https(address="https://127.0.0.1:9", proxy="none")))
    assert "there is no such host" in str(await told(Https(address="https://no-such-host.invalid", proxy="none")))
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n", None) as address:
        assert "nobody speaks TLS there" in str(await told(Https(address=address, proxy="none")))
    authority = Authority(tmp_path)
    async with answering(b"", authority.leaf("node")) as address:
        https = Https(address=address, ca_file=authority.file, proxy="none")
        assert "no answer in time" in str(await told(https, 0.3))


@pytest.mark.parametrize(
    ("answer", "expected", "kind"),
    [
        (b"no http at all\r\n\r\n", "closed before an answer came", HttpsHungUp),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", "closed before an answer came", HttpsHungUp),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "packed as gzip", HttpsAway),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n" + b"x" * 90, "more than 80 bytes", HttpsAway),
    ],
    ids=["no HTTP", "cut short", "packed", "endless"],
)
async def test_answers_that_are_none_are_told(tmp_path: Path, answer: bytes, expected: str, kind: type) -> None:
    """Nothing is unpacked, nothing is read beyond its bound."""
    authority = Authority(tmp_path)
    async with answering(answer, authority.leaf("node")) as address:
        wire = Wire(Https(address=address, ca_file=authority.file, proxy="none"), 5.0)
        wire.open()
        with pytest.raises(HttpsAway, match=expected) as caught:
            await wire.ask("GET", "/", {}, bytes_max=80)
        await wire.close()
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ({"login": "office:secret"}, "asks for a name and a password"),
        ({"says": "403 Forbidden"}, "does not let this address through"),
        ({"says": "502 Bad Gateway"}, "has made no connection (502 Bad Gateway)"),
    ],
    ids=["login", "forbidden", "no way"],
)
async def test_what_a_proxy_says_has_its_sentence_and_never_its_password(proxy: dict[str, Any], expected: str) -> None:
    """The proxy is named by its address, so that a person knows whom to ask."""
    async with forward_proxy(**proxy) as running:
        url = running.url.replace("office:secret", "office:wrong")
        text = str(await told(Https(address="https://127.0.0.1:9", proxy=url)))
    assert f"the proxy {running.url.rpartition('@')[2].removeprefix('http://')}" in text
    assert expected in text
    assert "wrong" not in text


async def test_a_proxy_that_is_not_there_is_told_as_the_proxy() -> None:
    """HQ is not looked for where the proxy is what is missing."""
    text = str(await told(Https(address="https://hq.example", proxy="http://127.0.0.1:9")))
    assert "the proxy 127.0.0.1:9 does not answer" in text
    assert "no such proxy as no-such.invalid:3128" in str(
        await told(Https(address="https://hq.example", proxy="http://no-such.invalid:3128"))
    )


def failed(code: ProblemCode, **more: Any) -> Failed:
    document = Problem(code, "the detail", **more).document()
    refusal = read_refusal(MEDIA_TYPE, orjson.dumps(document))
    return Failed(refusal, PROBLEMS[code].status, "https://hq.example", 7.0, NOW)


@pytest.mark.parametrize("code", ProblemCode)
def test_every_refusal_of_hq_is_an_error_that_readers_know(code: ProblemCode) -> None:
    """None of them ends a connector; each has words in every language."""
    more = dict.fromkeys(PROBLEMS[code].names)
    exc = refused(failed(code, **more))
    assert isinstance(exc, KafkaError)
    for language in LANGUAGES:
        assert told_of(exc).text(language)


@pytest.mark.parametrize(
    ("code", "more", "kind", "expected"),
    [
        (ProblemCode.SUSPENDED, {"since": "2026-02-01T00:00:00.000000Z", "why": "audit"}, HttpsRefused, "audit"),
        (ProblemCode.CLOSED, {"since": None, "why": None}, HttpsRefused, "closed this center"),
        (ProblemCode.CLOCK, {"time": "2026-03-01T11:00:00.000000Z"}, HttpsRefused, "ahead of HQ's by 1:00:00"),
        (ProblemCode.CLOCK, {"time": "2026-03-01T14:00:00.000000Z"}, HttpsRefused, "behind HQ's by 2:00:00"),
        (ProblemCode.WRONG_ADDRESS, {"address": "https://x"}, HttpsRefused, "another address"),
        (ProblemCode.KEY, {}, HttpsRefused, "no active key of this center"),
        (ProblemCode.TOPIC_UNKNOWN, {}, HttpsHidden, "does not show this topic"),
        (ProblemCode.OFFSET, {"begin": 3, "end": 9}, HttpsElsewhere, ""),
        (ProblemCode.OFFSET, {"begin": 9, "end": 3}, HttpsAway, "it is not HQ that says so"),
        (ProblemCode.TOO_LARGE, {"limit": 1}, HttpsTooLarge, "larger than what HQ takes"),
        (ProblemCode.TOO_MUCH, {}, HttpsBusy, "limits for this center are reached"),
        (ProblemCode.AWAY, {}, HttpsAway, "can't serve us now"),
        (ProblemCode.WRONG_DIGEST, {}, HttpsRefused, "changed on its way"),
        (ProblemCode.BAD_BATCH, {}, HttpsRefused, "does not take this request"),
    ],
)
def test_what_a_refusal_means_to_an_office(code: ProblemCode, more: Any, kind: type, expected: str) -> None:
    """Suspended, clock, address, key: each by its own name, with HQ's values."""
    exc = refused(failed(code, **more))
    assert type(exc) is kind
    assert isinstance(exc, KafkaError)
    assert expected in str(told_of(exc))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"type": 7}', b"[" * 100_000, b'{"type": "urn:x"}'])
def test_a_failure_that_is_not_hqs_is_told_as_such(body: bytes) -> None:
    """A proxy's page, or a captive portal's, is not taken for HQ's word."""
    known = read_refusal(MEDIA_TYPE, body)
    assert read_refusal("text/html", body) == Refusal()
    assert "it is not HQ that says so" in str(refused(Failed(known, 403, "https://hq.example", 1.0, NOW))) or known.code
