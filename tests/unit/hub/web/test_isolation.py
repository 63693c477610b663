"""Thirty centers, every name and every route of the HTTPS way in: only what is granted, and one answer to all else."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from starlette.routing import Route

from hub.protocol.problem import ProblemCode
from hub.protocol.session import CLOCK_OFF_MAX, NUMBERS_KEPT, SESSION_S
from tests.support.center import Center
from tests.support.web_app import record_batch
from tests.support.web_matrix import (
    CENTERS,
    CLOSED,
    NOBODY,
    SUSPENDED,
    Answer,
    Asker,
    Matrix,
    asked,
    existing,
    granted,
    made_up,
)

READS: Final = {"GET", "HEAD"}
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get")
TOPIC, RECORDS, WRITE = "/v1/topics/{topic}", "/v1/topics/{topic}/records", "/v1/centers/{center}/records"
# What there is for anybody, and what is a center's: a route that is new has to be put here, and so is tried by all.
OPEN: Final = {
    "/livez": READS,
    "/readyz": READS,
    "/metrics": READS,
    "/v1/join/{invitation}": {"POST"},
    "/v1/session/nonce": {"POST"},
    "/v1/session": {"POST"},
}
SIGNED: Final = {WRITE: {"POST"}, RECORDS: READS, TOPIC: READS}
QUICK: Final = ("uz", "out", *SUSPENDED[:1], *CLOSED)
BODY: Final = record_batch(Center("uz").opened(1))


def target_of(route: str, name: str) -> str:
    return route.format(topic=name, center=name) + ("?offset=0" if route == RECORDS else "")


def body_of(route: str) -> bytes:
    return BODY if route == WRITE else b""


def one(answers: Iterable[Answer]) -> Answer:
    """See that these are one and the same answer, to the byte, and return it."""
    found = list(answers)
    assert len({(each.status, tuple(sorted(each.fields.items())), each.body) for each in found}) == 1
    return found[0]


async def test_every_route_is_one_of_these(matrix: Matrix) -> None:
    """Whoever adds a route says here whom it is for; all that follows is then tried on it, too."""
    routes = matrix.app.routes
    assert all(isinstance(route, Route) for route in routes)
    assert {route.path: route.methods for route in routes if isinstance(route, Route)} == OPEN | SIGNED


async def read_as(matrix: Matrix, center: str) -> None:
    """See what one center reads: what is granted has its own records, and all else is one answer."""
    asker, closed = matrix.askers[center], center in CLOSED
    for topic in sorted(granted(center)):
        for method in sorted(READS):
            page, ends = [await asked(matrix, asker, method, target_of(route, topic)) for route in (RECORDS, TOPIC)]
            if closed:
                assert one([page, ends]).check(ProblemCode.CLOSED)
                continue
            (record,) = json.loads(page.body)["records"]
            assert base64.b64decode(record["value"]) == topic.encode()
            assert json.loads(ends.body)["end"] == 1
    refused = ProblemCode.CLOSED if closed else ProblemCode.TOPIC_UNKNOWN
    there = [name for name in existing() if name not in granted(center)]
    with matrix.untouched():
        for route in (TOPIC, RECORDS):
            answers = [await asked(matrix, asker, "GET", target_of(route, name)) for name in there]
            known = one(answers)
            known.check(refused)
            for name in made_up(center):
                answer = await asked(matrix, asker, "GET", target_of(route, name))
                if answer.code == ProblemCode.NOT_FOUND:  # a name of no form that a topic has: no such path
                    assert set(name) & set("%/") or not name, name
                else:
                    assert one([answer, known]), name


async def write_as(matrix: Matrix, center: str) -> None:
    """See where one center writes: at its own lane, as far as HQ lets it, and at nobody else's."""
    asker = matrix.askers[center]
    others = [name for name in (*CENTERS, *NOBODY) if name != center]
    before = matrix.broker.held()
    own = await asked(matrix, asker, "POST", target_of(WRITE, center), BODY)
    after = matrix.broker.held()
    if center in (*SUSPENDED, *CLOSED):
        own.check(ProblemCode.CLOSED if center in CLOSED else ProblemCode.SUSPENDED)
        assert after == before
    else:
        assert json.loads(own.body) == {"topic": f"in.{center}", "offset": 1, "count": 2}
        assert {name for name in after if after[name] != before[name]} == {f"in.{center}"}
    with matrix.untouched():
        answers = [await asked(matrix, asker, "POST", target_of(WRITE, name), BODY) for name in others]
        one(answers).check(ProblemCode.CLOSED if center in CLOSED else ProblemCode.WRONG_CENTER)
        for name in set(made_up(center)) - {center}:
            answer = await asked(matrix, asker, "POST", target_of(WRITE, name), BODY)
            assert answer.code in {ProblemCode.WRONG_CENTER, ProblemCode.NOT_FOUND, ProblemCode.CLOSED}, (name, answer)


