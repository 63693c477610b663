"""A broker of one node in a thread of its own, which knows no topics and answers what a client asks as it begins.

It may be one that never says good-bye on TLS, as one that is overloaded does not for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.metadata import MetadataResponse_v5

from tests.support.listeners import tls

API_VERSIONS, METADATA = 18, 3


@contextmanager
def broker_listening(certificate: Path, *, says_goodbye: bool = True, is_silent: bool = False) -> Iterator[int]:
    """Yield the port of the broker; `is_silent`: it takes connections, and answers nothing."""
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    held: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(accepted: socket.socket) -> None:
        context = tls(certificate)
        assert context is not None
        with contextlib.suppress(OSError, ssl.SSLError):
            secured = context.wrap_socket(accepted, server_side=True)
            held.append(secured)
            while not is_silent and (size := secured.recv(4)):
                answer = _answered(_whole(secured, *struct.unpack(">i", size)), port)
                if answer is None:
                    break
                secured.sendall(answer)
            if is_silent:
                while secured.recv(4096):
                    pass
            if says_goodbye:
                secured.close()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = server.accept()
                held.append(accepted)
                threads.append(threading.Thread(target=serve, args=(accepted,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield port
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        accepting.join()
        for one in held:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for one in held:
            one.close()


def _whole(secured: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (piece := secured.recv(size - len(found))):
        found += piece
    return found


def _answered(request: bytes, port: int) -> bytes | None:
    """Return the answer to a request; None for one that this broker hangs up at."""
    kind, _, correlation = struct.unpack(">hhi", request[:8])
    if kind == API_VERSIONS:
        body = ApiVersionResponse_v0(error_code=0, api_versions=[(API_VERSIONS, 0, 0), (METADATA, 5, 5)]).encode()
    elif kind != METADATA:
        return None
    else:
        body = MetadataResponse_v5(
            throttle_time_ms=0,
            brokers=[(1, "127.0.0.1", port, None)],
            cluster_id="listener",
            controller_id=1,
            topics=[],
        ).encode()
    header: bytes = struct.pack(">ii", 4 + len(body), correlation)
    return header + bytes(body)


def opened_to(port: int) -> list[str]:
    """Return the sockets of this process that are open to a port."""
    found = []
    for one in gc.get_objects():
        if isinstance(one, socket.socket) and one.fileno() >= 0 and one.family == socket.AF_INET:
            with contextlib.suppress(OSError):
                if one.getpeername()[1] == port:
                    found.append(repr(one))
    return found


async def nothing_is_open(port: int) -> None:
    """A turn or two of the event loop is all that a closed socket needs: nobody else is waited for."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert opened_to(port) == []
