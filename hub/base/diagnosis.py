"""Why a broker does not let us in, in plain words: asked by one bare connection.

A Kafka client says "unable to bootstrap" for everything, from a misspelt host to a wrong password. One connection of
our own, without the client's retries, raises what is really wrong; where that may mean several things, another one that
only looks (`hub.base.probe`) tells which. What is said is one of `hub.base.obstacle`'s closed list.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from hub.base import files
from hub.base.access import Security, host_and_port
from hub.base.probe import connected, shown_by, spoken_by
from hub.base.second_clock import SecondClock, judge_dates
from hub.base.shown_certificate import ShownCertificate, read_file
from hub.base.topic_access import Door, ask_access
from schemas.words.said import Said, said

TIMEOUT_S: Final = 5.0

# OpenSSL's numbers of what is wrong with a certificate.
NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
UNKNOWN_AUTHORITY: Final = {2, 18, 19, 20, 21}
NOT_A_SERVERS: Final = 26
OTHER_NAME: Final = {62, 64}

# What aiokafka raises at an answer that is none.
GARBLED: Final = (ValueError, LookupError, AssertionError, TypeError)
# This system's own answers, by number: Windows has others for the same.
NO_ROUTE: Final = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.EACCES,
    errno.EPERM,
    10050,
    10051,
    10065,
}
REFUSED: Final = {errno.ECONNREFUSED, 1225, 10061}
TIMED_OUT: Final = {errno.ETIMEDOUT, 121, 10060}
_NUMBER: Final = re.compile(r"\[(?:Errno|WinError) (\d+)\]")

# What needs no looking at the settings.
PLAIN_REASONS: Final[Mapping[type[BaseException], Said]] = {
    TimeoutError: said("obstacles.no_answer"),
    socket.gaierror: said("obstacles.no_host"),
    UnicodeError: said("obstacles.no_host"),  # of what can't be a host's name
    ConnectionRefusedError: said("obstacles.nobody_listens"),
    SaslAuthenticationFailed: said("obstacles.login_refused"),
    IllegalSaslStateError: said("obstacles.no_login_asked"),
}


async def diagnose(servers: Sequence[str], security: Security, timeout_s: float = TIMEOUT_S) -> str | None:
    """Return what keeps us out of these brokers, in English, one sentence an address; see `find_obstacles`."""
    found = await find_obstacles(servers, security, timeout_s)
    return None if found is None else "; ".join(map(str, found))


async def find_obstacles(
    servers: Sequence[str], security: Security, timeout_s: float = TIMEOUT_S, clocks: Sequence[SecondClock] = ()
) -> tuple[Said, ...] | None:
    """Return what keeps us out of these brokers, one text an address; None if one of them lets us in.

    Errors: UsageError for settings that no connection can be made with.
    """
    found = await knock(servers, security, (), timeout_s, clocks)
    return None if isinstance(found, Door) else found


async def knock(
    servers: Sequence[str],
    security: Security,
    topics: Sequence[str],
    timeout_s: float = TIMEOUT_S,
    clocks: Sequence[SecondClock] = (),
) -> Door | tuple[Said, ...]:
    """Return what a broker that lets us in says of these topics; where none does, what keeps us out, one text for each.

    Shapes: clocks are what is known of the time beside this computer's clock: they tell whether that or a certificate
            is off.
    Errors: UsageError for settings that no connection can be made with.
    """
    asked = (_Knock(*host_and_port(address), security, timeout_s, tuple(clocks)).ask(topics) for address in servers)
    found = await asyncio.gather(*asked)
    door = next((one for one in found if isinstance(one, Door)), None)
    return door or tuple(
        said("obstacles.at", address=address, reason=one)
        for address, one in zip(servers, found, strict=True)
        if isinstance(one, Said)
    )


async def explain_certificate(
    exc: ssl.SSLCertVerificationError,
    host: str,
    port: int,
    timeout_s: float = TIMEOUT_S,
    clocks: Sequence[SecondClock] = (),
    ca_file: Path | None = None,
) -> Said:
    """Return what is wrong with a certificate that was not believed at an address, whoever has signed it.

    Its dates may be those of the authority that was believed, which `ca_file` has.
    """
    if exc.verify_code == NOT_A_SERVERS:
        return said("obstacles.certificate_no_server")
    shown = await shown_by(host, port, timeout_s)
    if exc.verify_code in OTHER_NAME:
        return said("obstacles.certificate_other_name", names="-" if shown is None else shown.shown_names())
    now = datetime.now(UTC)
    if exc.verify_code in (EXPIRED, NOT_YET_VALID):
        for one in (*([] if shown is None else [shown]), *_authorities(ca_file)):
            if not one.holds_at(now):
                return judge_dates(one, now, clocks)
    return said("obstacles.certificate_bad", detail=exc.verify_message)


def _authorities(ca_file: Path | None) -> list[ShownCertificate]:
    """Return the certificates of the authorities that we believe; none where they can't be read."""
    try:
        return [] if ca_file is None else read_file(files.read_named(ca_file))
    except (OSError, ValueError):
        return []


