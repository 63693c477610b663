"""Which port the broker listens on, and whether it is free."""

from __future__ import annotations

import random
import socket
import sys
from contextlib import closing

from hub.protocol.errors import Fatal, UsageError

LOOPBACK = "127.0.0.1"
# Below every system's range for outgoing connections (Linux begins at 32768, macOS and Windows at 49152). From inside
# it, any program could hold the port while the broker is down; even a client that retries can be connected to itself.
CHOICE = range(20_000, 30_000)
CHOICES_MAX = 200


def checked(port: int) -> int:
    """Return the port if a user's program may listen there. Errors: UsageError if not."""
    if not 1024 <= port <= 65_535:
        raise UsageError(f"port {port} can't be used: expected a number from 1024 to 65535")
    return port


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server could listen on this port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        if sys.platform == "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: TIME_WAIT is no hindrance
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def choose_port() -> int:
    """Return a port that is free now. Another process may still take it first: the caller tries again."""
    for port in random.sample(CHOICE, CHOICES_MAX):
        if is_free(port):
            return port
    raise Fatal(f"none of {CHOICES_MAX} ports tried in {CHOICE.start}-{CHOICE.stop - 1} is free; give a port")


def taken(port: int, host: str = LOOPBACK) -> UsageError:
    """Return the error for a port that somebody else has, or an address that is not this machine's."""
    return UsageError(
        f"port {port} on {host} is taken by another program; stop that program, or give the broker another port "
        "(clients need the new address then)"
    )
