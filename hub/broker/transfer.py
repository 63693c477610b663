"""How jars that the cache lacks are fetched from a Maven repository; whoever has them all needs none of this."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import ssl
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import httpx2
from jgo.constants import MAVEN_CENTRAL_URL

from hub.broker.jars import Jar, Tally
from hub.protocol.errors import Fatal, Retriable

FETCHES_AT_ONCE = 8
TRIES = 3
RETRY_WAIT_S = 0.25
CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 60.0


async def fetch_missing(base_url: str | None, folder: Path, jars: Sequence[Jar], tally: Tally) -> None:
    """Fetch each of these jars into the folder, some at once; `base_url` is a repository's, None for Maven Central.

    Errors: see `fetch_jars`; OSError. A jar is under its name once its digest was checked, and not before.
    """
    timeout = httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    limits = httpx2.Limits(max_connections=FETCHES_AT_ONCE)
    gate = asyncio.Semaphore(FETCHES_AT_ONCE)
    async with httpx2.AsyncClient(
        base_url=(base_url or MAVEN_CENTRAL_URL).rstrip("/") + "/",
        timeout=timeout,
        limits=limits,
        verify=_trust(),
        follow_redirects=True,
    ) as client:

        async def one(jar: Jar) -> None:
            async with gate:
                await _fetch_with_retries(client, folder, jar, tally)

        try:
            async with asyncio.TaskGroup() as group:
                for jar in jars:
                    group.create_task(one(jar))
        except* (Fatal, Retriable, OSError) as errors:
            # The first jar that fails ends the others; one plain error says more than a group of equal ones.
            raise errors.exceptions[0] from None


def _trust() -> ssl.SSLContext:
    # The system's roots, or the ones that the environment names: networks with their own CA set SSL_CERT_FILE.
    bundle = os.environ.get("SSL_CERT_FILE")
    if bundle and not Path(bundle).is_file():
        raise Fatal(f"SSL_CERT_FILE names {bundle}, which is no file; point it to a PEM bundle or unset it")
    return httpx2.create_ssl_context()


async def _fetch_with_retries(client: httpx2.AsyncClient, folder: Path, jar: Jar, tally: Tally) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            await _fetch_one(client, folder / jar.path, jar, tally)
        except (httpx2.TransportError, Retriable) as exc:
            if attempt == TRIES:
                raise Retriable(
                    f"could not fetch {jar.path} from {client.base_url} in {TRIES} tries: {exc or type(exc).__name__}; "
                    "check the network, or set COHUB_MAVEN_URL to a mirror"
                ) from exc
            await asyncio.sleep(RETRY_WAIT_S * attempt)
        else:
            return


async def _fetch_one(client: httpx2.AsyncClient, file: Path, jar: Jar, tally: Tally) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # Several processes may fill one cache: each writes a part of its own, and the renames give the same bytes.
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    counted = 0
    finished = False
    try:
        digest = hashlib.sha256()
        async with client.stream("GET", jar.path) as response:
            _refuse_status(response, jar)
            with part.open("wb") as out:
                async for chunk in response.aiter_bytes():
                    counted += len(chunk)
                    if counted > jar.size:
                        raise Fatal(_mismatch(jar, f"more than {jar.size} bytes"))
                    digest.update(chunk)
                    out.write(chunk)
                    tally.add(len(chunk))
        if counted < jar.size:
            raise Retriable(f"the transfer ended after {counted} of {jar.size} bytes")
        if digest.hexdigest() != jar.sha256:
            raise Fatal(_mismatch(jar, f"sha256 {digest.hexdigest()}"))
        part.replace(file)
        finished = True
    finally:
        if not finished:
            tally.add(-counted)
            with contextlib.suppress(OSError):
                part.unlink()


def _refuse_status(response: httpx2.Response, jar: Jar) -> None:
    if response.status_code == 429 or response.status_code >= 500:
        raise Retriable(f"{response.url} answered {response.status_code}")
    if response.status_code != 200:
        raise Fatal(
            f"{response.url} answered {response.status_code}, expected the jar {PurePosixPath(jar.path).name}; "
            "if COHUB_MAVEN_URL is set, check that it is the root of a Maven repository"
        )


def _mismatch(jar: Jar, came: str) -> str:
    return (
        f"{jar.path} is not the pinned file: expected sha256 {jar.sha256}, came {came}; nothing was kept. "
        "Use another mirror (COHUB_MAVEN_URL), and tell its owner"
    )
