"""How long a connection may be silent: TCP's own signs of life, so that a line that was healed is used soon.

A line that swallows what is sent tells nobody, and neither does a firewall that has forgotten a connection. TCP by
itself waits a quarter of an hour for what is not acknowledged, ever more seldom asking, and for ever where it only
waits. An answer may be late for good reasons, so a client gives a request its time; the other end's system, however,
acknowledges at once whatever comes, also while its program sleeps: where it does not, the connection is over. So it is
where the other end's program has read nothing for as long and its system has no room for more: what was held back there
goes out again by another connection.
"""

from __future__ import annotations

import socket
from typing import Any, Final

SILENT_S: Final = 8.0  # a line of 600 ms that loses each twentieth packet is silent for so long once in a great while

# By the names that some system has for them. Where nothing is under way it asks after 4 s, and then each 2 s.
_SIGNS: Final = {
    "TCP_KEEPIDLE": 4,
    "TCP_KEEPALIVE": 4,  # macOS's name for the same
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": int(SILENT_S * 1000),  # Linux: for what was sent, and is not acknowledged
}


def silence_options() -> list[tuple[int, int, int]]:
    """Return what a socket is to be set to, as `setsockopt` takes it; what this system does not have is left away."""
    known = {getattr(socket, name): value for name, value in _SIGNS.items() if hasattr(socket, name)}
    given = [(socket.IPPROTO_TCP, number, value) for number, value in known.items()]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *given]


def bear_no_silence(sock: Any) -> None:
    """Have a connected or a listening socket end what is silent; what is accepted by a listening one inherits it."""
    for option in silence_options():
        sock.setsockopt(*option)
