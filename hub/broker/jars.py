"""The broker's jars: pinned by digest, fetched once, checked always, cached per user.

The lock names each jar by its path in a Maven repository and by its SHA-256. The repository's address is not ours to
name: it comes from jgo, or from a setting. A jar appears under its own name only after its digest was checked, by a
rename inside one folder, so a cache never holds half a jar however a fetch ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

from hub.broker.settings import BrokerSettings
from hub.protocol.errors import Fatal, UsageError

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
    tally = Tally(total - sum(jar.size for jar in missing), total, progress)
    tally.report()
    if missing:
        try:
            # An HTTP client and jgo take a fifth of a second to import, and nearly every start finds all of the jars.
            from hub.broker.transfer import fetch_missing  # noqa: PLC0415

            await fetch_missing(settings.maven_url, folder, missing, tally)
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
class Tally:
    """How many bytes are here of how many, told to whoever wants to know."""

    done: int
    total: int
    progress: Progress | None

    def add(self, size: int) -> None:
        """Count bytes that have come, or (negative) that were dropped again."""
        self.done += size
        self.report()

    def report(self) -> None:
        """Tell how far it is."""
        if self.progress is not None:
            self.progress(self.done, self.total)


def _is_cached(file: Path, jar: Jar) -> bool:
    try:
        return file.stat().st_size == jar.size and hashlib.sha256(file.read_bytes()).hexdigest() == jar.sha256
    except OSError:
        return False
