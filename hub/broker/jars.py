"""The broker's jars: pinned by digest, fetched once, checked always, cached per user.

The lock names each jar by its path in a Maven repository and by its SHA-256. The repository's address is not ours to
name: it comes from jgo, or from a setting. A jar appears under its own name only after its digest was checked, by a
rename inside one folder, so a cache never holds half a jar however a fetch ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

import httpx
from jgo.constants import MAVEN_CENTRAL_URL

from hub.broker.settings import BrokerSettings
from hub.protocol.errors import Fatal, Retriable, UsageError

FETCHES_AT_ONCE = 8
TRIES = 3
RETRY_WAIT_S = 0.25
CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 60.0

Progress = Callable[[int, int], None]
"""Called with (bytes that are here, bytes in all) as the fetch goes on."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned file: where it stands in a Maven repository, its SHA-256 and its size in bytes."""

    path: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not self.path.endswith(".jar") or self.path.startswith("/") or ".." in parts or len(self.sha256) != 64:
            raise Fatal(f"the jar lock is damaged: {self.path!r} is no path of a pinned jar")


def locked_jars(package: str = "hub.broker") -> tuple[Jar, ...]:
    """Return the jars of a package's lock file, in class path order (an AOT cache depends on that order)."""
    lock = json.loads(resources.files(package).joinpath("jars.lock").read_text("utf-8"))
    return tuple(Jar(**jar) for jar in lock["jars"])


def jar_set_digest(jars: Sequence[Jar]) -> str:
    """Return the hex digest that names this very class path: the same jars in the same order."""
    return hashlib.sha256("".join(f"{jar.path} {jar.sha256}\n" for jar in jars).encode()).hexdigest()


async def fetch_jars(
    settings: BrokerSettings, *, jars: Sequence[Jar] | None = None, progress: Progress | None = None
) -> list[Path]:
    """Return the local paths of the jars in class path order, fetching what the cache lacks.

    A cached jar is checked too (45 MB take 0.06 s), so that one that was damaged on disk is fetched again. A full
    cache needs no network.
    Errors: Fatal if a jar is not what the lock pins or the repository does not have it; Retriable if it can't be
        reached; UsageError if the cache can't be written. Nothing unchecked is ever left under a jar's name.
    """
    wanted = locked_jars() if jars is None else tuple(jars)
    folder = settings.cache_dir / "jars"
    missing = await asyncio.to_thread(lambda: [jar for jar in wanted if not _is_cached(folder / jar.path, jar)])
    total = sum(jar.size for jar in wanted)
    tally = _Tally(total - sum(jar.size for jar in missing), total, progress)
    tally.report()
    if missing:
        try:
            await _fetch_all(settings.maven_url or MAVEN_CENTRAL_URL, folder, missing, tally)
        except OSError as exc:
            raise UsageError(
                f"the jars can't be kept in {folder}: {exc.strerror}; make room, or set COHUB_CACHE_DIR"
            ) from exc
    return [folder / jar.path for jar in wanted]


def progress_lines(tell: Callable[[str], None]) -> Progress:
    """Return a progress that tells each tenth of what is fetched as a line, and nothing where nothing is."""
    told = -1

    def show(done: int, total: int) -> None:
        nonlocal told
        tenth = done * 10 // max(total, 1)
        if tenth != told and (told >= 0 or done < total):  # nothing to say when all of it is there already
            told = tenth
            tell(f"fetching Kafka, once: {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    return show


@dataclass(slots=True)
class _Tally:
    done: int
    total: int
    progress: Progress | None

    def add(self, size: int) -> None:
        self.done += size
        self.report()

    def report(self) -> None:
        if self.progress is not None:
            self.progress(self.done, self.total)


def _is_cached(file: Path, jar: Jar) -> bool:
    try:
        return file.stat().st_size == jar.size and hashlib.sha256(file.read_bytes()).hexdigest() == jar.sha256
    except OSError:
        return False


async def _fetch_all(base_url: str, folder: Path, jars: Sequence[Jar], tally: _Tally) -> None:
    timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    limits = httpx.Limits(max_connections=FETCHES_AT_ONCE)
    gate = asyncio.Semaphore(FETCHES_AT_ONCE)
    async with httpx.AsyncClient(
        base_url=base_url.rstrip("/") + "/", timeout=timeout, limits=limits, verify=_trust(), follow_redirects=True
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
    return httpx.create_ssl_context()


async def _fetch_with_retries(client: httpx.AsyncClient, folder: Path, jar: Jar, tally: _Tally) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            await _fetch_one(client, folder / jar.path, jar, tally)
        except (httpx.TransportError, Retriable) as exc:
            if attempt == TRIES:
                raise Retriable(
                    f"could not fetch {jar.path} from {client.base_url} in {TRIES} tries: {exc or type(exc).__name__}; "
                    "check the network, or set COHUB_MAVEN_URL to a mirror"
                ) from exc
            await asyncio.sleep(RETRY_WAIT_S * attempt)
        else:
            return


async def _fetch_one(client: httpx.AsyncClient, file: Path, jar: Jar, tally: _Tally) -> None:
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


def _refuse_status(response: httpx.Response, jar: Jar) -> None:
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
