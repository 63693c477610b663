"""Bare connections that only look: what is spoken at an address, who shows which certificate there, what time it is.

No name, no password and no key of ours is sent by any of them, so that they may ask whoever is there. What they are
told is for people to look at; nothing is decided by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import SaslHandShakeRequest

from hub.base.connection import Connection, mend_connections
from hub.base.shown_certificate import ShownCertificate
from hub.base.tls import tidy

CLOSE_S: Final = 1.0
ILLEGAL_SASL_STATE: Final = 34
HANDSHAKES: Final = 3  # a broker answers and hangs up: now and then the answer is lost in that
NO_MECHANISM: Final = "NONE"  # no broker has one of this name: it answers with those that it has
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for: chain and name count, the dates do not.
ANY_TIME: Final = 0x200000


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a broker answers who has not logged in. `mechanisms` are those that it takes, where it asks for a login."""

    asks_login: bool
    mechanisms: tuple[str, ...] = ()


async def shown_by(host: str, port: int, timeout_s: float) -> ShownCertificate | None:
    """Return the certificate that is shown at an address; None where nobody there speaks TLS, or none can be had."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port, ssl=_believing_all())
    except (OSError, TimeoutError, EOFError):
        return None
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return ShownCertificate.read(der) if der else None
    except ValueError:
        return None
    finally:
        writer.close()
        try:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await writer.wait_closed()
        finally:
            writer.transport.abort()  # of one who does not say good-bye


async def spoken_by(host: str, port: int, *, tls: bool, timeout_s: float) -> Spoken | None:
    """Return how the Kafka broker at an address answers, with or without TLS; None where none does so."""
    options: dict[str, Any] = {"security_protocol": "PLAINTEXT"}
    if tls:
        options = {"security_protocol": "SSL", "ssl_context": _believing_all()}
    spoken = None
    for _ in range(HANDSHAKES):
        try:
            async with asyncio.timeout(timeout_s), connected(host, port, timeout_s, **options) as connection:
                spoken = Spoken(asks_login=True)  # it has told its versions, so it is a broker, whatever comes now
                answer = await connection.send(SaslHandShakeRequest(NO_MECHANISM))
        except (KafkaError, OSError, TimeoutError, EOFError):
            if spoken is None:
                return None
            continue
        if answer.error_code == ILLEGAL_SASL_STATE:
            return Spoken(asks_login=False)
        return Spoken(asks_login=True, mechanisms=tuple(str(name)[:40] for name in answer.enabled_mechanisms[:10]))
    return spoken


@asynccontextmanager
async def connected(host: str, port: int, timeout_s: float, **options: Any) -> AsyncIterator[Any]:
    """Yield one bare connection to a broker; its socket is closed behind it, also that of one that did not come to be.

    Errors: what aiokafka raises, and OSError.
    """
    made: list[Connection] = []
    options |= {"on_close": lambda connection, _: made.append(connection)}
    try:
        with quiet():
            connection = await create_conn(host, port, request_timeout_ms=int(timeout_s * 1000), **options)
            try:
                yield connection
            finally:
                connection.close()
    finally:
        # Closed already; its socket is so a moment later, which an event loop that ends now would not live to see.
        try:
            if closing := [connection.close() for connection in made]:
                await asyncio.wait(closing, timeout=CLOSE_S)
        finally:
            for connection in made:
                connection.give_up()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep aiokafka from logging what is about to be said in our words."""
    log = logging.getLogger("aiokafka.conn")

    def drop(record: logging.LogRecord) -> bool:  # one of this call's own: several may go on at once
        del record
        return False

    log.addFilter(drop)
    try:
        yield
    finally:
        log.removeFilter(drop)


async def time_of_https(
    address: str, ca_file: Path | None, timeout_s: float, proxies: Mapping[str, str] | None = None
) -> datetime | None:
    """Return what time a web server has, by the `Date` of an answer; None where it can't be had.

    The server has to prove its name by the authority that is believed here. Only the dates of its certificate don't
    count: they are what is in question. It is gone through a proxy of the environment (HTTPS_PROXY), or, where they are
    given, of `proxies` by their kinds.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.to_thread(_date_of, address, ca_file, timeout_s, proxies)
    except (OSError, ValueError, TimeoutError, HTTPException):
        return None


def _date_of(
    address: str, ca_file: Path | None, timeout_s: float, proxies: Mapping[str, str] | None
) -> datetime | None:
    if not address.startswith("https://"):
        return None
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.verify_flags |= ANY_TIME
    by_proxy = urllib.request.ProxyHandler(None if proxies is None else dict(proxies))
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), by_proxy)
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - https alone, see above
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            text = answer.headers["Date"]
    except urllib.error.HTTPError as exc:  # it has answered: what to, does not matter
        text = exc.headers["Date"]
        exc.close()
    return None if text is None else parsedate_to_datetime(text).astimezone(UTC)


def _believing_all() -> ssl.SSLContext:
    """Return a context for a connection that nothing is told to.

    It reads none of the authorities that this system believes: they take the event loop 50 ms.
    """
    context = tidy(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


mend_connections()
