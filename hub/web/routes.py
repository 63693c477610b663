"""The routes of the HTTPS way in. Each receives a request, has it done, and answers; what is refused is raised."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.protocol.control import is_center_id
from hub.protocol.errors import Malformed, NotFound
from hub.protocol.joining import JOIN_BYTES_MAX
from hub.protocol.limits import ANSWER_BYTES_MAX
from hub.protocol.moment import write_time
from hub.protocol.problem import Problem, ProblemCode
from hub.protocol.session import NONCE_S, open_session
from hub.protocol.topics import topic_in
from hub.web.answers import HEADERS, answer
from hub.web.desk import Desk
from hub.web.posted import Posted, read_posted, unpacked_bytes
from hub.web.reading import weight
from hub.web.reception import check_body, read_body, take_signed, who
from hub.web.strict_json import read_json
from hub.web.topics import partitions_of, readable

NONCE_REQUEST_BYTES_MAX: Final = 1_024
NOTE_BYTES_MAX: Final = 8_192
SEALED_BYTES: Final = 1_024  # more than a join request grows by being encrypted
NO_INVITATION: Final = "there is no such invitation, or this was not made with its file"
NOTE: Final = "text/plain; charset=utf-8"
WAIT_S_MAX: Final = 25
_INVITATION: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)

Handler = Callable[[Request], Awaitable[Response]]


class CenterRoutes:
    """The routes that offices use."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def nonce(self, request: Request) -> Response:
        """Answer with a nonce for a note of this center."""
        desk = self._desk
        _query(request, set())
        client = who(request)
        desk.begins.check(client)
        desk.begins.take(client)
        said = _read_object(await read_body(request, desk.body_s, NONCE_REQUEST_BYTES_MAX))
        center = said.get("center")
        if set(said) != {"center"} or not isinstance(center, str) or not is_center_id(center):
            raise Problem(ProblemCode.BAD_JSON, 'expected {"center": "<the id of a center>"}')
        address = _address(desk, request)
        made = base64.b64encode(desk.sessions.nonce(center, address)).decode()
        time = write_time(desk.sessions.now())
        return answer({"hub": desk.hub, "address": address, "nonce": made, "time": time, "expires_s": NONCE_S})

    async def session(self, request: Request) -> Response:
        """Begin a session by a note."""
        desk = self._desk
        _query(request, set())
        client = who(request)
        desk.begins.check(client)
        desk.begins.take(client)
        try:
            said, note = open_session(await read_body(request, desk.body_s, NOTE_BYTES_MAX))
        except Malformed as exc:
            raise Problem(ProblemCode.BAD_NOTE, str(exc)) from exc
        if said.hub != desk.hub or said.address not in desk.addresses:
            # The nonce stays good: it was given out for this address, and nobody has signed for it.
            raise Problem(
                ProblemCode.WRONG_ADDRESS,
                f"expected a note for {desk.hub} at {' or '.join(desk.addresses)}, got {said.hub} at {said.address}",
                address=desk.addresses[0],
            )
        desk.sessions.check_nonce(said)
        desk.sessions.check_clock(said.time)
        signer = desk.registered.signer_of(said.center, note)
        begun = desk.sessions.begin(said, signer)
        desk.metrics.sessions.set(len(desk.sessions))
        request.state.center = said.center
        return answer({"session": begun.name, "until": write_time(begun.until)}, 201)

    async def post(self, request: Request) -> Response:
        """Write the records of a body."""
        desk = self._desk
        center, digests = _received(desk, request)
        _query(request, set())
        if request.path_params["center"] != center:
            raise Problem(ProblemCode.WRONG_CENTER, f"this session is of {center}")
        desk.registered.admit(center, writes=True)
        desk.written.check(center)
        body = await read_body(request, desk.body_s)
        check_body(digests, body)
        media_type = request.headers.get("content-type", "")
        records: list[Posted] = []
        try:
            records = read_posted(media_type, body)
        finally:
            desk.written.take(center, unpacked_bytes(media_type, body, records))
        offset = await desk.writers.write(center, records)
        desk.metrics.records_in.inc(len(records))
        return answer({"topic": topic_in(center), "offset": offset, "count": len(records)})

    async def read(self, request: Request) -> Response:
        """Answer with records, as soon as there are some."""
        desk = self._desk
        center, digests = _received(desk, request)
        asked = _query(request, {"offset", "wait_s", "max_bytes", "partition"})
        place = readable(center, request.path_params["topic"], asked.get("partition", 0))
        if "offset" not in asked:
            raise Problem(ProblemCode.BAD_REQUEST, "expected ?offset=<number>")
        desk.read.check(center)
        check_body(digests, await read_body(request, desk.body_s, 0))
        wait_s = min(asked.get("wait_s", 0), WAIT_S_MAX)
        bytes_max = min(asked.get("max_bytes", ANSWER_BYTES_MAX), ANSWER_BYTES_MAX)
        page = await desk.readers.read(center, place, asked["offset"], wait_s, bytes_max)
        desk.read.take(center, sum(map(weight, page.records)))
        desk.metrics.records_out.inc(len(page.records))
        return answer(page.document())

    async def ends(self, request: Request) -> Response:
        """Answer with where a partition begins and ends."""
        desk = self._desk
        center, digests = _received(desk, request)
        topic = request.path_params["topic"]
        place = readable(center, topic, _query(request, {"partition"}).get("partition", 0))
        check_body(digests, await read_body(request, desk.body_s, 0))
        begin, end = await desk.readers.ends(center, place)
        return answer({"begin": begin, "end": end, "partitions": partitions_of(topic)})

    async def join(self, request: Request) -> Response:
        """Take a join request, which nobody has signed that HQ knows; answer with HQ's note about it.

        What was not made with the invitation's own file is answered as if there were no such invitation: which there
        are is nobody's to find out.
        """
        desk = self._desk
        _query(request, set())
        client, invitation = who(request), request.path_params["invitation"]
        desk.begins.check(client)
        desk.begins.take(client)
        if desk.joining is None or not _INVITATION.fullmatch(invitation):
            raise Problem(ProblemCode.NOT_FOUND, NO_INVITATION)
        body = await read_body(request, desk.body_s, JOIN_BYTES_MAX + SEALED_BYTES)
        try:
            said = await desk.joining(invitation, body)
        except (NotFound, Malformed) as exc:
            raise Problem(ProblemCode.NOT_FOUND, NO_INVITATION) from exc
        return Response(said, headers=HEADERS, media_type=NOTE)

    def routes(self) -> list[Route]:
        """Return them."""
        return [
            Route("/v1/join/{invitation}", self.join, methods=["POST"]),
            Route("/v1/session/nonce", self.nonce, methods=["POST"]),
            Route("/v1/session", self.session, methods=["POST"]),
            Route("/v1/centers/{center}/records", self.post, methods=["POST"]),
            Route("/v1/topics/{topic}/records", self.read, methods=["GET"]),
            Route("/v1/topics/{topic}", self.ends, methods=["GET"]),
        ]


