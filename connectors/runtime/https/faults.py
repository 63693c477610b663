"""What may go wrong on the way in over HTTPS, as errors that readers and the sender know of Kafka's clients.

KafkaError
├── HttpsAway (KafkaConnectionError)        nobody answers, or not HQ, or not now: it is tried again
│   ├── HttpsHungUp                         the connection ended before an answer came: it may have been an old one
│   ├── HttpsBusy                           HQ says for how long it wants to be left alone: its limits, or it starts
│   └── HttpsElsewhere                      the topic has no such offset; where it begins and ends is told
├── HttpsRefused                            HQ answers, and refuses: suspended, unknown, another hub
├── HttpsTooLarge (MessageSizeTooLargeError)
└── HttpsHidden (TopicAuthorizationFailedError)    this topic is not for us, or is not there

Each knows its text in every language, as `told_of` asks for it, and is Retriable.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import httpx2
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)

from connectors.runtime.clock import hours
from connectors.runtime.https.answers import Ends, Refusal
from connectors.runtime.local_time import show_time
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.problem import ProblemCode
from schemas.words.said import Said, said

DETAIL_CHARS_MAX: Final = 200
_CAUSES_MAX: Final = 16
SERVERS_FAULT: Final = 500
# What is wrong with a certificate, by the numbers of OpenSSL, of Windows (CERT_E_…) and of macOS (errSec…), which judge
# themselves where no file of certificates is named. Windows has one number for too late and too early: it is not here.
UNKNOWN_AUTHORITY: Final = frozenset({2, 18, 19, 20, 21, 0x800B0109, 0x800B010A, -67843, -25318})
OTHER_NAME: Final = frozenset({62, 64, 0x800B010F, -67602})
_EXPIRED, _NO_SERVER = said("way.certificate_expired"), said("way.certificate_no_server")
_CERTIFICATES: Final = {
    9: said("way.certificate_early"),
    -67819: said("way.certificate_early"),
    10: _EXPIRED,
    -67818: _EXPIRED,
    26: _NO_SERVER,
    0x800B0110: _NO_SERVER,
    -67609: _NO_SERVER,
}

_E = TypeVar("_E", bound=BaseException)


class HttpsAway(KafkaConnectionError, Retriable):  # type: ignore[misc]
    """HQ can't be reached over HTTPS, or not now."""

    def __init__(self, text: Said) -> None:
        self.said = text
        super().__init__(text.text())


class HttpsHungUp(HttpsAway):
    """The connection ended before an answer came; nobody knows whether the request was heard."""


class HttpsBusy(HttpsAway):
    """HQ asks to be left alone. Units: retry_s."""

    def __init__(self, text: Said, retry_s: float) -> None:
        self.retry_s = retry_s
        super().__init__(text)


class HttpsElsewhere(HttpsAway):
    """What was asked for is not, or no longer, within the topic."""

    def __init__(self, text: Said, ends: Ends) -> None:
        self.ends = ends
        super().__init__(text)


class HttpsRefused(KafkaError, Retriable):  # type: ignore[misc]
    """HQ answers, and takes nothing of us; what to do about it is in the text."""

    def __init__(self, text: Said) -> None:
        self.said = text
        super().__init__(text.text())


class HttpsTooLarge(MessageSizeTooLargeError, Retriable):  # type: ignore[misc]
    """HQ takes no body as large as this one."""

    def __init__(self, text: Said) -> None:
        self.said = text
        super().__init__(text.text())


class HttpsHidden(TopicAuthorizationFailedError, Retriable):  # type: ignore[misc]
    """HQ does not show this topic to us, or has none of this name."""

    def __init__(self, text: Said) -> None:
        self.said = text
        super().__init__(text.text())


@dataclass(frozen=True, slots=True)
class Failed:
    """An answer that is no success.

    Shapes: address is HQ's, as we have it; now is the time by our clock. Units: retry_s is how long HQ wants to be left
            alone.
    """

    refusal: Refusal
    status: int
    address: str
    retry_s: float
    now: datetime


def refused(failed: Failed) -> KafkaError:
    """Return the error that an answer is."""
    code, detail = failed.refusal.code, failed.refusal.detail
    if code in _MEANINGS:
        return _MEANINGS[code](failed)
    if not code:
        return _not_hq(failed)
    if failed.status >= SERVERS_FAULT:
        return HttpsAway(said("way.hq_away", address=failed.address, detail=detail))
    return HttpsRefused(said("way.refused", detail=detail))


def _not_hq(failed: Failed) -> KafkaError:
    return HttpsAway(said("way.not_hq", address=failed.address, status=failed.status))


def _suspended(failed: Failed) -> KafkaError:
    return HttpsRefused(said("way.suspended", since=_time(failed, "since"), why=failed.refusal.text("why") or "-"))


def _closed(failed: Failed) -> KafkaError:
    return HttpsRefused(said("way.closed", since=_time(failed, "since"), why=failed.refusal.text("why") or "-"))


def _time(failed: Failed, name: str) -> str:
    """Return a time that HQ says, by this computer's calendar."""
    moment = failed.refusal.moment(name)
    return "-" if moment is None else show_time(moment)


