"""The app as offices and attackers meet it: what is let in is what was signed, once, by whom it may be."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest

from hub.protocol.errors import Malformed, NotFound
from hub.protocol.keys import Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.problem import ProblemCode
from hub.protocol.record import canonical
from hub.web.posted import CLOUD_EVENTS
from tests.support.center import Center
from tests.support.hq import center_record
from tests.support.web_app import ADDRESS, KZ, UZ, Web, check, record_batch, write


async def test_sealed_records_go_in_and_receipts_come_out(app: Web) -> None:
    """The main path, by either form of a body: keys, canonical bytes and seals are as the center made them."""
    center = Center(UZ)
    office = await app.begun(center)
    records = center.opened(5)
    posted = await office.post(record_batch(records[:3]))
    assert (posted.status_code, posted.json()) == (200, {"topic": "in.uz", "offset": 0, "count": 3})
    posted = await office.post_events(records[3:])
    assert posted.json() == {"topic": "in.uz", "offset": 3, "count": 3}
    written = app.broker.records("in.uz")
    assert [(r.key, canonical(r.headers, r.value)) for r in written] == [
        (r.key, canonical(r.headers, r.value)) for r in records
    ]
    await write(app.broker, "out.uz", b"receipt")
    page = (await office.get("/v1/topics/out.uz/records?offset=0")).json()
    (record,) = page["records"]
    assert base64.b64decode(record["value"]) == b"receipt"
    assert record["headers"] == [["cohub-kind", base64.b64encode(b"receipt").decode()]]
    assert (page["begin"], page["end"], page["next"]) == (0, 1, 1)
    assert (await office.get("/v1/topics/out.uz")).json() == {"begin": 0, "end": 1, "partitions": 1}


async def test_replayed_request_is_refused(app: Web) -> None:
    """A proxy that has seen a request can't have it done again, nor another one."""
    office = await app.begun(Center(UZ))
    body = record_batch(Center(UZ).opened(1))
    target = "/v1/centers/uz/records"
    fields = dict(office.signed("POST", target, body, "application/vnd.apache.kafka.records.v2"))
    assert (await app.client.post(target, content=body, headers=fields)).status_code == 200
    check(await app.client.post(target, content=body, headers=fields), ProblemCode.NUMBER_REPEATED)
    for changed in ({"signature": ""}, {"content-type": CLOUD_EVENTS}, {"content-digest": "sha-256=:AAAA:"}):
        check(await app.client.post(target, content=body, headers=fields | changed), ProblemCode.BAD_SIGNATURE)
    assert len(app.broker.records("in.uz")) == 2


async def test_body_that_was_not_signed_is_refused(app: Web) -> None:
    """The digest is signed, and the body is held to it before anything in it is read."""
    office = await app.begun(Center(UZ))
    fields = dict(office.signed("POST", "/v1/centers/uz/records", b"[]", CLOUD_EVENTS))
    check(await app.client.post("/v1/centers/uz/records", content=b"[{}]", headers=fields), ProblemCode.WRONG_DIGEST)
    fields = dict(office.signed("GET", "/v1/topics/out.uz"))
    answer = await app.client.request("GET", "/v1/topics/out.uz", content=b"x", headers=fields)
    check(answer, ProblemCode.TOO_LARGE)


async def test_replayed_note_begins_nothing(app: Web) -> None:
    """A nonce is used up by the first note, whatever became of it."""
    office = app.office(Center(UZ))
    note = office.note(await office.nonce())
    assert (await app.client.post("/v1/session", content=note)).status_code == 201
    check(await app.client.post("/v1/session", content=note), ProblemCode.NONCE)
    nonce = await office.nonce()
    bad = office.note(nonce, Signer(f"hub.example/{UZ}", b"x" * 32))
    check(await app.client.post("/v1/session", content=bad), ProblemCode.KEY)
    check(await app.client.post("/v1/session", content=office.note(nonce)), ProblemCode.NONCE)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"address": "https://other.example"}, ProblemCode.WRONG_ADDRESS),
        ({"address": "https://hub.example"}, ProblemCode.WRONG_ADDRESS),
        ({"hub": "hub.other"}, ProblemCode.WRONG_ADDRESS),
        ({"center": KZ}, ProblemCode.NONCE),
        ({"nonce": bytes(32)}, ProblemCode.NONCE),
    ],
)
async def test_note_for_something_else_is_refused(app: Web, change: dict[str, Any], code: ProblemCode) -> None:
    """A note is good for one hub, one address, one center and one nonce."""
    check(await app.office(Center(UZ)).begin(**change), code)


