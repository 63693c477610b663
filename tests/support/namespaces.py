"""Hosts on one machine: each a network namespace with one line to the middle, in which a test starts processes.

Everything is taken away behind it: by the test itself, by a guard that outlives a test which was killed, and what even
that has left behind by the next one. Addresses are private, and reach nothing outside of the namespaces.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from tests.support.middle import Line, Middle, open_tun

PREFIX: Final = "cohub"
NETWORK: Final = IPv4Address("10.213.0.0")
DEVICE: Final = "line"
_numbers = itertools.count()

# Waits for the end of its input, which is the end of whoever started it, and takes everything away.
GUARD: Final = """
read _
for name in "$@"; do
  ip netns pids "$name" | xargs -r kill -9
  ip netns del "$name"
done
"""


def missing() -> str:
    """Return what keeps this machine from having namespaces, '' for nothing."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if shutil.which("ip") is None:
        return "`ip` (iproute2) is not installed"
    try:
        os.close(open_tun(f"{PREFIX}{os.getpid()}"))
    except OSError as exc:
        return f"no TUN device can be made: {exc.strerror}"
    name = f"{PREFIX}-{os.getpid()}-try"
    try:
        ip("netns", "add", name)
        ip("netns", "del", name)
    except subprocess.CalledProcessError as exc:
        return f"no namespace can be made: {exc.stderr.strip()}"
    return ""


def ip(*arguments: str) -> str:
    """Run `ip`; return what it prints. Errors: CalledProcessError."""
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Host:
    """A namespace and its line."""

    name: str
    space: str
    address: IPv4Address
    line: Line

    def command(self, environment: Mapping[str, str] | None = None) -> list[str]:
        """Return what a command begins with to run here, with these variables more."""
        given = [f"{name}={value}" for name, value in (environment or {}).items()]
        return [shutil.which("ip") or "ip", "netns", "exec", self.space, "env", *given]

    def cut(self) -> None:
        """Take the interface down: whoever sends from here is told at once that there is no route."""
        ip("-n", self.space, "link", "set", DEVICE, "down")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have every process of this machine stand still."""
        found = _pids(self.space)
        for pid in found:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in found:
                os.kill(pid, signal.SIGCONT)

    def heal(self) -> None:
        """Bring the interface up, and make the line a good one."""
        ip("-n", self.space, "link", "set", DEVICE, "up")
        self.line.heal()


@contextmanager
def hosts(*names: str) -> Iterator[tuple[Middle, dict[str, Host]]]:
    """Yield hosts that reach one another through a middle, by their names."""
    sweep()
    run = f"{PREFIX}-{os.getpid()}-{next(_numbers)}"
    spaces = [f"{run}-{name}" for name in names]
    guard = subprocess.Popen(
        ["sh", "-c", GUARD, "guard", *spaces],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us
    )
    assert guard.stdin is not None
    middle = Middle()
    try:
        each = enumerate(zip(names, spaces, strict=True))
        made = {name: _host(middle, name, space, number) for number, (name, space) in each}
        middle.start()
        yield middle, made
    finally:
        middle.close()
        guard.stdin.close()
        guard.wait()


def sweep() -> None:
    """Take away what earlier runs have left that were killed together with their guards."""
    for line in ip("netns", "list").splitlines():
        name = line.split()[0]
        prefix, _, rest = name.partition("-")
        pid = rest.partition("-")[0]
        if prefix == PREFIX and pid.isdigit() and not Path("/proc", pid).exists():
            _end(name)


def _host(middle: Middle, name: str, space: str, number: int) -> Host:
    address, device = NETWORK + 10 + number, f"{PREFIX[:2]}{os.getpid()}x{number}"
    ip("netns", "add", space)
    line = middle.add(address, open_tun(device))
    ip("link", "set", device, "netns", space, "name", DEVICE)
    ip("-n", space, "link", "set", "lo", "up")
    ip("-n", space, "addr", "add", f"{address}/24", "dev", DEVICE)
    ip("-n", space, "link", "set", DEVICE, "up")
    return Host(name, space, address, line)


def _end(space: str) -> None:
    for pid in _pids(space):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.CalledProcessError):
        ip("netns", "del", space)


def _pids(space: str) -> Sequence[int]:
    try:
        return [int(pid) for pid in ip("netns", "pids", space).split()]
    except subprocess.CalledProcessError:
        return []