@dataclass(frozen=True, slots=True)
class _Knock:
    """One address, and what is known of how it is to be reached."""

    host: str
    port: int
    security: Security
    timeout_s: float
    clocks: tuple[SecondClock, ...]

    async def ask(self, topics: Sequence[str]) -> Door | Said:
        """Connect, log in and ask one question, as a client does at first; return the answer, or what is in the way."""
        options = self.security.client_options()
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                connected(self.host, self.port, self.timeout_s, **options) as connection,
            ):
                return await ask_access(connection, topics)
        except (KafkaError, OSError, TimeoutError, EOFError, UnicodeError) as exc:
            return await self._explain(exc)
        except GARBLED:
            # No client of ours would say such a thing, nor a broker: SCRAM has both ends prove what they know.
            return said("obstacles.no_proof") if self.security.has_login else said("obstacles.no_kafka")

    async def _explain(self, exc: BaseException) -> Said:
        for kind, text in PLAIN_REASONS.items():
            if isinstance(exc, kind):
                return text
        if isinstance(exc, UnsupportedSaslMechanismError):
            return await self._other_mechanism()
        if isinstance(exc, ssl.SSLCertVerificationError):
            return await self._explain_certificate(exc)
        if isinstance(exc, KafkaConnectionError | ConnectionError | ssl.SSLError | EOFError):
            return await self._explain_hang_up(exc)
        if isinstance(exc, OSError) and (found := _explain_system(exc)) is not None:
            return found
        # Its text may quote what the broker sent, a Java stack perhaps: its name is enough to search for.
        return said("obstacles.other", detail=type(exc).__name__)

    async def _other_mechanism(self) -> Said:
        spoken = await spoken_by(self.host, self.port, tls=self.security.has_tls, timeout_s=self.timeout_s)
        offered = ", ".join(spoken.mechanisms) if spoken is not None else ""
        return said("obstacles.other_mechanism", mechanism=self.security.mechanism, offered=offered or "-")

    async def _explain_certificate(self, exc: ssl.SSLCertVerificationError) -> Said:
        code = exc.verify_code
        if code in UNKNOWN_AUTHORITY and self.security.ca_file:
            return said("obstacles.unknown_authority", file=self.security.ca_file)
        if code in UNKNOWN_AUTHORITY:
            return said("obstacles.unknown_to_system")
        return await explain_certificate(exc, self.host, self.port, self.timeout_s, self.clocks, self.security.ca_file)

    async def _explain_hang_up(self, exc: BaseException) -> Said:
        """Explain a connection that is closed: the two ends do not speak the same protocol. Which, is asked."""
        alert = exc if isinstance(exc, ssl.SSLError) else exc.__cause__
        has_tls, protocol = self.security.has_tls, self.security.protocol
        alerted = str(alert) if isinstance(alert, ssl.SSLError) and "ALERT" in str(alert) else ""
        if "CERTIFICATE" in alerted and self.security.cert_file is not None:
            return said("obstacles.refuses_certificate", file=self.security.cert_file)
        if alerted and "CERTIFICATE" not in alerted:
            return said("obstacles.hangs_up", protocol=protocol)  # it speaks TLS, and not with us
        with_tls, without = await asyncio.gather(
            *(spoken_by(self.host, self.port, tls=tls, timeout_s=self.timeout_s) for tls in (True, False))
        )
        if "CERTIFICATE" in alerted and with_tls is None:  # nor does it speak with another who shows none
            return said("obstacles.wants_certificate")
        same, other = (with_tls, without) if has_tls else (without, with_tls)
        if same is not None and same.asks_login and not self.security.has_login:
            wanted, mechanisms = f"SASL_{protocol}", ", ".join(same.mechanisms) or "-"
            return said("obstacles.wants_login", protocol=protocol, wanted=wanted, mechanisms=mechanisms)
        if same is not None:
            return said("obstacles.hangs_up", protocol=protocol)
        if other is not None:
            return _other_side(has_tls=has_tls, asks_login=other.asks_login)
        if not has_tls and await shown_by(self.host, self.port, self.timeout_s) is not None:
            return said("obstacles.wants_tls", protocol="SASL_SSL / SSL")  # and a certificate, perhaps
        return said("obstacles.no_kafka")


def _explain_system(exc: OSError) -> Said | None:
    """Return what this system says of a connection that did not come to be; None where it says something else.

    A host of several addresses is tried at each: what comes of them is one error without a number, and a text with all.
    """
    numbers = {exc.errno} if exc.errno is not None else {int(number) for number in _NUMBER.findall(str(exc))}
    for known, text in (
        (REFUSED, said("obstacles.nobody_listens")),
        (TIMED_OUT, said("obstacles.no_answer")),
        (NO_ROUTE, said("obstacles.no_route")),
    ):
        if numbers & known:
            return text
    return None


def _other_side(*, has_tls: bool, asks_login: bool) -> Said:
    """Return that the broker speaks TLS where we don't, or the other way round, and how it is reached."""
    if has_tls:
        return said("obstacles.no_tls", protocol="SASL_PLAINTEXT" if asks_login else "PLAINTEXT")
    return said("obstacles.wants_tls", protocol="SASL_SSL" if asks_login else "SSL")
