"""Whether HQ's HTTPS address answers, as offices call it, with the certificate that is meant for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hub.base.diagnosis import TIMEOUT_S, UNKNOWN_AUTHORITY, explain_certificate
from hub.hq.doctor.examined import Check, Examined, examined
from schemas.words.said import Said, said

HTTPS_PORT: Final = 443
OK: Final = 200
# OpenSSL's X509_V_FLAG_PARTIAL_CHAIN: the very certificate that was configured is believed, whoever has signed it.
PARTIAL_CHAIN: Final = 0x80000


async def examine_https(
    addresses: Iterable[str], authority: Path, certificate: Path | None, timeout_s: float = TIMEOUT_S
) -> list[Examined]:
    """Return how each address fares that offices call HQ by.

    Shapes: authority is the hub's own, which has signed what is shown unless `certificate` is configured.
    """
    return list(
        await asyncio.gather(*(_examine(address, certificate or authority, timeout_s) for address in addresses))
    )


async def _examine(address: str, believed: Path, timeout_s: float) -> Examined:
    try:
        async with asyncio.timeout(timeout_s):
            status = await asyncio.to_thread(_ask, f"{address}/livez", believed, timeout_s)
    except ssl.SSLCertVerificationError as exc:
        return examined(Check.HTTPS, "certificate", address=address, reason=await _explain(exc, address, believed))
    except (OSError, TimeoutError, ValueError) as exc:
        return examined(Check.HTTPS, "away", address=address, reason=_away(exc))
    if status != OK:
        return examined(Check.HTTPS, "away", address=address, reason=str(status))
    return examined(Check.HTTPS, "answers", address=address)


def _ask(address: str, believed: Path, timeout_s: float) -> int:
    """Return the status of an answer. Errors: OSError, of TLS too; ValueError."""
    context = ssl.create_default_context(cafile=str(believed))
    context.verify_flags |= PARTIAL_CHAIN
    handlers = urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({})
    try:
        with urllib.request.build_opener(*handlers).open(address, timeout=timeout_s) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code
    except urllib.error.URLError as exc:
        raise exc.reason if isinstance(exc.reason, OSError) else OSError(str(exc.reason)) from exc


async def _explain(exc: ssl.SSLCertVerificationError, address: str, believed: Path) -> Said:
    if exc.verify_code in UNKNOWN_AUTHORITY:
        return said("obstacles.unknown_authority", file=believed)
    parts = urlsplit(address)
    return await explain_certificate(exc, parts.hostname or "", parts.port or HTTPS_PORT)


def _away(exc: Exception) -> Said | str:
    for kind, name in (
        (TimeoutError, "no_answer"),
        (socket.gaierror, "no_host"),
        (ConnectionRefusedError, "nobody_listens"),
    ):
        if isinstance(exc, kind):
            return Said(f"obstacles.{name}", {})
    return getattr(exc, "strerror", None) or type(exc).__name__
