"""What systemd is told of a process that it supervises: that it is ready, and as often as it asks, that it lives.

Its own event loop tells: where that stands still nothing is told, and systemd starts the process again. Without systemd
none of it is done. It is a datagram to a socket that the environment names, and no library is needed for it.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

NOTIFY: Final = "NOTIFY_SOCKET"
WATCHDOG: Final = "WATCHDOG_USEC"
WATCHED: Final = "WATCHDOG_PID"
PARTS: Final = 3  # of the time that systemd gives: two may be late


@dataclass(slots=True)
class Supervisor:
    """Who supervises this process; nobody, where `address` is None. Units: `every_s` is in seconds, None: not asked."""

    address: str | None = None
    every_s: float | None = None
    _is_told: bool = field(default=False, init=False)

    @classmethod
    def take(cls, environment: MutableMapping[str, str]) -> Supervisor:
        """Return the supervisor that this environment names, and take it out: it is no other process's."""
        address, time_us, pid = (environment.pop(name, None) for name in (NOTIFY, WATCHDOG, WATCHED))
        if not address or address[0] not in "/@":
            return cls()
        is_asked = time_us is not None and time_us.isdecimal() and int(time_us) > 0 and pid in (None, str(os.getpid()))
        return cls(address, int(time_us) / PARTS / 1e6 if is_asked and time_us else None)

    def ready(self) -> None:
        """Say that the process is ready, and from now on, by the running event loop, that it lives. Idempotent."""
        if self._is_told or self.address is None:
            return
        self._is_told = True
        self._tell("READY=1")
        if self.every_s is not None:
            self._beat(asyncio.get_running_loop(), self.every_s)

    def stopping(self) -> None:
        """Say that it is about to end, which takes its time."""
        self._tell("STOPPING=1")

    def _beat(self, loop: asyncio.AbstractEventLoop, every_s: float) -> None:
        self._tell("WATCHDOG=1")
        loop.call_later(every_s, self._beat, loop, every_s)

    def _tell(self, said: str) -> None:
        if self.address is None:
            return
        place = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        # A supervisor that hears nothing does what it does then; the process itself is none the worse for it.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.setblocking(False)
            to.sendto(said.encode(), place)