async def test_note_for_another_address_leaves_the_nonce(app: Web) -> None:
    """Who relays an office's note for another hub has not used up what HQ gave."""
    office = app.office(Center(UZ))
    nonce = await office.nonce()
    relayed = office.note(nonce, address="https://other.example")
    check(await app.client.post("/v1/session", content=relayed), ProblemCode.WRONG_ADDRESS)
    assert (await app.client.post("/v1/session", content=office.note(nonce))).status_code == 201


async def test_nonce_of_another_center_begins_nothing(app: Web) -> None:
    """Each asks for his own."""
    office = app.office(Center(UZ))
    note = office.note(await office.nonce(KZ))
    check(await app.client.post("/v1/session", content=note), ProblemCode.NONCE)


@pytest.mark.parametrize("off", [timedelta(minutes=6), -timedelta(minutes=6)])
async def test_note_by_a_wrong_clock_is_told_the_time(app: Web, off: timedelta) -> None:
    """An office whose clock is wrong learns HQ's time, and that it is that."""
    said = check(await app.office(Center(UZ)).begin(time=app.clock() + off), ProblemCode.CLOCK)
    assert said["time"].startswith(app.clock().isoformat()[:16])


async def test_request_by_a_wrong_clock_is_told_the_time(app: Web) -> None:
    """The same for what comes later: also what a proxy has held back."""
    office = await app.begun(Center(UZ))
    check(await office.get("/v1/topics/out.uz", created=int(app.clock().timestamp()) - 400), ProblemCode.CLOCK)


@pytest.mark.parametrize("body", [b"", b"x", b"\xff", b"cohub-presence/v1\nuz\n\n\xe2\x80\x94 x AAAA\n", bytes(8000)])
async def test_what_is_no_session_note_is_refused(app: Web, body: bytes) -> None:
    """A note of another kind is none, whoever has signed it."""
    check(await app.client.post("/v1/session", content=body), ProblemCode.BAD_NOTE)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"center": 1}', b'{"center": "UZ"}', b'{"center": "root"}', b'{"center": "uz", "x": 1}',
     b'{"center": "uz", "center": "kz"}', b"\xff", b"[" * 1000],
)  # fmt: skip
async def test_nonce_is_asked_for_in_one_form(app: Web, body: bytes) -> None:
    """What has two readings gets none."""
    check(await app.client.post("/v1/session/nonce", content=body), ProblemCode.BAD_JSON)


async def test_nonce_answer_says_hub_address_and_time(app: Web) -> None:
    """A person with a browser sees whom he asks."""
    said = (await app.client.post("/v1/session/nonce", json={"center": UZ})).json()
    assert (said["hub"], said["address"], said["expires_s"]) == ("hub.example", ADDRESS, 60)
    assert len(base64.b64decode(said["nonce"])) == 32


async def test_unknown_center_is_let_in_nowhere(app: Web) -> None:
    """Its key may be good; HQ has no such center."""
    check(await app.office(Center("zz")).begin(), ProblemCode.KEY)


async def test_revoked_key_begins_nothing_and_its_session_ends(app: Web) -> None:
    """As soon as the hq lane says it, which is looked at each second."""
    old, new = Center(UZ), Center(UZ, seed=b"n" * 32)
    office = await app.begun(old)
    keys = center_record(old, new)
    keys["keys"][0] |= {"status": "revoked", "status_reason": "lost"}
    record = center_record(old, new)
    await app.hq.said("key_added", old, record)
    await app.hq.said("key_revoked", old, keys)
    assert (await office.get("/v1/topics/out.uz")).status_code == 200
    await app.look()
    check(await office.get("/v1/topics/out.uz"), ProblemCode.SESSION_UNKNOWN)
    check(await office.get("/v1/topics/out.uz"), ProblemCode.SESSION_UNKNOWN)
    assert "revoked" in check(await app.office(old).begin(), ProblemCode.KEY)["detail"]
    office = app.office(new)
    by_both = Note.from_bytes(office.note(await office.nonce()))
    by_both = sign_note(by_both.text, [old.signer, new.signer])
    assert (await app.client.post("/v1/session", content=by_both.to_bytes())).status_code == 201
    assert (await app.begun(new)).session


