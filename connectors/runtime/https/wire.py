"""One request to HQ over HTTPS and its answer, which is bounded before it is read; what is in the way of it, in words.

Nothing here is signed, and nothing is believed: redirects are not followed, cookies not kept, nothing is unpacked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx2

from connectors.runtime.https.faults import HttpsAway, HttpsHungUp, explain
from connectors.runtime.https.proxy import Chosen, choose_proxy
from connectors.runtime.https.trust_store import system_context
from connectors.runtime.settings import Https
from hub.base.clients import close
from hub.base.silence import silence_options
from hub.base.tls import tidy
from hub.protocol.errors import Malformed
from schemas.words.said import Said, said

CONNECT_S: Final = 5.0
REACH_S: Final = 10.0  # to be where a request can be sent: TCP, a proxy's tunnel, TLS
NEWS_S: Final = 6.0  # after the time for which HQ holds an answer back, or the last bytes of it
HELD_S: Final = 25.0  # for so long HQ holds one back at most; so much longer an answer with news may take
ANSWER_BYTES_MAX: Final = 16 << 20
CONNECTIONS_MAX: Final = 16
SILENT_S: Final = 1.0
IDLE_S: Final = 45.0  # a connection that was not used for so long is closed here, before HQ or somebody on the way does
_IDENTITY: Final = ("", "identity")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, by whomever. Shapes: fields go by name in small letters."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """The media type, without its parameters."""
        return self.fields.get("content-type", "").partition(";")[0].strip().lower()


class _Pool:
    """Connections to HQ; once one of them has gone silent no other is trusted any more, and new ones are made."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self.transport = transport
        self.waits: set[asyncio.Timeout] = set()  # of the requests under way
        self.is_over = False

    async def close(self) -> None:
        """Close its connections, one after another. Broken off, it leaves the others open, and nobody has them."""
        with contextlib.suppress(httpx2.TransportError, OSError):
            await self.transport.aclose()