def _clock(failed: Failed) -> KafkaError:
    hqs = failed.refusal.moment("time")
    if hqs is None:
        return _not_hq(failed)
    gap, time = hours(failed.now - hqs), show_time(hqs)
    is_ahead = failed.now > hqs
    return HttpsRefused(
        said("way.clock_ahead", gap=gap, time=time) if is_ahead else said("way.clock_behind", gap=gap, time=time)
    )


def _elsewhere(failed: Failed) -> KafkaError:
    try:
        return HttpsElsewhere(said("way.refused", detail=failed.refusal.detail), failed.refusal.ends())
    except Malformed:
        return _not_hq(failed)


_MEANINGS: Final[Mapping[str, Callable[[Failed], KafkaError]]] = {
    ProblemCode.SUSPENDED: _suspended,
    ProblemCode.CLOSED: _closed,
    ProblemCode.CLOCK: _clock,
    ProblemCode.WRONG_ADDRESS: lambda failed: HttpsRefused(said("way.other_address", address=failed.address)),
    ProblemCode.KEY: lambda _: HttpsRefused(said("way.key_unknown")),
    ProblemCode.TOPIC_UNKNOWN: lambda _: HttpsHidden(said("way.no_topic")),
    ProblemCode.OFFSET: _elsewhere,
    ProblemCode.TOO_LARGE: lambda _: HttpsTooLarge(said("way.too_large")),
    ProblemCode.TOO_MUCH: lambda failed: HttpsBusy(said("way.too_much"), failed.retry_s),
    ProblemCode.TOO_SLOW: lambda _: HttpsAway(said("way.no_answer")),
    # By somebody on the way: what we sign is what we send.
    ProblemCode.BAD_SIGNATURE: lambda failed: HttpsRefused(said("way.changed", detail=failed.refusal.detail)),
    ProblemCode.WRONG_DIGEST: lambda failed: HttpsRefused(said("way.changed", detail=failed.refusal.detail)),
}


def explain(exc: BaseException, proxy: str, ca_file: Path | None) -> Said:
    """Return what is in the way of a request, in words.

    Shapes: proxy is the proxy's host and port, '' for none.
    """
    causes = list(_causes(exc))
    if (wrong := _first(causes, ssl.SSLCertVerificationError)) is not None:
        return _explain_certificate(wrong, proxy, ca_file)
    if (refusal := _first(causes, httpx2.ProxyError)) is not None:
        return _explain_proxy(refusal, proxy)
    if _first(causes, socket.gaierror) is not None:
        return said("way.no_proxy_host", proxy=proxy) if proxy else said("way.no_host")
    if _first(causes, ConnectionRefusedError) is not None:
        return said("way.proxy_refuses", proxy=proxy) if proxy else said("way.nobody_listens")
    if isinstance(exc, TimeoutError | httpx2.TimeoutException):
        return said("way.no_answer_by_proxy", proxy=proxy) if proxy else said("way.no_answer")
    if isinstance(exc, httpx2.RemoteProtocolError | httpx2.ReadError | httpx2.WriteError | httpx2.CloseError):
        return said("way.hung_up")
    if _first(causes, ssl.SSLEOFError) is None and _first(causes, ssl.SSLError) is not None:
        return said("way.no_tls")
    return said("way.other", detail=f"{type(exc).__name__}: {exc}"[:DETAIL_CHARS_MAX])


def _explain_certificate(exc: ssl.SSLCertVerificationError, proxy: str, ca_file: Path | None) -> Said:
    code = getattr(exc, "verify_code", None)  # OpenSSL and the systems set one; whoever else raises it may not
    if code in UNKNOWN_AUTHORITY:
        if proxy:
            return said("way.proxy_authority", proxy=proxy)
        return said("way.unknown_to_system") if ca_file is None else said("way.unknown_authority", file=ca_file)
    if code in OTHER_NAME:
        return said("way.certificate_other_name")
    if code in _CERTIFICATES:
        return _CERTIFICATES[code]
    return said("way.certificate_bad", detail=getattr(exc, "verify_message", None) or str(exc))


def _explain_proxy(exc: httpx2.ProxyError, proxy: str) -> Said:
    """Explain what a proxy says instead of making a connection: its status stands at the beginning."""
    status = str(exc).partition(" ")[0]
    if status == "407":
        return said("way.proxy_login", proxy=proxy)
    if status == "403":
        return said("way.proxy_forbids", proxy=proxy)
    return said("way.proxy_says", proxy=proxy, detail=str(exc)[:DETAIL_CHARS_MAX])


def _first(causes: list[BaseException], kind: type[_E]) -> _E | None:
    return next((cause for cause in causes if isinstance(cause, kind)), None)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it comes from, the nearest first."""
    waiting, seen = [exc], 0
    while waiting and seen < _CAUSES_MAX:
        cause = waiting.pop(0)
        seen += 1
        yield cause
        waiting += [each for each in (cause.__cause__, cause.__context__) if each is not None and each not in waiting]
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions
