"""The limits of the app, and its one form of refusals: nothing that a stranger sends costs more than a look."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from hub.protocol.errors import Conflict, Fatal, NotFound, Retriable, UsageError
from hub.protocol.keys import Signer
from hub.protocol.limits import REQUEST_BYTES_MAX, REQUEST_FIELDS_MAX
from hub.protocol.problem import ProblemCode
from hub.web.allowance import Allowance
from hub.web.app import create_app
from hub.web.desk import BUSY_A_CENTER
from hub.web.posted import CLOUD_EVENTS
from hub.web.reading import READERS_A_CENTER
from hub.web.registered import STALE_S, Registered
from tests.support.center import Center
from tests.support.hq import sealed_lane
from tests.support.raw import batch, record
from tests.support.web_app import ADDRESS, KZ, UZ, Office, Web, check, cloud_events, record_batch, write


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x"])
async def test_packed_body_is_refused_before_it_is_unpacked(app: Web, encoding: str) -> None:
    """Nothing that a stranger packed is unpacked here."""
    answer = await app.client.post("/v1/session", content=b"x", headers={"content-encoding": encoding})
    assert "identity" in check(answer, ProblemCode.MEDIA_TYPE)["accepts"]


async def test_oversized_bodies_are_refused(app: Web) -> None:
    """By the length that they say, and by what comes where they say none."""
    office = await app.begun(Center(UZ))
    check(await app.client.post("/v1/session/nonce", content=bytes(2000)), ProblemCode.TOO_LARGE)
    check(await app.client.post("/v1/session", content=bytes(9000)), ProblemCode.TOO_LARGE)
    said = check(await office.post(bytes(REQUEST_BYTES_MAX + 1)), ProblemCode.TOO_LARGE)
    assert said["limit"] == REQUEST_BYTES_MAX

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(100)

    check(await app.client.post("/v1/session", content=parts()), ProblemCode.TOO_LARGE)


async def test_unauthenticated_body_is_not_read(app: Web) -> None:
    """Who can't sign makes HQ read nothing."""
    read = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield bytes(10_000)

    answer = await app.client.post("/v1/centers/uz/records", content=parts(), headers={"content-type": CLOUD_EVENTS})
    check(answer, ProblemCode.BAD_SIGNATURE)
    assert answer.headers["connection"] == "close"


async def test_too_many_fields_are_refused(app: Web) -> None:
    """By number and by bytes, on every path."""
    many = {f"x-{n}": "1" for n in range(REQUEST_FIELDS_MAX)}
    check(await app.client.get("/livez", headers=many), ProblemCode.FIELDS)
    check(await app.client.get("/nothing", headers={"x": "y" * 17_000}), ProblemCode.FIELDS)


async def test_repeated_signature_fields_are_refused(app: Web) -> None:
    """Two signatures are two readings."""
    office = await app.begun(Center(UZ))
    fields = list(office.signed("GET", "/v1/topics/out.uz").items())
    for name in ("signature", "signature-input", "content-digest"):
        doubled = [*fields, (name, dict(fields)[name])]
        answer = await app.client.get("/v1/topics/out.uz", headers=doubled)
        assert answer.json()["code"] in {"bad_signature", "wrong_digest"}, answer.text


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/session"), ("DELETE", "/v1/topics/out.uz"), ("PUT", "/livez")]
)
async def test_other_method_is_told_the_right_one(app: Web, method: str, path: str) -> None:
    """As HTTP says, and in the form of every problem."""
    answer = await app.client.request(method, path)
    check(answer, ProblemCode.METHOD)
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/session/", "/v1/topics", "/v1/centers/uz/records/x", "/docs", "/%00"]
)
async def test_other_path_is_not_there(app: Web, path: str) -> None:
    """No redirect: a path is signed as it is."""
    check(await app.client.get(path), ProblemCode.NOT_FOUND)