def _received(desk: Desk, request: Request) -> tuple[str, dict[str, bytes]]:
    """Return whose request it is, and the digests of its body. Errors: those of `take_signed`; TOO_MUCH."""
    session, digests = take_signed(request, desk)
    request.state.center = session.center
    desk.enter(session.center)
    request.state.entered = session.center
    return session.center, digests


def _address(desk: Desk, request: Request) -> str:
    """Return the address by which HQ was asked, if it is one of HQ's; else the first of them."""
    asked = f"https://{request.headers.get('host', '')}".lower().removesuffix(":443")
    return asked if asked in desk.addresses else desk.addresses[0]


def _read_object(body: bytes) -> dict[str, object]:
    try:
        said = read_json(body)
    except Malformed as exc:
        raise Problem(ProblemCode.BAD_JSON, str(exc)) from exc
    if not isinstance(said, dict):
        raise Problem(ProblemCode.BAD_JSON, "expected an object")
    return said


def _query(request: Request, names: set[str]) -> dict[str, int]:
    """Return the numbers of a query, as it was written, each of these names once at most.

    Errors: Problem of BAD_REQUEST, also for a query where none is expected.
    """
    text = request.scope["query_string"].decode("latin-1")
    found: dict[str, int] = {}
    for pair in text.split("&") if text else ():
        name, _, value = pair.partition("=")
        if name not in names or name in found or not _NUMBER.fullmatch(value) or int(value) >= 1 << 63:
            expected = f"numbers for {', '.join(sorted(names))}, each once at most" if names else "none"
            raise Problem(ProblemCode.BAD_REQUEST, f"query: expected {expected}")
        found[name] = int(value)
    return found
