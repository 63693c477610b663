"""Start one program that must not outlive us. Run as a script: `launcher.py MODE PARENT_PID PROGRAM ARGUMENT...`.

Mode `bind` (Linux) asks the kernel to kill this process when the thread that started it is gone, then becomes the
program: no process more, and the program's pid and exit status are the ones that the parent sees.
Mode `watch` (everywhere else) stays as the program's parent and ends it when its own standard input ends, which the
kernel closes however the parent dies; the parent stops the program by closing that pipe.
This file imports nothing of ours, so that it starts in some 10 ms.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1
SIGKILL = 9
GRACE_S = 10.0


def bind(parent_pid: int, command: list[str]) -> None:
    """Tie this process's life to its parent's, then become the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:
        sys.exit(1)  # The parent died before the tie was made; nobody waits for us.
    os.execv(command[0], command)  # noqa: S606


def watch(command: list[str]) -> int:
    """Run the command until it ends or our standard input does; return its exit status."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end_with_input() -> None:
        while os.read(0, 4096):
            pass
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()

    threading.Thread(target=end_with_input, daemon=True).start()
    return process.wait()


if __name__ == "__main__":
    if sys.argv[1] == "bind":
        bind(int(sys.argv[2]), sys.argv[3:])
    status = watch(sys.argv[3:])
    sys.exit(status if status >= 0 else 128 - status)