async def test_bad_bodies_of_records_are_named(app: Web) -> None:
    """What is wrong with a body is told by the same names as everywhere."""
    office = await app.begun(Center(UZ))
    check(await office.post(b"no batch"), ProblemCode.BAD_BATCH)
    check(await office.post(b"\xff", CLOUD_EVENTS), ProblemCode.BAD_JSON)
    check(await office.post(b"[{}]", CLOUD_EVENTS), ProblemCode.BAD_EVENT)
    check(await office.post(b"[]", "application/json"), ProblemCode.MEDIA_TYPE)
    check(await office.post(b"[]", None), ProblemCode.MEDIA_TYPE)
    assert not app.broker.records("in.uz")


async def test_broker_that_is_away_is_waited_for(app: Web) -> None:
    """An office sends again; what it sends then is taken."""
    office = await app.begun(Center(UZ))
    body = record_batch(Center(UZ).opened(1))
    app.broker.cut()
    answer = await office.post(body)
    check(answer, ProblemCode.AWAY)
    assert int(answer.headers["retry-after"]) > 0
    check(await office.get("/v1/topics/out.uz"), ProblemCode.AWAY)
    app.broker.mend()
    assert (await office.post(body)).status_code == 200


async def test_topic_that_is_not_there_yet_is_waited_for(app: Web) -> None:
    """HQ makes topics soon after it registered a center."""
    center = Center("tj")
    await app.hq.register(center)
    await app.look()
    office = await app.begun(center)
    check(await office.post(record_batch(center.opened(1))), ProblemCode.AWAY)
    check(await office.get("/v1/topics/out.tj"), ProblemCode.AWAY)


async def test_stale_registry_lets_nobody_in(app: Web) -> None:
    """A key may have been revoked meanwhile."""
    now = [0.0]
    registered = Registered(lambda: sealed_lane(app.hq.database), lambda: now[0])
    desk = replace_desk(app, registered=registered)
    await registered.refresh()
    async with client_of(desk) as client:
        office = Office(client, Center(UZ), clock=app.clock)
        assert (await office.begin()).status_code == 201
        assert (await client.get("/readyz")).status_code == 200
        now[0] = STALE_S + 1
        check(await office.get("/v1/topics/out.uz"), ProblemCode.AWAY)
        check(await client.get("/readyz"), ProblemCode.AWAY)
        assert (await client.get("/livez")).status_code == 200


def replace_desk(app: Web, **changes: Any) -> Any:
    return replace(app.desk, **changes)


def client_of(desk: Any, client: str = "127.0.0.1", more: list[Route] | None = None) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=create_app(desk, more or []), client=(client, 1))
    return httpx2.AsyncClient(transport=transport, base_url=ADDRESS)


async def ask(office: Office, what: str) -> httpx2.Response:
    """Ask for what counts against this allowance."""
    if what == "begins":
        return await office.client.post("/v1/session/nonce", json={"center": office.center.id})
    if what == "written":
        return await office.post(record_batch(Center(office.center.id).opened(1)))
    return await office.get(f"/v1/topics/out.{office.center.id}/records?offset=0")


@pytest.mark.parametrize("what", ["begins", "requests", "written", "read"])
async def test_more_than_a_center_may_have_is_refused_for_a_while(app: Web, what: str) -> None:
    """Requests, bytes written and bytes read of one center, and notes of one address; then it goes on."""
    now = [0.0]
    await write(app.broker, "out.uz", bytes(10_000))
    desk = replace_desk(app, **{what: Allowance("things", 1, 3, lambda: now[0])})
    async with client_of(desk) as client:
        office, other = (Office(client, Center(center), clock=app.clock) for center in (UZ, KZ))
        assert (await office.begin()).status_code == 201
        now[0] = 10.0
        answers = [await ask(office, what) for _ in range(4)]
        assert answers[0].status_code == 200, answers[0].text
        check(answers[-1], ProblemCode.TOO_MUCH)
        wait_s = int(answers[-1].headers["retry-after"])
        if what != "begins":  # one address may be many offices'
            now[0] += 5.0
            assert (await other.begin()).status_code == 201
            assert (await ask(other, what)).status_code == 200
        now[0] += wait_s
        assert (await ask(office, what)).status_code == 200


