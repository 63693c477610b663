"""A terminal of a width, as a person has it: what a command shows there, line by line; and a command in our process."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

_CODES = re.compile(r"\x1b\[[0-9;]*m")


def here(run: Callable[[list[str]], int], arguments: list[str], typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of ours in this process, with what is typed: a process of its own takes a second to start."""
    said, told = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(told):
        patch.setattr(sys, "stdin", StringIO(typed))
        status = run(arguments)
    return subprocess.CompletedProcess(arguments, status, said.getvalue(), told.getvalue())


def at_terminal(
    command: str, folder: Path, environment: Mapping[str, str], answers: Mapping[str, str], deadline_s: float = 120.0
) -> str:
    """Return what a command shows at a terminal, where a person answers what it asks.

    Shapes: answers are by the end of what is asked. Errors: AssertionError where it does not end well.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-euc", command], cwd=folder, env=dict(environment), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown, answered, ends = "", 0, time.monotonic() + deadline_s
    try:
        while time.monotonic() < ends:
            if not select.select([ours], [], [], 1.0)[0]:
                continue
            try:
                read = os.read(ours, 65536)
            except OSError:  # the other end was closed
                break
            shown += _CODES.sub("", read.decode("utf-8", "replace"))
            for asked, answer in answers.items():
                if shown.endswith(asked) and len(shown) > answered:
                    answered = len(shown) + len(answer) + 1  # what is typed is shown, too
                    os.write(ours, f"{answer}\n".encode())
        assert process.wait(max(1.0, ends - time.monotonic())) == 0, shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown


def lines_at(width: int, command: list[str]) -> list[str]:
    """Return what a command shows on a terminal of so many columns, without colours and without outer spaces."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    environment |= {"PYTHONUTF8": "1", "TERM": "xterm"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            read = os.read(ours, 65536)
        except OSError:  # the other end was closed: that is how Linux says that it is all
            break
        if not read:
            break
        shown += read
    os.close(ours)
    process.wait(timeout=60)
    return [_CODES.sub("", line).rstrip() for line in shown.decode("utf-8", "replace").splitlines()]