class Wire:
    """Asks one address. `open` it for each client that uses it, and `close` it as often.

    Shapes: `transport` takes the place of real connections, in tests.
    """

    def __init__(
        self,
        https: Https,
        timeout_s: float,
        transport: httpx2.AsyncBaseTransport | None = None,
        reach_s: float = REACH_S,
    ) -> None:
        assert https.address is not None
        self.address = https.address
        self._https = https
        self._timeout_s = timeout_s
        self._reach_s = reach_s
        self._transport = transport
        self._proxy = Chosen()
        self._pool: _Pool | None = None
        self._users = 0

    @property
    def proxy(self) -> str:
        """The proxy's host and port, '' for none."""
        return self._proxy.shown

    def open(self) -> None:
        """Note one more user."""
        self._users += 1

    async def close(self) -> None:
        """Note one user less; the last one closes the connections."""
        self._users -= 1
        if not self._users and self._pool is not None:
            await self._end(self._pool)

    async def ask(
        self,
        method: str,
        target: str,
        fields: Mapping[str, str],
        body: bytes = b"",
        wait_s: float = 0.0,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        """Return what is answered. Who asks for news, which HQ holds back for `wait_s`, hears soon if HQ is silent.

        A change is given its whole time: HQ may be waiting for its broker. That a proxy's connection to HQ is dead, no
        sign of TCP's tells here, and the request for news alone finds it out.
        Errors: HttpsAway, HttpsHungUp.
        """
        deadline_s = self._timeout_s + (max(wait_s, HELD_S) if wait_s else 0.0)
        limits = dict.fromkeys(("write", "pool"), self._timeout_s)
        limits |= {"connect": min(CONNECT_S, self._timeout_s)}
        limits |= {"read": wait_s + min(NEWS_S, self._timeout_s) if wait_s else deadline_s}
        pool = self._pool
        if pool is None:
            pool = self._pool = self._make()
        began_s = time.monotonic()
        wait = asyncio.timeout(deadline_s if pool.transport is self._transport else min(self._reach_s, deadline_s))

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            is_sent = event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT"
            if is_sent and not pool.is_over:
                wait.reschedule(asyncio.get_running_loop().time() + deadline_s)

        request = httpx2.Request(
            method,
            self.address + target,
            headers={**fields, "accept-encoding": "identity", "user-agent": "cohub"},
            content=body,
            extensions={"timeout": limits, "trace": trace},
        )
        try:
            async with wait:
                pool.waits.add(wait)
                return await self._asked(pool, request, bytes_max)
        except (TimeoutError, httpx2.TransportError) as exc:
            text = said("way.hung_up") if pool.is_over else explain(exc, self.proxy, self._https.ca_file)
            if text.name == "way.hung_up":
                raise HttpsHungUp(self._at(text)) from exc
            pool.is_over = True
            raise HttpsAway(self._at(text)) from exc
        except asyncio.CancelledError:
            # Whoever asked has given up: on what does not wait for news, because nothing came for long.
            pool.is_over = pool.is_over or (not wait_s and time.monotonic() - began_s >= SILENT_S)
            raise
        finally:
            pool.waits.discard(wait)
            if pool.is_over:
                await self._leave(pool)

    def read(self, read: Callable[[bytes], T], answer: Answer) -> T:
        """Return what an answer says, by its reader. Errors: HttpsAway for what HQ would not have answered."""
        try:
            return read(answer.body)
        except Malformed as exc:
            raise self.strange(str(exc)) from exc

    def strange(self, detail: str) -> HttpsAway:
        """Return the error for an answer that is not HQ's."""
        return HttpsAway(self._at(said("way.strange_answer", detail=detail)))

    def _at(self, text: Said) -> Said:
        return said("way.at", address=self.address, reason=text)

    async def _asked(self, pool: _Pool, request: httpx2.Request, bytes_max: int) -> Answer:
        response = await pool.transport.handle_async_request(request)
        try:
            fields = {name.lower(): value for name, value in response.headers.items()}
            if fields.get("content-encoding", "") not in _IDENTITY:
                raise self.strange(f"{response.status_code}, packed as {fields['content-encoding'][:40]}")
            body = bytearray()
            async for part in response.aiter_raw():
                body += part
                if len(body) > bytes_max:
                    raise self.strange(f"{response.status_code}, more than {bytes_max} bytes")
            return Answer(response.status_code, fields, bytes(body))
        finally:
            await response.aclose()

    def _make(self) -> _Pool:
        if self._transport is not None:
            return _Pool(self._transport)
        self._proxy = choose_proxy(self._https)
        return _Pool(
            httpx2.AsyncHTTPTransport(
                verify=self._context(),
                trust_env=False,
                proxy=self._proxy.made(),
                limits=httpx2.Limits(
                    max_connections=CONNECTIONS_MAX,
                    max_keepalive_connections=CONNECTIONS_MAX,
                    keepalive_expiry=IDLE_S,
                ),
                socket_options=_socket_options(),
            )
        )

    def _context(self) -> ssl.SSLContext:
        """Return what TLS is made with; made anew with each pool, so that a file that was replaced counts.

        SSL_CERT_FILE counts beside `ca_file`: of two on the way, HQ and a proxy that opens TLS, each may have its own.
        """
        given, more = self._https.ca_file, os.environ.get("SSL_CERT_FILE")
        if given is None:
            return system_context()
        with _naming("https.ca_file", given):
            context = tidy(ssl.create_default_context(cafile=str(given)))
        if more:
            with _naming("SSL_CERT_FILE", more):
                context.load_verify_locations(cafile=more)
        return context

    async def _leave(self, pool: _Pool) -> None:
        """Use a pool no more: whoever waits on it hears so, and asks by a new one; the last of them closes it."""
        if self._pool is pool:
            self._pool = None
        now_s = asyncio.get_running_loop().time()
        for wait in pool.waits:
            if not wait.expired():
                wait.reschedule(now_s)
        if not pool.waits:
            await self._end(pool)

    async def _end(self, pool: _Pool) -> None:
        if self._pool is pool:
            self._pool = None
        if pool.transport is not self._transport:
            await close(pool)  # to the end, also where whoever asked has given up


@contextlib.contextmanager
def _naming(setting: str, file: object) -> Iterator[None]:
    """Turn what reading a file of certificates raises into one line that names the setting."""
    try:
        yield
    except OSError as exc:  # ssl.SSLError is one too
        values = {"setting": setting, "file": file, "expected": said("errors.expected_authority")}
        raise HttpsAway(said("errors.file_unfit", **values, detail=exc.strerror or exc)) from exc


def _socket_options() -> list[tuple[int, int, int]]:
    return [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *silence_options()]