@pytest.mark.parametrize("center", QUICK)
async def test_center_reads_and_writes_what_is_granted_and_nothing_else(matrix: Matrix, center: str) -> None:
    """By every name that there is, that there is not, and that looks like one that there is."""
    await read_as(matrix, center)
    await write_as(matrix, center)


async def test_thirty_centers_read_and_write_what_is_theirs_alone(matrix: Matrix) -> None:
    """Each against each other, in both directions, those that HQ has suspended and closed among them."""
    assert len(CENTERS) >= 30
    for center in CENTERS:
        asker = matrix.askers[center]
        reads, writes = set(), set()
        for other in CENTERS:
            read = await asked(matrix, asker, "GET", f"/v1/topics/out.{other}")
            written = await asked(matrix, asker, "POST", f"/v1/centers/{other}/records", b"no batch")
            assert read.code in {"", "topic_unknown", "closed"}
            assert written.code in {"bad_batch", "wrong_center", "closed", "suspended"}
            reads |= {other} if read.status == 200 else set()
            writes |= {other} if written.code == "bad_batch" else set()
        assert reads == ({center} if center not in CLOSED else set())
        assert writes == ({center} if center not in (*CLOSED, *SUSPENDED) else set())


@pytest.mark.long
async def test_thirty_centers_have_what_is_granted_and_nothing_else(matrix: Matrix) -> None:
    """All of them against all of it."""
    for center in CENTERS:
        await read_as(matrix, center)
        await write_as(matrix, center)


@pytest.mark.parametrize("signs", [True, False])
async def test_other_methods_are_refused_on_every_route(matrix: Matrix, signs: bool) -> None:
    """Create, delete, describe and alter have no route; the answer is the same whatever there is."""
    asker = matrix.askers["uz"]
    with matrix.untouched():
        for route, methods in (OPEN | SIGNED).items():
            for method in set(METHODS) - methods:
                targets = [route.format(topic=n, center=n, invitation=n) for n in ("uz", "kz", "zz", "out.kz")]
                fields = [asker.sign(matrix, method, target) if signs else {} for target in targets]
                answers = [await matrix.ask(method, *each) for each in zip(targets, fields, strict=True)]
                refused = one(answers)
                refused.check(ProblemCode.METHOD)
                assert set(refused.fields["allow"].split(", ")) == methods, (route, method)


async def test_other_paths_are_not_there(matrix: Matrix) -> None:
    """A path has one form: no other case, no slash more, no dots, nothing percent-encoded, not even a line's end."""
    asker = matrix.askers["uz"]
    paths = [route.format(topic="out.uz", center="uz", invitation="0a1b2c3d") for route in OPEN | SIGNED]
    spellings = [
        spelling
        for path in paths
        for spelling in (
            path + "/", path + "%0a", path + "%0A", path + "%00", path + "%20", "/" + path, path.upper(), path + "/x",
            path.replace("/", "//", 1), path.replace("/v1/", "/V1/").replace("livez", "Livez").replace("r", "R", 1),
            path.replace("z", "%7a").replace("e", "%65"), "/." + path, "/x/.." + path, path + "/..", path + "/.",
            path.replace("/", "%2f"), path.replace("/", "\\"), "https://hub.example:8443" + path, path + "%3foffset=0",
            path + "%23", "/v2" + path, "/v1" + path, "/api" + path, path[1:], path + ".json", "*", "",
        )
        if spelling not in paths
    ]  # fmt: skip
    with matrix.untouched():
        for method in ("GET", "POST"):
            for path in spellings:
                answer = await asked(matrix, asker, method, path, BODY if method == "POST" else b"")
                allowed = {ProblemCode.NOT_FOUND} | (
                    {ProblemCode.TOPIC_UNKNOWN} if path.startswith("/v1/topics/") else set()
                )
                assert answer.code in allowed | {ProblemCode.METHOD}, (method, path, answer)


