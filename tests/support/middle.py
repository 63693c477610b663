"""The middle of a network: carries every packet between hosts, and is as bad as a test wants.

It stands in the place of a kernel's queueing rules, which not every machine has: each host has one TUN device, whose
other end is here, and what goes in at one comes out at another late, now and then not at all, or never again.
"""

from __future__ import annotations

import fcntl
import heapq
import itertools
import os
import selectors
import struct
import threading
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random
from typing import Final

TUNSETIFF: Final = 0x400454CA
TUN_WITHOUT_HEADER: Final = 0x1001
PACKET_BYTES_MAX: Final = 65_535
BURST: Final = 64
LOOK_S: Final = 0.2  # so soon the thread sees that it is to end
TCP: Final = 6
SYN: Final = 0x02

Flow = tuple[bytes, bytes, bytes]


@dataclass
class Line:
    """One host's line, up from it and down to it. A line that swallows tells nobody."""

    delay_s: float = 0.0
    loss: float = 0.0
    swallows_up: bool = False
    swallows_down: bool = False

    def heal(self) -> None:
        """Be a good line again."""
        self.delay_s, self.loss, self.swallows_up, self.swallows_down = 0.0, 0.0, False, False


def open_tun(name: str) -> int:
    """Return the end here of a new TUN device, which is gone when this is closed. Errors: OSError."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), TUN_WITHOUT_HEADER))
    except OSError:
        os.close(end)
        raise
    return end


class Middle:
    """Carries packets by a thread of its own, from `start` to `close`. Tests change its lines while it works.

    Shapes: `apart` has pairs of addresses between which nothing goes, either way. A connection is carried once its
            beginning was seen here: after `forget`, as after the restart of a firewall that keeps state, what belongs
            to older ones is dropped, and nobody is told.
    """

    def __init__(self, seed: int = 0) -> None:
        self.lines: dict[bytes, Line] = {}
        self.apart: set[frozenset[IPv4Address]] = set()
        self.carried = 0
        self._ends: dict[bytes, int] = {}
        self._flows: set[Flow] = set()
        self._rng = Random(seed)
        self._due: list[tuple[float, int, int, bytes]] = []
        self._numbers = itertools.count()
        self._is_over = False
        self._thread = threading.Thread(target=self._work, name="middle", daemon=True)

    def add(self, address: IPv4Address, end: int) -> Line:
        """Carry packets for a host whose device ends here; return its line."""
        line = self.lines[address.packed] = Line()
        self._ends[address.packed] = end
        return line

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def forget(self) -> None:
        """Know no connection any more."""
        self._flows = set()

    def close(self) -> None:
        """End, and take every device away."""
        self._is_over = True
        if self._thread.is_alive():
            self._thread.join()
        for end in self._ends.values():
            os.close(end)
        self._ends.clear()

    def _work(self) -> None:
        with selectors.DefaultSelector() as selector:
            for end in self._ends.values():
                selector.register(end, selectors.EVENT_READ)
            while not self._is_over:
                wait_s = self._due[0][0] - time.monotonic() if self._due else LOOK_S
                for key, _ in selector.select(min(max(0.0, wait_s), LOOK_S)):
                    self._take(key.fd)
                while self._due and self._due[0][0] <= time.monotonic():
                    *_, end, packet = heapq.heappop(self._due)
                    self._give(end, packet)

    def _take(self, end: int) -> None:
        for _ in range(BURST):
            try:
                packet = os.read(end, PACKET_BYTES_MAX)
            except OSError:  # nothing more, or its interface is down
                return
            self._carry(packet)

    def _carry(self, packet: bytes) -> None:
        if packet[0] >> 4 != 4:
            return  # what a kernel says of itself by IPv6
        source, target = packet[12:16], packet[16:20]
        up, down, end = self.lines.get(source), self.lines.get(target), self._ends.get(target)
        if up is None or down is None or end is None:
            return
        if up.swallows_up or down.swallows_down or frozenset(map(IPv4Address, (source, target))) in self.apart:
            return
        if not self._is_known(packet, source, target) or self._rng.random() < up.loss + down.loss:
            return
        self.carried += 1
        delay_s = up.delay_s + down.delay_s
        if delay_s:
            heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._numbers), end, packet))
        else:
            self._give(end, packet)

    def _is_known(self, packet: bytes, source: bytes, target: bytes) -> bool:
        """Whether a packet is of a connection that began here."""
        if packet[9] != TCP:
            return True
        head = (packet[0] & 0x0F) * 4
        ports = packet[head : head + 4]
        there, back = (source, target, ports), (target, source, ports[2:] + ports[:2])
        if packet[head + 13] & SYN:
            self._flows |= {there, back}
        return there in self._flows

    def _give(self, end: int, packet: bytes) -> None:
        try:
            os.write(end, packet)
        except OSError:
            return  # its interface is down
