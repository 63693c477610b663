"""What goes out: JSON, and problems in RFC 9457's form for everything that is refused or went wrong."""

from __future__ import annotations

from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.protocol.errors import AgainstRules, Conflict, Malformed, NotFound, Retriable, UsageError
from hub.protocol.problem import MEDIA_TYPE, Problem, ProblemCode

JSON: Final = "application/json"
AWAY_S: Final = 2
PIECE_BYTES: Final = 65_536
# Nothing of an answer is for a cache, or to be taken for a page.
HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def answer(content: Any, status: int = 200) -> Response:
    """Return an answer in JSON."""
    return InPieces(orjson.dumps(content), status, HEADERS, JSON)


class InPieces(Response):
    """A response that is handed over as it is read: a client that does not read has a piece in a buffer, not all."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if len(self.body) <= PIECE_BYTES:
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = memoryview(self.body)
        for at in range(0, len(body), PIECE_BYTES):
            piece = bytes(body[at : at + PIECE_BYTES])
            await send({"type": "http.response.body", "body": piece, "more_body": at + PIECE_BYTES < len(body)})


def refusal(problem: Problem, *, closes: bool = False) -> Response:
    """Return a problem's answer. `closes` ends the connection: there may be a body on it that nobody reads."""
    headers = dict(HEADERS)
    if problem.retry_after_s is not None:
        headers["retry-after"] = str(problem.retry_after_s)
    if problem.kind.status == 401:
        headers["www-authenticate"] = "Signature"
    if problem.code is ProblemCode.METHOD and "allow" in problem.more:
        headers["allow"] = problem.more["allow"]
    if closes:
        headers["connection"] = "close"
    return Response(orjson.dumps(problem.document()), problem.kind.status, headers, MEDIA_TYPE)


def problem_of(exc: Exception) -> Problem:
    """Return what an error is to whoever asked, as the tree in hub/protocol/errors.py says."""
    if isinstance(exc, Problem):
        return exc
    match exc:
        case HTTPException():
            return _of_http(exc)
        case NotFound():
            return Problem(ProblemCode.NOT_FOUND, str(exc))
        case Conflict():
            return Problem(ProblemCode.CONFLICT, str(exc))
        case AgainstRules():
            return Problem(
                ProblemCode.AGAINST_RULES, str(exc), verdict=str(exc.code), field=exc.field, params=exc.params
            )
        case UsageError() | Malformed():
            return Problem(ProblemCode.BAD_REQUEST, str(exc))
        case Retriable():
            return Problem(ProblemCode.AWAY, "HQ's broker or ledger is away", retry_after_s=AWAY_S)
        case _:
            return Problem(ProblemCode.FAULT, "HQ's log says more")


def _of_http(exc: HTTPException) -> Problem:
    if exc.status_code == 405:
        return Problem(
            ProblemCode.METHOD, "another method is expected here", allow=(exc.headers or {}).get("Allow", "")
        )
    if exc.status_code == 404:
        return Problem(ProblemCode.NOT_FOUND, "there is no such path")
    return Problem(ProblemCode.BAD_REQUEST, exc.detail)