async def test_suspended_center_reads_and_does_not_write(app: Web) -> None:
    """It is told since when, and why; receipts, trust and lane stay readable."""
    office = await app.begun(Center(UZ))
    await app.hq.said("suspended", Center(UZ), {"reason": "annual check"})
    await app.look()
    said = check(await office.post(record_batch(Center(UZ).opened(1))), ProblemCode.SUSPENDED)
    assert said["why"] == "annual check"
    assert said["since"].endswith("Z")
    for topic in ("out.uz", "hub.trust", "hub.lane"):
        assert (await office.get(f"/v1/topics/{topic}")).status_code == 200
    assert (await app.begun(Center(UZ))).session
    await app.hq.said("resumed", Center(UZ))
    await app.look()
    assert (await office.post(record_batch(Center(UZ).opened(1)))).status_code == 200


async def test_closed_center_has_nothing(app: Web) -> None:
    """Neither by a session that it has, nor by another one."""
    office = await app.begun(Center(UZ))
    await app.hq.said("closed", Center(UZ), {"reason": "merged"})
    await app.look()
    check(await office.get("/v1/topics/out.uz"), ProblemCode.CLOSED)
    check(await office.post(b""), ProblemCode.CLOSED)
    assert check(await app.office(Center(UZ)).begin(), ProblemCode.CLOSED)["why"] == "merged"


@pytest.mark.parametrize(
    "topic",
    ["out.kz", "in.uz", "in.kz", "events", "state.offer", "state.center", "hub.clock", "join.uz", "join.kz",
     "__consumer_offsets", "nothing", "out.uz%20", "OUT.UZ", "..", "out.uz.", "%6fut.kz"],
)  # fmt: skip
async def test_topics_of_others_look_like_none(app: Web, topic: str) -> None:
    """One answer for what is not granted and what is not there: nobody can look around."""
    office = await app.begun(Center(UZ))
    for target in (f"/v1/topics/{topic}", f"/v1/topics/{topic}/records?offset=0"):
        answer = await office.get(target)
        assert answer.status_code in {401, 404}, (
            answer.text
        )  # a client may write `..` another way than it has signed it
        assert answer.json()["code"] in {"topic_unknown", "not_found", "bad_signature"}


async def test_another_centers_lane_is_closed(app: Web) -> None:
    """A session writes for the center whose key has begun it."""
    office = await app.begun(Center(UZ))
    body = record_batch(Center(KZ).opened(1))
    check(await office.post(body, center=KZ), ProblemCode.WRONG_CENTER)
    check(await office.post(body, center="nobody"), ProblemCode.WRONG_CENTER)
    assert not app.broker.records("in.kz")


@pytest.mark.parametrize(
    "query",
    ["offset=", "offset=-1", "offset=+1", "offset=1.0", "offset=01", "offset=1&offset=2", "offset=1&x=1",
     "offset=9223372036854775808", "offset=%D9%A1", "offset=0&partition=-1", "offset=0&wait_s=1e3"],
)  # fmt: skip
async def test_query_of_another_form_is_refused(app: Web, query: str) -> None:
    """Numbers, each once."""
    office = await app.begun(Center(UZ))
    check(await office.get(f"/v1/topics/out.uz/records?{query}"), ProblemCode.BAD_REQUEST)
    check(await office.get("/v1/topics/out.uz/records"), ProblemCode.BAD_REQUEST)


