"""A request is received: what it may be at most, who has signed it, and then its body. In this order.

The signature is over the digest of the body, so it is known who asks, and whether he may, before a byte of the body is
read; and the body is held to the digest before anything in it is.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from hub.protocol import http_signature as signed
from hub.protocol.errors import Malformed
from hub.protocol.limits import REQUEST_BYTES_MAX
from hub.protocol.problem import Problem, ProblemCode
from hub.web.desk import Desk
from hub.web.door import client_of
from hub.web.sessions import Claim, Session

IDENTITY: Final = frozenset({"", "identity"})


def read_fields(request: Request) -> dict[str, str]:
    """Return the header fields by name, several of one name joined by a comma. Errors: Problem of BAD_REQUEST."""
    found: dict[str, str] = {}
    for name, value in request.scope["headers"]:
        text = value.decode("latin-1")
        key = name.decode("latin-1").lower()
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def read_target(request: Request) -> str:
    """Return path and query as they came."""
    path, query = request.scope["raw_path"].decode("latin-1"), request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def who(request: Request) -> str:
    """Return the client that a request came from."""
    return client_of(request.client.host) if request.client is not None else "-"


def hear(request: Request, desk: Desk) -> None:
    """Note whose request this is by its own word, and see that there are not too many such ones that came to nothing.

    A request that is of no session in the end is counted against its client, in the name of the session that it says:
    to look at a signature costs more than to make one up, and nobody's requests are refused for what another one says
    elsewhere in his name. Errors: Problem of TOO_MUCH.
    """
    state = request.state
    claim: Claim | Problem = Problem(
        ProblemCode.BAD_SIGNATURE, "signature: expected the fields Signature-Input and Signature"
    )
    state.whose = who(request)
    if signed.SIGNATURE_INPUT in request.headers:
        try:
            claim = desk.sessions.claim(signed.Request(request.method, "", read_target(request), read_fields(request)))
            state.whose = state.whose, claim.session.name
        except Problem as exc:
            claim = exc
    state.claim = claim
    desk.strangers.check(state.whose)


def take_signed(request: Request, desk: Desk) -> tuple[Session, dict[str, bytes]]:
    """Return the session that a request is of, which was heard, and the digests that its body must have.

    Errors: Problem of BAD_SIGNATURE, SESSION_UNKNOWN, CLOCK, NUMBER_REPEATED, KEY, CLOSED or AWAY.
    """
    sessions, registered, claim = desk.sessions, desk.registered, request.state.claim
    if isinstance(claim, Problem):
        raise claim
    session = sessions.take(claim)
    if not registered.keeps(session):
        sessions.end(session.name)
        raise Problem(ProblemCode.SESSION_UNKNOWN, "the key that began this session is no longer active")
    registered.admit(session.center, writes=False)
    try:
        return session, signed.read_digests(claim.request.fields.get(signed.CONTENT_DIGEST, ""))
    except Malformed as exc:
        raise Problem(ProblemCode.WRONG_DIGEST, str(exc)) from exc


async def read_body(request: Request, wait_s: float, bytes_max: int = REQUEST_BYTES_MAX) -> bytes:
    """Return the body of a request. Errors: Problem of MEDIA_TYPE (packed), TOO_LARGE, TOO_SLOW or BAD_REQUEST."""
    if request.headers.get("content-encoding", "").strip().lower() not in IDENTITY:
        raise Problem(ProblemCode.MEDIA_TYPE, "expected a body without Content-Encoding", accepts=["identity"])
    length = request.headers.get("content-length", "0")
    if not length.isdecimal():
        raise Problem(ProblemCode.BAD_REQUEST, "Content-Length: expected a number")
    if len(length) > 12 or int(length) > bytes_max:
        raise _too_large(bytes_max)
    parts, size = [], 0
    try:
        async with asyncio.timeout(wait_s):
            async for part in request.stream():
                size += len(part)
                if size > bytes_max:
                    raise _too_large(bytes_max)
                parts.append(part)
    except TimeoutError as exc:
        raise Problem(ProblemCode.TOO_SLOW, f"the body did not come within {wait_s:g} s") from exc
    except ClientDisconnect as exc:
        raise Problem(ProblemCode.BAD_REQUEST, "the connection was closed before the body was there") from exc
    return b"".join(parts)


def check_body(digests: dict[str, bytes], body: bytes) -> None:
    """See that a body is the one that was signed. Errors: Problem of WRONG_DIGEST."""
    try:
        signed.check_body(digests, body)
    except Malformed as exc:
        raise Problem(ProblemCode.WRONG_DIGEST, str(exc)) from exc


def _too_large(bytes_max: int) -> Problem:
    return Problem(ProblemCode.TOO_LARGE, f"expected a body of at most {bytes_max} bytes", limit=bytes_max)