Way = Callable[[Matrix, Asker, str, str], Awaitable[Answer]]


def signed(**changes: object) -> Way:
    """A request that is signed in another way than it should be."""

    async def ask(matrix: Matrix, asker: Asker, method: str, target: str) -> Answer:
        body = BODY if method == "POST" else b""
        told = {name: value(matrix) if callable(value) else value for name, value in changes.items()}
        said = {"method": method, "target": target, "body": body} | told
        signs = said.pop("asker", asker)
        of = (said.pop("method"), said.pop("target"), said.pop("body"))
        assert isinstance(signs, Asker)
        return await matrix.ask(method, target, signs.sign(matrix, *of, **said), body)  # type: ignore[arg-type]

    return ask


def covering(names: str, more: str = "") -> Way:
    """A request whose signature is good, and covers these components alone."""

    async def ask(matrix: Matrix, asker: Asker, method: str, target: str) -> Answer:
        return await matrix.ask(method, target, asker.sign_freely(matrix, method, target, names, more))

    return ask


def altered(**fields: str) -> Way:
    """A request whose fields were altered on its way."""

    async def ask(matrix: Matrix, asker: Asker, method: str, target: str) -> Answer:
        body = BODY if method == "POST" else b""
        told = asker.sign(matrix, method, target, body) | {n.replace("_", "-"): v for n, v in fields.items()}
        return await matrix.ask(method, target, told, body)

    return ask


async def unsigned(matrix: Matrix, _: Asker, method: str, target: str) -> Answer:
    return await matrix.ask(method, target, {}, BODY if method == "POST" else b"")


ALL: Final = '"@method" "@target-uri" "content-digest"'
WAYS: Final[dict[str, tuple[Way, ProblemCode]]] = {
    "unsigned": (unsigned, ProblemCode.BAD_SIGNATURE),
    "the session of another center": (signed(session=lambda m: m.askers["kz"].session), ProblemCode.BAD_SIGNATURE),
    "the key of another center": (signed(key=lambda m: m.askers["kz"].key), ProblemCode.BAD_SIGNATURE),
    "the seal key": (signed(key=lambda m: m.seals["uz"]), ProblemCode.BAD_SIGNATURE),
    "no such session": (signed(session="x" * 24), ProblemCode.SESSION_UNKNOWN),
    "another path": (signed(target="/v1/topics/hub.trust"), ProblemCode.BAD_SIGNATURE),
    "another query": (signed(target="/v1/topics/out.uz/records?offset=1"), ProblemCode.BAD_SIGNATURE),
    "another address": (signed(address="https://other.example"), ProblemCode.BAD_SIGNATURE),
    "another port": (signed(address="https://hub.example"), ProblemCode.BAD_SIGNATURE),
    "another method": (signed(method="PUT"), ProblemCode.BAD_SIGNATURE),
    "another digest": (altered(content_digest="sha-256=:AAAA:"), ProblemCode.BAD_SIGNATURE),
    "no digest": (altered(content_digest=""), ProblemCode.BAD_SIGNATURE),
    "another type": (altered(content_type="text/plain"), ProblemCode.BAD_SIGNATURE),
    "another signature": (altered(signature="cohub=:" + "A" * 86 + "==:"), ProblemCode.BAD_SIGNATURE),
    "long ago": (
        signed(created=lambda m: int((m.now - CLOCK_OFF_MAX).timestamp()) - 2),
        ProblemCode.CLOCK,
    ),
    "in time to come": (
        signed(created=lambda m: int((m.now + CLOCK_OFF_MAX).timestamp()) + 2),
        ProblemCode.CLOCK,
    ),
    "expired": (covering(ALL, ";expires=1"), ProblemCode.BAD_SIGNATURE),
    "without the method": (covering('"@target-uri" "content-digest"'), ProblemCode.BAD_SIGNATURE),
    "without the target": (covering('"@method" "@path" "content-digest"'), ProblemCode.BAD_SIGNATURE),
    "without the digest": (covering('"@method" "@target-uri"'), ProblemCode.BAD_SIGNATURE),
    "another algorithm": (covering(ALL, ';alg="hmac-sha256"'), ProblemCode.BAD_SIGNATURE),
    "another parameter": (covering(ALL, ';more="x"'), ProblemCode.BAD_SIGNATURE),
}