async def test_partition_that_is_none_is_unknown(app: Web) -> None:
    """`state.*` have eight, all others one."""
    office = await app.begun(Center(UZ))
    assert (await office.get("/v1/topics/state.code_list?partition=7")).json()["partitions"] == 8
    check(await office.get("/v1/topics/state.code_list?partition=8"), ProblemCode.TOPIC_UNKNOWN)
    check(await office.get("/v1/topics/out.uz?partition=1"), ProblemCode.TOPIC_UNKNOWN)


async def test_offset_that_is_none_is_told_with_the_ends(app: Web) -> None:
    """A reader that is elsewhere goes on where there is something."""
    office = await app.begun(Center(UZ))
    said = check(await office.get("/v1/topics/out.uz/records?offset=7"), ProblemCode.OFFSET)
    assert (said["begin"], said["end"]) == (0, 0)


async def test_waiting_ends_with_the_first_record(app: Web) -> None:
    """A long poll is answered as soon as there is something."""
    office = await app.begun(Center(UZ))
    asked = asyncio.create_task(office.get("/v1/topics/out.uz/records?offset=0&wait_s=25"))
    while not app.desk.readers.waiting:
        await asyncio.sleep(0)
    await write(app.broker, "out.uz", b"one")
    page = (await asyncio.wait_for(asked, 10)).json()
    assert (len(page["records"]), page["next"]) == (1, 1)


async def test_waiting_ends_when_hq_stops_or_the_office_asks_again(app: Web) -> None:
    """The older of two requests is answered at once, and all of them when HQ stops."""
    office = await app.begun(Center(UZ))
    target = "/v1/topics/out.uz/records?offset=0&wait_s=25"
    first, second = (asyncio.create_task(office.get(target)) for _ in range(2))
    assert (await asyncio.wait_for(first, 10)).json()["records"] == []
    app.desk.stopping.set()
    assert (await asyncio.wait_for(second, 10)).json()["records"] == []
    check(await app.client.get("/readyz"), ProblemCode.STOPPING)


async def test_answer_is_bounded_by_bytes(app: Web) -> None:
    """`next` tells where to go on."""
    office = await app.begun(Center(UZ))
    producer = app.broker.producer()
    await producer.start()
    for n in range(200):
        await producer.send_and_wait("out.uz", bytes([n]) * 1000, key=b"k", partition=0)
    await producer.stop()
    seen, offset = 0, 0
    while offset < 200:
        page = (await office.get(f"/v1/topics/out.uz/records?offset={offset}&max_bytes=1")).json()
        assert 0 < len(page["records"]) < 200
        assert [r["offset"] for r in page["records"]] == list(range(offset, page["next"]))
        seen, offset = seen + len(page["records"]), page["next"]
    assert seen == 200


async def test_invited_office_joins_by_what_takes_its_request(app: Web) -> None:
    """The app passes on what came, and HQ's note as it is; elsewhere nobody signs."""
    seen: list[tuple[str, bytes]] = []

    async def join(invitation: str, body: bytes) -> bytes:
        seen.append((invitation, body))
        if body == b"x":
            raise Malformed("not made with the bundle")
        if invitation == "00000000":
            raise NotFound("there is no invitation 00000000")
        return b"answer"

    check(await app.client.post("/v1/join/0a1b2c3d", content=b"asked"), ProblemCode.NOT_FOUND)
    app.desk.joining = join
    answer = await app.client.post("/v1/join/0a1b2c3d", content=b"asked")
    assert (answer.status_code, answer.content) == (200, b"answer")
    assert seen == [("0a1b2c3d", b"asked")]
    check(await app.client.post("/v1/join/0a1b2c3d", content=b"x"), ProblemCode.NOT_FOUND)
    no_file, none = [await app.client.post(f"/v1/join/{n}", content=b"x") for n in ("0a1b2c3d", "00000000")]
    assert no_file.content == none.content  # which invitations there are is nobody's to find out
    check(none, ProblemCode.NOT_FOUND)
    for odd in ("0A1B2C3D", "0a1b2c3", "..", "0a1b2c3d%00"):
        assert (await app.client.post(f"/v1/join/{odd}", content=b"asked")).status_code in {404, 405}
    check(await app.client.post("/v1/join/0a1b2c3d", content=bytes(40_000)), ProblemCode.TOO_LARGE)
    assert len(seen) == 4
