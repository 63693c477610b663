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

TIMEOUT_S: Final = 5.0
CLOSE_S: Final = 1.0

# OpenSSL's numbers of what is wrong with a certificate.
NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
UNKNOWN_AUTHORITY: Final = {2, 18, 19, 20, 21}
NOT_A_SERVERS: Final = 26
OTHER_NAME: Final = {62, 64}

# What needs no looking at the settings.
PLAIN_REASONS: Final[dict[type[BaseException], str]] = {
    TimeoutError: "no answer in time: is the broker up, does a firewall stand between?",
    socket.gaierror: "there is no such host: is the address right?",
    ConnectionRefusedError: "nobody listens there: is the broker up, is the address right?",
    SaslAuthenticationFailed: "the broker refuses this name and password: check security.username and password",
    IllegalSaslStateError: "the broker asks for no name and password here: set security.protocol to what it speaks",
}


async def diagnose(servers: Sequence[str], security: Security, timeout_s: float = TIMEOUT_S) -> str | None:
    """Return what keeps us out of these brokers, one sentence an address; None if one of them lets us in.

    Errors: UsageError for settings that no connection can be made with.
    """
    found = await asyncio.gather(*(_knock(address, security, timeout_s) for address in servers))
    return None if None in found else "; ".join(text for text in found if text is not None)


async def _knock(address: str, security: Security, timeout_s: float) -> str | None:
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
        return f"{address}: {_explain(exc, security)}"
    finally:
        # Closed already; its socket is so a moment later, which an event loop that ends now would not live to see.
        if closing := [connection.close() for connection in made]:
            await asyncio.wait(closing, timeout=CLOSE_S)
    return None


def _explain(exc: BaseException, security: Security) -> str:
    for kind, text in PLAIN_REASONS.items():
        if isinstance(exc, kind):
            return text
    if isinstance(exc, UnsupportedSaslMechanismError):
        return f"the broker takes no {security.mechanism}: set security.mechanism to one that it takes"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _explain_certificate(exc, security)
    if isinstance(exc, KafkaConnectionError | ConnectionError | ssl.SSLError | asyncio.IncompleteReadError):
        return _explain_hang_up(exc, security)
    return f"{type(exc).__name__}: {exc}"


def _explain_certificate(exc: ssl.SSLCertVerificationError, security: Security) -> str:
    code = exc.verify_code
    if code in UNKNOWN_AUTHORITY:
        known = f"security.ca_file {security.ca_file}" if security.ca_file else "this system's list of authorities"
        return f"the broker's certificate is signed by nobody in {known}: set security.ca_file to the CA of this broker"
    if code in {NOT_YET_VALID, EXPIRED}:
        when = "has expired" if code == EXPIRED else "is not valid yet"
        return f"the broker's certificate {when}: renew it, or set this machine's clock, whichever of the two is off"
    if code in OTHER_NAME:
        return "the broker's certificate is made out to another address: use the address that it names"
    if code == NOT_A_SERVERS:
        return "the broker shows a certificate that is not a server's: it needs one for serverAuth"
    return f"the broker's certificate is not good: {exc.verify_message}"


def _explain_hang_up(exc: BaseException, security: Security) -> str:
    """Explain a connection that the broker closes: the two ends do not speak the same protocol."""
    alert = exc if isinstance(exc, ssl.SSLError) else exc.__cause__
    if isinstance(alert, ssl.SSLError) and "CERTIFICATE" in str(alert):
        if security.cert_file is None:
            return "the broker asks for a client's certificate: set security.cert_file and security.key_file"
        return (
            f"the broker refuses our certificate, security.cert_file {security.cert_file}: it knows another authority"
        )
    if security.has_tls:
        if isinstance(exc, ssl.SSLError | ConnectionError):
            return "the broker does not take up TLS at this port: set security.protocol to what it speaks"
        what = "a client's certificate" if security.has_login else "a name and a password"
    else:
        what = "TLS" if security.has_login else "TLS, or a name and a password"
    return f"the broker hangs up on {security.protocol}: it may ask for {what}; set security.protocol to what it speaks"


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
