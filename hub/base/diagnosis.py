"""Why a broker does not let us in, in plain words: asked by one bare connection.

A Kafka client says "unable to bootstrap" for everything, from a misspelt host to a wrong password. One connection of
our own, without the client's retries, raises what is really wrong.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from hub.base.access import Security, host_and_port
from schemas.words.said import Said, said

TIMEOUT_S: Final = 5.0
CLOSE_S: Final = 1.0

# OpenSSL's numbers of what is wrong with a certificate.
NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
UNKNOWN_AUTHORITY: Final = {2, 18, 19, 20, 21}
NOT_A_SERVERS: Final = 26
OTHER_NAME: Final = {62, 64}

# What needs no looking at the settings.
PLAIN_REASONS: Final[dict[type[BaseException], Said]] = {
    TimeoutError: said("obstacles.no_answer"),
    socket.gaierror: said("obstacles.no_host"),
    ConnectionRefusedError: said("obstacles.nobody_listens"),
    SaslAuthenticationFailed: said("obstacles.login_refused"),
    IllegalSaslStateError: said("obstacles.no_login_asked"),
}


async def diagnose(servers: Sequence[str], security: Security, timeout_s: float = TIMEOUT_S) -> str | None:
    """Return what keeps us out of these brokers, in English, one sentence an address; see `find_obstacles`."""
    found = await find_obstacles(servers, security, timeout_s)
    return None if found is None else "; ".join(map(str, found))


async def find_obstacles(
    servers: Sequence[str], security: Security, timeout_s: float = TIMEOUT_S
) -> tuple[Said, ...] | None:
    """Return what keeps us out of these brokers, one text an address; None if one of them lets us in.

    Errors: UsageError for settings that no connection can be made with.
    """
    found = await asyncio.gather(*(_knock(address, security, timeout_s) for address in servers))
    return None if None in found else tuple(text for text in found if text is not None)


async def _knock(address: str, security: Security, timeout_s: float) -> Said | None:
    """Connect, log in and ask one question, as a client does at first."""
    host, port = host_and_port(address)
    made: list[AIOKafkaConnection] = []
    options = security.client_options() | {"on_close": lambda connection, _: made.append(connection)}
    try:
        with _quiet():
            async with asyncio.timeout(timeout_s):
                connection = await create_conn(host, port, request_timeout_ms=int(timeout_s * 1000), **options)
                try:
                    await connection.send(MetadataRequest([]))
                finally:
                    connection.close()
    except (KafkaError, OSError, TimeoutError, asyncio.IncompleteReadError) as exc:
        return said("obstacles.at", address=address, reason=_explain(exc, security))
    finally:
        # Closed already; its socket is so a moment later, which an event loop that ends now would not live to see.
        if closing := [connection.close() for connection in made]:
            await asyncio.wait(closing, timeout=CLOSE_S)
    return None


def _explain(exc: BaseException, security: Security) -> Said:
    for kind, text in PLAIN_REASONS.items():
        if isinstance(exc, kind):
            return text
    if isinstance(exc, UnsupportedSaslMechanismError):
        return said("obstacles.other_mechanism", mechanism=security.mechanism)
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _explain_certificate(exc, security)
    if isinstance(exc, KafkaConnectionError | ConnectionError | ssl.SSLError | asyncio.IncompleteReadError):
        return _explain_hang_up(exc, security)
    return said("obstacles.other", detail=f"{type(exc).__name__}: {exc}")


def _explain_certificate(exc: ssl.SSLCertVerificationError, security: Security) -> Said:
    code = exc.verify_code
    if code in UNKNOWN_AUTHORITY and security.ca_file:
        return said("obstacles.unknown_authority", file=security.ca_file)
    if code in UNKNOWN_AUTHORITY:
        return said("obstacles.unknown_to_system")
    if code == EXPIRED:
        return said("obstacles.certificate_expired")
    if code == NOT_YET_VALID:
        return said("obstacles.certificate_early")
    if code in OTHER_NAME:
        return said("obstacles.certificate_other_name")
    if code == NOT_A_SERVERS:
        return said("obstacles.certificate_no_server")
    return said("obstacles.certificate_bad", detail=exc.verify_message)


def _explain_hang_up(exc: BaseException, security: Security) -> Said:
    """Explain a connection that the broker closes: the two ends do not speak the same protocol."""
    alert = exc if isinstance(exc, ssl.SSLError) else exc.__cause__
    if isinstance(alert, ssl.SSLError) and "CERTIFICATE" in str(alert):
        if security.cert_file is None:
            return said("obstacles.wants_certificate")
        return said("obstacles.refuses_certificate", file=security.cert_file)
    if security.has_tls:
        if isinstance(exc, ssl.SSLError | ConnectionError):
            return said("obstacles.no_tls")
        if security.has_login:
            return said("obstacles.hangs_up_certificate", protocol=security.protocol)
        return said("obstacles.hangs_up_login", protocol=security.protocol)
    if security.has_login:
        return said("obstacles.hangs_up_tls", protocol=security.protocol)
    return said("obstacles.hangs_up_either", protocol=security.protocol)


@contextmanager
def _quiet() -> Iterator[None]:
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
