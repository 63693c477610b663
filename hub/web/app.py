"""The one app factory: every route of HQ's over HTTPS is on an app that is made here, and under its limits.

What an app promises of any request: its header fields are within their limit before anything looks at them, its path
is written in the one form that it has, it ends in a time, and whatever is wrong is answered in RFC 9457's form. Whoever
asks too much is told so a while later. What it logs has neither fields nor bodies nor queries.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from hub.protocol.errors import CohubError
from hub.protocol.limits import REQUEST_FIELDS_BYTES_MAX, REQUEST_FIELDS_MAX
from hub.protocol.problem import Problem, ProblemCode
from hub.web.answers import problem_of, refusal
from hub.web.desk import Desk
from hub.web.health import health_routes
from hub.web.reception import hear, who
from hub.web.routes import CenterRoutes

METHODS: Final = frozenset({"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"})
STOPPING_S: Final = 2
PATH: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:@/-]*")
QUIET: Final = frozenset({"/livez", "/readyz", "/metrics"})

log = structlog.get_logger(__name__)


def create_app(desk: Desk, more: Sequence[BaseRoute] = ()) -> Guarded:
    """Return the app of a desk; `more` are routes that are mounted on it, under the same limits."""
    routes = [*health_routes(desk), *CenterRoutes(desk).routes(), *more]
    refuse = partial(_refuse, desk=desk)
    handlers: Any = {CohubError: refuse, HTTPException: refuse, Exception: refuse}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False  # a path is signed as it is
    return Guarded(app, desk)


async def _refuse(request: Request, exc: Exception, desk: Desk) -> Response:
    """Answer what is refused, or went wrong."""
    problem = problem_of(exc)
    if problem.code is ProblemCode.TOO_MUCH:
        await desk.hold()
    if problem.code is ProblemCode.FAULT:
        log.error("request_failed", route=_route(request.scope), exc_info=exc)
    request.state.code = str(problem.code)
    return refusal(problem, closes=request.method == "POST")


class Guarded:
    """An app under limits, whose requests are measured and logged."""

    def __init__(self, app: Starlette, desk: Desk) -> None:
        self.routes = app.routes
        self._app = app
        self._desk = desk
        self._request_s = desk.request_s
        self._metrics = desk.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        began, answered = time.perf_counter(), _Answered(send)
        scope.setdefault("state", {})
        try:
            async with asyncio.timeout(self._request_s):
                _check_fields(scope)
                _check_path(scope)
                hear(Request(scope), self._desk)
                await self._app(scope, receive, answered)
        except TimeoutError:
            await self._say(Problem(ProblemCode.TOO_SLOW, "the request took too long"), scope, receive, answered)
        except Problem as exc:
            await self._say(exc, scope, receive, answered)
        except asyncio.CancelledError:
            # The process ends, and has waited for this request long enough.
            if answered.is_whole or not self._desk.stopping.is_set():
                raise
            await self._say(
                Problem(ProblemCode.STOPPING, "HQ stops", retry_after_s=STOPPING_S), scope, receive, answered
            )
        except Exception:
            # The app has answered and logged it, and raises it once more for whoever serves it.
            if not answered.is_whole:
                raise
        finally:
            if "entered" in scope["state"]:
                self._desk.leave(scope["state"]["entered"])
            else:
                self._desk.strangers.take(scope["state"].get("whose") or who(Request(scope)))
            self._measure(scope, answered, time.perf_counter() - began)

    async def _say(self, problem: Problem, scope: Scope, receive: Receive, answered: _Answered) -> None:
        scope["state"]["code"] = str(problem.code)
        if problem.code is ProblemCode.TOO_MUCH:
            await self._desk.hold()
        if answered.status:  # a part of another answer is out: the connection is closed, and that is told by it
            raise problem
        async with asyncio.timeout(self._request_s):
            await refusal(problem, closes=True)(scope, receive, answered)

    def _measure(self, scope: Scope, answered: _Answered, seconds: float) -> None:
        route, code = _route(scope), scope["state"].get("code", "")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(route, method, str(answered.status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if code:
            self._metrics.problems.labels(code).inc()
        if route not in QUIET:
            log.info(
                "request",
                method=method,
                route=route,
                status=answered.status,
                problem=code or None,
                center=scope["state"].get("center"),
                ms=round(seconds * 1000, 1),
                bytes_out=answered.size,
            )


class _Answered:
    """Passes an answer on, and remembers what of it has gone out."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.size = 0
        self.is_whole = False

    async def __call__(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.size += len(message.get("body", b""))
        await self._send(message)
        self.is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)


def _check_fields(scope: Scope) -> None:
    fields = scope["headers"]
    size = sum(len(name) + len(value) for name, value in fields)
    if len(fields) > REQUEST_FIELDS_MAX or size > REQUEST_FIELDS_BYTES_MAX:
        raise Problem(
            ProblemCode.FIELDS, f"expected at most {REQUEST_FIELDS_MAX} fields, and {REQUEST_FIELDS_BYTES_MAX} bytes"
        )


def _check_path(scope: Scope) -> None:
    # Two spellings of one path are two readings for whoever stands in between: what is percent-encoded is not there.
    if not PATH.fullmatch(scope["raw_path"]):
        raise Problem(ProblemCode.NOT_FOUND, "there is no such path")


def _route(scope: Scope) -> str:
    """Return a route's pattern, in which nothing stands that the client has chosen."""
    route = scope.get("route")
    return getattr(route, "path", "-")
