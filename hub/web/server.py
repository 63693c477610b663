"""uvicorn with the patience that strangers deserve: limits on connections, handshakes and header fields, our own stop.

uvicorn waits for the header fields of a request for as long as its client likes, and lets in as many as come. There is
a time for the fields here, and a door before it (hub/web/door.py); whatever it takes for no HTTP is answered in RFC
9457's form, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final

import h11
import orjson
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from hub.protocol.limits import REQUEST_FIELDS_BYTES_MAX
from hub.protocol.problem import MEDIA_TYPE, Problem, ProblemCode
from hub.web.door import Connections, Door, Seat

CLOSE_S: Final = 5.0  # of TLS, by a client that does not answer
FIELDS_S: Final = 10.0  # from the connection, or from the first byte of a request, to the end of its header fields
KEEP_ALIVE_S: Final = 60
GRACE_S: Final = 5  # for requests under way when the process is to end


class Protocol(H11Protocol):
    """One connection, whose client has so long for the header fields of a request."""

    def __init__(self, *, seat: Seat, fields_s: float, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._seat = seat
        self._fields_s = fields_s
        self._fields_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection whose TLS is there, and wait for its first request."""
        super().connection_made(transport)
        self._wait_for_fields()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        self._seat.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and look whether a request has begun, or its header fields are there."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._fields_timer is None and self.timeout_keep_alive_task is None:
            self._wait_for_fields()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and close."""
        body = orjson.dumps(Problem(ProblemCode.BAD_REQUEST, msg).document())
        fields = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        with contextlib.suppress(h11.LocalProtocolError):  # in the middle of another answer
            said = (h11.Response(status_code=400, headers=fields), h11.Data(data=body), h11.EndOfMessage())
            self.transport.write(b"".join(self.conn.send(event) or b"" for event in said))
        self.transport.close()

    def _wait_for_fields(self) -> None:
        self._fields_timer = self.loop.call_later(self._fields_s, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._fields_timer is not None:
            self._fields_timer.cancel()
            self._fields_timer = None


class Server(uvicorn.Server):
    """Serves an app over TLS; `should_exit` asks it to stop. Signals are for whoever runs it.

    Shapes: `ready` is told the port when it listens.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        context: ssl.SSLContext,
        *,
        connections: Connections | None = None,
        fields_s: float = FIELDS_S,
        grace_s: int = GRACE_S,
        close_s: float = CLOSE_S,
        ready: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host,
                port,
                http=H11Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=grace_s,
                h11_max_incomplete_event_size=2 * REQUEST_FIELDS_BYTES_MAX,
            )
        )
        self._context = context
        self._connections = connections or Connections()
        self._fields_s = fields_s
        self._close_s = close_s
        self._ready = ready
        self._door: Door | None = None

    @property
    def ports(self) -> list[int]:
        """The ports that it listens on, once it has started."""
        return [] if self._door is None else [each.getsockname()[1] for each in self._door.sockets]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. Errors: OSError where the address is taken, or is not of this machine."""
        assert sockets is None
        config, loop = self.config, asyncio.get_running_loop()

        def protocol(seat: Seat) -> asyncio.Protocol:
            return Protocol(
                seat=seat,
                fields_s=self._fields_s,
                config=config,
                server_state=self.server_state,
                app_state={},
                _loop=loop,
            )

        door = Door(self._connections, self._context, protocol, self._close_s)
        await door.listen(config.host, config.port)
        self._door = door
        self.servers = [door]  # type: ignore[list-item]  # what uvicorn asks of one, it has
        self.started = True
        self._ready(self.ports[0])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
