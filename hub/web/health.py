"""What a supervisor asks: whether the process lives, whether it can serve, and its measures."""

from __future__ import annotations

import ipaddress

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.protocol.problem import Problem, ProblemCode
from hub.web.answers import HEADERS, answer
from hub.web.desk import Desk


def health_routes(desk: Desk) -> list[Route]:
    """Return the routes `/livez`, `/readyz` and `/metrics`; the last is for the networks that the desk names."""

    async def live(_: Request) -> Response:
        return answer({"status": "alive"})

    async def ready(_: Request) -> Response:
        if desk.stopping.is_set():
            raise Problem(ProblemCode.STOPPING, "HQ stops")
        if not desk.registered.is_fresh:
            raise Problem(ProblemCode.AWAY, "HQ's ledger can't be read at this moment")
        return answer({"status": "ready", "basis": desk.registered.basis})

    async def metrics(request: Request) -> Response:
        if not _may_measure(desk, request):
            raise Problem(ProblemCode.NOT_FOUND, "there is no such path")
        desk.metrics.waiting.set(desk.readers.waiting)
        desk.metrics.sessions.set(len(desk.sessions))
        desk.metrics.basis.set(desk.registered.basis)
        return Response(desk.metrics.text(), headers=HEADERS, media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/livez", live, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


def _may_measure(desk: Desk, request: Request) -> bool:
    try:
        client = ipaddress.ip_address(request.client.host if request.client is not None else "")
    except ValueError:
        return False
    return any(client in network for network in desk.metrics_for if network.version == client.version)
