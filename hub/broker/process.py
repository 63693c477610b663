"""The broker's process: started so that it can't outlive us, ended within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from hub.broker import launcher

POLL_S = 0.02
CREATE_NEW_PROCESS_GROUP = 0x200  # Windows

# These would change the JVM that we start, or its class path.
_FOREIGN_VARIABLES = ("CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JAVA_OPTIONS")
# These are for us alone, and may be passwords or hold one; the user's other processes can read what Java has of them.
_OURS = ("HUB_", "COHUB_", "AWS_")
_PROXIES = "_PROXY"


Process = subprocess.Popen[bytes]


def spawn(
    command: list[str],
    folder: Path,
    output: IO[bytes],
    mode: str = "bind" if sys.platform == "linux" else "watch",
    *,
    errors_only: bool = False,
    is_ours: bool = False,
) -> Process:
    """Start the command through the launcher; both its outputs go to the file, or the one for errors alone.

    Modes: see the launcher. A program that is not ours is told nothing of what our environment has for us.
    """
    environment = {name: value for name, value in os.environ.items() if is_ours or not _is_kept_back(name)}
    # A group of its own: Ctrl-C at the terminal is for us, and the broker stops last.
    own_group: dict[str, Any] = (
        {"creationflags": CREATE_NEW_PROCESS_GROUP} if sys.platform == "win32" else {"start_new_session": True}
    )
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(launcher.__file__), mode, str(os.getpid()), *command],
        stdin=subprocess.DEVNULL if mode == "bind" else subprocess.PIPE,
        stdout=subprocess.DEVNULL if errors_only else output,
        stderr=output,
        env=environment,
        umask=0o077 if sys.platform != "win32" else -1,  # what it writes is its owner's alone
        cwd=folder,  # a JVM that crashes writes its report where it stands
        **own_group,
    )


def _is_kept_back(variable: str) -> bool:
    return variable in _FOREIGN_VARIABLES or variable.startswith(_OURS) or variable.upper().endswith(_PROXIES)


async def exit_status(process: Process, deadline_s: float) -> int | None:
    """Return the exit status, or None if the process had to be killed: at the deadline, or because we are cancelled."""
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                # Polled, so that neither a loop nor a thread owns the child.
                while (status := process.poll()) is None:  # noqa: ASYNC110
                    await asyncio.sleep(POLL_S)
                return status
        return None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


async def end(process: Process, deadline_s: float) -> None:
    """End the process: politely, then at the deadline by force."""
    if process.poll() is None:
        if process.stdin is None:
            process.terminate()
        else:
            process.stdin.close()  # the launcher ends the broker when its input ends
    await exit_status(process, deadline_s)
