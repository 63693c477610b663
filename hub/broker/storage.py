"""Kafka's own tool that formats a new log, as a process whose command line and output tell no secret."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hub.base import files
from hub.base.durable import write
from hub.broker.jvm import Jvm
from hub.broker.process import exit_status, spawn
from hub.protocol.errors import Fatal, Retriable

DEADLINE_S: Final = 60.0
PROPERTIES: Final = "format.properties"
ARGUMENTS: Final = "format.arguments"
ERRORS: Final = "format.errors"
SAID_MAX: Final = 2000
SNAPSHOT_DEADLINE_S: Final = 20.0
POLL_S: Final = 0.02


async def format_log(
    jvm: Jvm,
    log: Path,
    cluster_id: str,
    properties: str,
    secrets: Sequence[str] = (),
    voters: Sequence[str] = ("--standalone",),
) -> None:
    """Make `log` an empty log of this cluster; `secrets` are options of the tool that nobody is to see.

    Shapes: `properties` is what the broker is told; `voters` are the tool's options that say who its controllers are.

    The secrets are in no process list: java takes them from a file of its owner's, which is gone afterwards. What the
    tool prints is dropped, for it tells what it has written, salts and keys of users too.
    Errors: Fatal if it can't; OSError.
    """
    folder = log.parent
    words = ["kafka.tools.StorageTool", "format", *voters, "-t", cluster_id, "-c", str(folder / PROPERTIES)]
    status, said = None, ""
    with _temporary(folder, PROPERTIES), _temporary(folder, ARGUMENTS), _temporary(folder, ERRORS):
        write(folder / PROPERTIES, properties.encode(), mode=files.PRIVATE)
        for flags in (jvm.aot_flags, []):
            shutil.rmtree(log, ignore_errors=True)
            # A report of a crash would have the whole command line in it.
            java, *arguments = [*jvm.command([*flags, "-XX:+SuppressFatalErrorMessage"]), *words, *secrets]
            write(folder / ARGUMENTS, "".join(map(_quoted, arguments)).encode(), mode=files.PRIVATE)
            with files.appending(folder / ERRORS) as errors:
                process = spawn([java, f"@{folder / ARGUMENTS}"], folder, errors, errors_only=True)
            status = await exit_status(process, DEADLINE_S)
            if status == 0 or not flags:
                break
        said = _without(files.read(folder / ERRORS).decode("utf-8", "replace")[-SAID_MAX:], secrets)
    if status != 0:
        raise Fatal(f"Kafka could not format {log} (status {status}):\n{said.strip()}")


@contextmanager
def _temporary(folder: Path, name: str) -> Iterator[None]:
    files.remove(folder / name)  # of a start that died
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            files.remove(folder / name)


def _quoted(argument: str) -> str:
    """Return an argument as java reads it from a file."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"\n'


def _without(text: str, secrets: Sequence[str]) -> str:
    """Return a text without any line that has a part of a secret option."""
    parts = [part for secret in secrets for part in secret.replace("[", ",").replace("]", ",").split(",")]
    hidden = [part.partition("=")[2] for part in parts if part.startswith(("password=", "saltedpassword="))]
    return "\n".join(line for line in text.splitlines() if not any(word in line for word in hidden))


async def wait_for_snapshot(log_dir: Path) -> None:
    """Return once the broker has a snapshot of all that it was told before this was called.

    What it was told of its settings it takes from its newest snapshot as it starts, and not from the log behind that.
    It makes one after the other: the next one may have been begun before, the one behind that was not.
    Errors: Retriable if there is none in time; see `SNAPSHOTS_OFTEN`.
    """
    folder, seen = log_dir / "__cluster_metadata-0", set[str]()
    newest = await asyncio.to_thread(_newest_snapshot, folder)
    try:
        async with asyncio.timeout(SNAPSHOT_DEADLINE_S):
            while len(seen) < 2:
                await asyncio.sleep(POLL_S)
                found = await asyncio.to_thread(_newest_snapshot, folder)
                if found > newest:
                    seen.add(found)
                    newest = found
    except TimeoutError as exc:
        raise Retriable(f"the broker makes no snapshot in {folder}") from exc


def _newest_snapshot(folder: Path) -> str:
    return max((one.name for one in files.entries(folder) if one.name.endswith(".checkpoint")), default="")