async def refused_alike(matrix: Matrix, asker: Asker, way: Way, code: ProblemCode) -> None:
    """See that a way is refused on every route of centers, whether the name is its own, another's or nobody's."""
    with matrix.untouched():
        for route, methods in SIGNED.items():
            for method in sorted(methods):
                names = ("uz", "kz", "zz") if route == WRITE else ("out.uz", "out.kz", "in.kz", "out.zz", "hub.clock")
                answers = [await way(matrix, asker, method, target_of(route, name)) for name in names]
                assert {each.code for each in answers} == {code}, (route, method, answers[0])
                said = [each.check(code) for each in answers]
                assert len({json.dumps(each | {"time": ""}) for each in said}) == 1


@pytest.mark.parametrize("name", WAYS)
async def test_badly_signed_request_is_refused_alike_on_every_route(matrix: Matrix, name: str) -> None:
    """Nobody learns from a refusal whether there is what he asked for."""
    await refused_alike(matrix, matrix.askers["uz"], *WAYS[name])


async def test_request_is_taken_once_on_every_route(matrix: Matrix) -> None:
    """Also with another target: the number counts, in its own session alone."""
    asker = matrix.askers["uz"]
    for route, methods in SIGNED.items():
        for method in sorted(methods):
            target, body = target_of(route, "uz" if route == WRITE else "out.uz"), body_of(route)
            fields = asker.sign(matrix, method, target, body)
            assert (await matrix.ask(method, target, fields, body)).status == 200
            held = matrix.broker.held()
            (await matrix.ask(method, target, fields, body)).check(ProblemCode.NUMBER_REPEATED)
            assert matrix.broker.held() == held
            number = asker.number
    again = signed(number=number)
    await refused_alike(matrix, asker, again, ProblemCode.NUMBER_REPEATED)
    assert (await again(matrix, matrix.askers["kz"], "GET", "/v1/topics/out.kz")).status == 200
    await signed(number=number + NUMBERS_KEPT + 1)(matrix, asker, "GET", "/v1/topics/out.uz")
    await refused_alike(matrix, asker, signed(number=number + 1), ProblemCode.NUMBER_REPEATED)


async def test_session_that_has_ended_has_nothing(matrix: Matrix) -> None:
    """After its hour, after its key was revoked, after the center was closed, or is not in the registry any more."""
    uz, kz, hub, u = (matrix.askers[name] for name in ("uz", "kz", "hub", "u"))
    (key,) = matrix.standing.centers["kz"].keys
    matrix.standing.change("kz", keys=(replace(key, status="revoked"),))
    (await asked(matrix, kz, "GET", "/v1/topics/out.kz")).check(ProblemCode.SESSION_UNKNOWN)
    await refused_alike(matrix, kz, signed(), ProblemCode.SESSION_UNKNOWN)
    del matrix.standing.centers["hub"]
    (await asked(matrix, hub, "GET", "/v1/topics/out.hub")).check(ProblemCode.SESSION_UNKNOWN)
    await refused_alike(matrix, hub, signed(), ProblemCode.SESSION_UNKNOWN)
    matrix.standing.change("u", status="closed", status_reason="merged")
    await refused_alike(matrix, u, signed(), ProblemCode.CLOSED)
    matrix.now += timedelta(seconds=SESSION_S + 1)
    await refused_alike(matrix, uz, signed(), ProblemCode.SESSION_UNKNOWN)