async def test_requests_under_way_of_one_center_are_bounded(app: Web) -> None:
    """Each may hold an answer of megabytes; when they are answered there is room again."""
    office = await app.begun(Center(UZ))
    for _ in range(BUSY_A_CENTER):
        app.desk.enter(UZ)
    check(await office.get("/v1/topics/out.uz"), ProblemCode.TOO_MUCH)
    assert (await (await app.begun(Center(KZ))).get("/v1/topics/out.kz")).status_code == 200
    for _ in range(BUSY_A_CENTER):
        app.desk.leave(UZ)
    assert (await office.get("/v1/topics/out.uz")).status_code == 200
    check(await office.get("/v1/topics/out.kz"), ProblemCode.TOPIC_UNKNOWN)
    assert not app.desk.busy


async def test_partitions_read_for_one_center_are_bounded(app: Web) -> None:
    """Each has a consumer of its own."""
    office = await app.begun(Center(UZ))
    places = [f"/v1/topics/{topic}?partition={n}" for topic in ("state.code_list", "state.lane") for n in range(8)]
    answers = [await office.get(place) for place in places]
    assert [a.status_code for a in answers[:READERS_A_CENTER]] == [200] * READERS_A_CENTER
    check(answers[READERS_A_CENTER], ProblemCode.TOO_MUCH)


async def test_metrics_are_for_their_networks_and_name_nobody(app: Web) -> None:
    """Elsewhere there is no such path."""
    office = await app.begun(Center(UZ))
    await office.post(record_batch(Center(UZ).opened(1)))
    await office.get("/v1/topics/out.kz")
    text = (await app.client.get("/metrics")).text
    assert 'cohub_web_problems_total{code="topic_unknown"} 1.0' in text
    assert "cohub_web_records_written_total 2.0" in text
    assert "uz" not in text
    assert office.session not in text
    async with client_of(app.desk, "192.0.2.1") as client:
        check(await client.get("/metrics"), ProblemCode.NOT_FOUND)
    desk = replace_desk(app, metrics_for=[ipaddress.ip_network("192.0.2.0/24")])
    async with client_of(desk, "192.0.2.1") as client:
        assert (await client.get("/metrics")).status_code == 200


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (NotFound("no such thing"), ProblemCode.NOT_FOUND),
        (Conflict("it is there"), ProblemCode.CONFLICT),
        (UsageError("wrong"), ProblemCode.BAD_REQUEST),
        (Retriable("locked: secret.db"), ProblemCode.AWAY),
        (Fatal("secret"), ProblemCode.FAULT),
        (ValueError("secret"), ProblemCode.FAULT),
    ],
)
async def test_mounted_routes_answer_as_the_tree_of_errors_says(app: Web, exc: Exception, code: ProblemCode) -> None:
    """Every route on the app has its limits and its form of refusals; what is HQ's own is in its log alone."""

    async def fails(_: Request) -> Response:
        raise exc

    async with client_of(app.desk, more=[Route("/more", fails)]) as client:
        with capture_logs() as logs:
            answer = await client.get("/more")
        check(answer, code)
        assert "secret" not in answer.text
        assert any(entry["event"] == "request_failed" for entry in logs) == (code is ProblemCode.FAULT)


async def test_log_has_no_secrets_and_nothing_that_clients_choose(app: Web) -> None:
    """Route, status, center and time: neither fields, queries nor bodies."""
    office = await app.begun(Center(UZ))
    with capture_logs() as logs:
        await office.get("/v1/topics/out.uz/records?offset=0&wait_s=0")
        await app.client.get("/sentinel?sentinel", headers={"x-sentinel": "sentinel"})
        await app.client.post("/v1/session", content=b"sentinel")
    text = json.dumps(logs, default=str)
    assert [entry["status"] for entry in logs if entry["event"] == "request"] == [200, 404, 400]
    assert "sentinel" not in text
    assert office.session not in text
    assert cloud_events([]) == b"[]"


