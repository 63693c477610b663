"""HQ's real app over a broker in memory, and clients of it without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from connectors.runtime.https.clients import HttpsClients
from connectors.runtime.https.session import Session
from connectors.runtime.https.wire import Wire
from connectors.runtime.settings import Https
from hub.protocol.keys import Signer
from tests.support.web_hq import ADDRESS, WebHq

HUB, CENTER = "hub.example", "uz"
SEAL = Signer(f"{HUB}/{CENTER}", b"k" * 32)


@pytest.fixture
async def hq() -> AsyncIterator[WebHq]:
    """Yield HQ's app, which knows one center."""
    made = WebHq(HUB, CENTER, SEAL)
    yield made
    await made.close()


class Heard(httpx2.AsyncBaseTransport):
    """The app without a network. `fails` has what becomes of the next requests: see `lose`."""

    def __init__(self, hq: WebHq) -> None:
        self._hq = hq
        self.requests: list[httpx2.Request] = []
        self.fails: list[tuple[str, Exception]] = []

    def lose(self, exc: Exception, *, heard: bool) -> None:
        """Have the next request fail: HQ has heard it, or has not."""
        self.fails.append(("heard" if heard else "lost", exc))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        how, exc = self.fails.pop(0) if self.fails else ("", None)
        if how != "lost":
            answer = await self._answered(request)
        if exc is not None:
            raise exc
        return answer

    async def _answered(self, request: httpx2.Request) -> httpx2.Response:
        """Have the app answer in a task of its own, as over a network: who gives up here does not cancel HQ's work."""
        answering = asyncio.ensure_future(httpx2.ASGITransport(self._hq.app).handle_async_request(request))
        try:
            return await asyncio.shield(answering)
        except asyncio.CancelledError:
            answering.cancel()  # it is told that nobody listens any more
            answering.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    def paths(self) -> list[str]:
        return [request.url.path for request in self.requests]


@pytest.fixture
def heard(hq: WebHq) -> Heard:
    return Heard(hq)


@pytest.fixture
def session(heard: Heard) -> Session:
    return Session(Wire(Https(address=ADDRESS), 5.0, heard), HUB, CENTER, lambda: SEAL)


@pytest.fixture
def clients(session: Session) -> HttpsClients:
    return HttpsClients(session)