def of_strangers(burst: int, now: list[float]) -> Allowance:
    return Allowance("requests of no session", 1, burst, lambda: now[0])


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/v1/topics/out.uz", "/v1/session/nonce"])
async def test_requests_of_no_session_are_bounded_for_each_client(app: Web, path: str) -> None:
    """Whatever they ask for; sessions of that address go on, and so does everybody else."""
    now = [0.0]
    office = await app.begun(Center(UZ))
    desk = replace_desk(app, strangers=of_strangers(3, now))
    async with client_of(desk, "192.0.2.1") as client, client_of(desk, "192.0.2.2") as other:
        for _ in range(3):
            assert (await client.get(path)).status_code != 429
        answer = await client.get(path)
        assert int(answer.headers["retry-after"]) == 1
        check(answer, ProblemCode.TOO_MUCH)
        check(await client.get(path, headers={"signature-input": "x"}), ProblemCode.TOO_MUCH)
        assert (await other.get(path)).status_code != 429
        office.client = client
        assert (await office.get("/v1/topics/out.uz")).status_code == 200
        now[0] += 9.0
        assert (await client.get(path)).status_code != 429


async def test_bad_signatures_are_bounded_in_the_name_that_they_say(app: Web) -> None:
    """To look at one costs more than to make it up; nobody else's requests are refused for it."""
    now = [0.0]
    uz, kz = [await app.begun(Center(name)) for name in (UZ, KZ)]
    desk = replace_desk(app, strangers=of_strangers(3, now))
    async with client_of(desk) as client, client_of(desk, "192.0.2.2") as elsewhere:
        uz.client = kz.client = client
        for _ in range(3):
            check(await uz.get("/v1/topics/out.uz", session="no such"), ProblemCode.SESSION_UNKNOWN)
        check(await uz.get("/v1/topics/out.uz", session="no such"), ProblemCode.TOO_MUCH)
        for _ in range(3):
            bad = Signer("session", b"x" * 32)
            check(await uz.get("/v1/topics/out.uz", key=bad), ProblemCode.BAD_SIGNATURE)
        check(await uz.get("/v1/topics/out.uz"), ProblemCode.TOO_MUCH)
        assert (await kz.get("/v1/topics/out.kz")).status_code == 200
        uz.client = elsewhere
        assert (await uz.get("/v1/topics/out.uz")).status_code == 200


async def test_who_has_asked_too_much_is_told_so_a_while_later(app: Web) -> None:
    """What comes on one connection comes one behind the other; a process that is to end holds nobody."""
    desk = replace_desk(app, strangers=of_strangers(0, [0.0]), held_s=30.0)
    async with client_of(desk) as client:
        asked = asyncio.create_task(client.get("/livez"))
        await asyncio.sleep(0.05)
        assert not asked.done()
        desk.stopping.set()
        check(await asyncio.wait_for(asked, 10), ProblemCode.TOO_MUCH)


async def test_packed_body_counts_as_what_it_unpacks_to(app: Web) -> None:
    """A few bytes that are megabytes are as much as megabytes, also where they are refused."""
    now = [0.0]
    large = [record(b"k", bytes(1 << 20), delta=n) for n in range(3)]
    small = batch([b""], codec=1, payload=gzip.compress(b"".join(large)), count=3)
    bomb = batch([b""], codec=1, payload=gzip.compress(record(b"k", bytes(8 << 20))), count=1)
    assert len(bomb) + len(small) < 20_000
    for body, code in ((small, ProblemCode.TOO_LARGE), (bomb, ProblemCode.BAD_BATCH)):
        desk = replace_desk(app, written=Allowance("bytes written", 1 << 20, 4 << 20, lambda: now[0]))
        async with client_of(desk) as client:
            office = Office(client, Center(UZ), clock=app.clock)
            assert (await office.begin()).status_code == 201
            check(await office.post(body), code)
            check(await office.post(body), code) if body is small else None
            check(await office.post(body), ProblemCode.TOO_MUCH)
