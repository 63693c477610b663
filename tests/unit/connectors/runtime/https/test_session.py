"""A session is begun with the seal key, renewed in time, and begun again where HQ has forgotten it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx2
import pytest
from structlog.testing import capture_logs

from connectors.runtime.https.faults import HttpsAway, HttpsBusy, HttpsElsewhere, HttpsHidden, HttpsRefused
from connectors.runtime.https.session import RENEW_AT, Session
from connectors.runtime.https.wire import Wire
from connectors.runtime.settings import Https
from hub.protocol.keys import Signer
from hub.protocol.session import SESSION_S
from tests.support.secret_forms import Search, Secret
from tests.support.web_hq import ADDRESS, WebHq
from tests.unit.connectors.runtime.https.conftest import CENTER, HUB, SEAL, Heard

OUT = f"/v1/topics/out.{CENTER}"
BEGIN = ["/v1/session/nonce", "/v1/session"]


async def test_one_session_is_begun_for_all_who_ask_at_once(session: Session, heard: Heard) -> None:
    """Nonce, note, and then signed requests alone."""
    await asyncio.gather(*(session.ask("GET", OUT) for _ in range(8)))
    assert heard.paths() == [*BEGIN, *[OUT] * 8]


async def test_session_is_renewed_before_it_ends(heard: Heard) -> None:
    """By the steady clock: whoever sets this computer's clock changes nothing about it."""
    steady = 0.0
    session = Session(Wire(Https(address=ADDRESS), 5.0, heard), HUB, CENTER, lambda: SEAL, steady_s=lambda: steady)
    await session.ask("GET", OUT)
    steady = SESSION_S * RENEW_AT + 1
    heard.requests.clear()
    await session.ask("GET", OUT)
    assert heard.paths() == [*BEGIN, OUT]


async def test_session_that_hq_has_forgotten_is_begun_again(session: Session, heard: Heard, hq: WebHq) -> None:
    """HQ was started again: nobody notices."""
    await session.ask("GET", OUT)
    hq.start(ADDRESS)
    heard.requests.clear()
    await session.ask("GET", OUT)
    assert heard.paths() == [OUT, *BEGIN, OUT]


async def test_computer_that_slept_begins_another_session(heard: Heard) -> None:
    """Its steady clock stood still meanwhile, so what it says of HQ's time is long past."""
    steady = 0.0
    session = Session(Wire(Https(address=ADDRESS), 5.0, heard), HUB, CENTER, lambda: SEAL, steady_s=lambda: steady)
    await session.ask("GET", OUT)
    steady = -3_000.0
    heard.requests.clear()
    await session.ask("GET", OUT)
    assert heard.paths() == [OUT, *BEGIN, OUT]


async def test_clock_that_is_wrong_is_told_with_hqs_time(hq: WebHq, heard: Heard) -> None:
    """By how much it is off, so that a person sets it."""
    hq.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for off, expected in ((timedelta(hours=3), "ahead of HQ's by 3:00:00"), (-timedelta(hours=1), "behind HQ's by 1:")):
        ours = hq.now + off
        wire = Wire(Https(address=ADDRESS), 5.0, heard)
        session = Session(wire, HUB, CENTER, lambda: SEAL, wall=partial(lambda now: now, ours))
        with pytest.raises(HttpsRefused, match=expected):
            await session.ask("GET", OUT)


async def test_requests_are_signed_by_hqs_clock(hq: WebHq, heard: Heard) -> None:
    """A clock that is set, or goes wrong, after the session began does not end it."""
    wall = hq.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    session = Session(Wire(Https(address=ADDRESS), 5.0, heard), HUB, CENTER, lambda: SEAL, wall=lambda: wall)
    await session.ask("GET", OUT)
    wall += timedelta(days=400)
    heard.requests.clear()
    await session.ask("GET", OUT)
    assert heard.paths() == [OUT]


@pytest.mark.parametrize("heard_by_hq", [True, False])
async def test_connection_that_ended_before_the_answer_is_tried_once_more(
    session: Session, heard: Heard, heard_by_hq: bool
) -> None:
    """Signed anew under another number: HQ takes nothing twice, and does not take it for a replay."""
    await session.ask("GET", OUT)
    heard.requests.clear()
    heard.lose(httpx2.RemoteProtocolError("Server disconnected"), heard=heard_by_hq)
    await session.ask("GET", OUT)
    assert heard.paths() == [OUT, OUT]
    assert len({request.headers["signature-input"] for request in heard.requests}) == 2


@pytest.mark.parametrize("nth", [0, 1])
async def test_session_whose_beginning_got_lost_is_begun_with_another_nonce(
    session: Session, heard: Heard, nth: int
) -> None:
    """A nonce may be used up, though nobody has heard the answer."""
    heard.fails = [("", None)] * nth  # type: ignore[list-item]
    heard.lose(httpx2.ReadError("reset"), heard=True)
    await session.ask("GET", OUT)
    assert heard.paths() == [*BEGIN[: nth + 1], *BEGIN, OUT]


async def test_silence_is_not_asked_twice(session: Session, heard: Heard) -> None:
    """A request that timed out may be asked again by whoever wants to; here it would double the wait."""
    await session.ask("GET", OUT)
    heard.requests.clear()
    heard.lose(httpx2.ReadTimeout("late"), heard=False)
    with pytest.raises(HttpsAway, match="no answer in time"):
        await session.ask("GET", OUT)
    assert heard.paths() == [OUT]


async def test_what_hq_refuses_is_told(session: Session, hq: WebHq, heard: Heard) -> None:
    """Suspended: no writing, all reading. Closed: nothing. Other centers' topics: nothing."""
    await session.ask("GET", OUT)
    with pytest.raises(HttpsHidden):
        await session.ask("GET", "/v1/topics/out.kz")
    with pytest.raises(HttpsElsewhere) as caught:
        await session.ask("GET", f"{OUT}/records?offset=7")
    assert (caught.value.ends.begin, caught.value.ends.end) == (0, 0)
    hq.standing.change(CENTER, status="suspended", status_reason="an audit")
    await session.ask("GET", OUT)
    with pytest.raises(HttpsRefused, match=r"suspended this center since .*an audit"):
        await session.ask("POST", f"/v1/centers/{CENTER}/records", b"x", "application/vnd.apache.kafka.records.v2")
    hq.standing.change(CENTER, status="closed", status_reason="by contract")
    with pytest.raises(HttpsRefused, match=r"closed this center at .*by contract"):
        await session.ask("GET", OUT)


async def test_key_that_hq_does_not_know_is_told(heard: Heard) -> None:
    """A center that is not confirmed yet, or whose key was replaced."""
    stranger = Signer(f"{HUB}/{CENTER}", b"s" * 32)
    session = Session(Wire(Https(address=ADDRESS), 5.0, heard), HUB, CENTER, lambda: stranger)
    with pytest.raises(HttpsRefused, match="no active key of this center"):
        await session.ask("GET", OUT)


async def test_another_hub_and_another_address_are_told(heard: Heard, hq: WebHq) -> None:
    """Nothing is signed for a hub that is not ours; HQ takes no note that names another address."""
    session = Session(Wire(Https(address=ADDRESS), 5.0, heard), "other.example", CENTER, lambda: SEAL)
    with pytest.raises(HttpsRefused, match=r"is the hub hub\.example, not other\.example"):
        await session.ask("GET", OUT)
    assert heard.paths() == BEGIN[:1]
    hq.start("https://hq.example:8443")
    session = Session(Wire(Https(address=ADDRESS), 5.0, heard), HUB, CENTER, lambda: SEAL)
    with pytest.raises(HttpsRefused, match=r"another address than https\.address https://hq\.example"):
        await session.ask("GET", OUT)


async def test_limits_of_hq_say_for_how_long(session: Session, hq: WebHq) -> None:
    """What is too much for the moment is no fault."""
    await session.ask("GET", OUT)
    hq.desk.requests.take(CENTER, 1_000.0)
    with pytest.raises(HttpsBusy, match="limits") as caught:
        await session.ask("GET", OUT)
    assert caught.value.retry_s > 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"hub": "hub.example"}',
        b'{"hub": "hub.example", "address": "x", "nonce": "AAAA", "time": "2026-03-01T12:00:00.000000Z"}',
        b"[" * 2_000,
    ],
)
async def test_nonce_that_is_none_is_no_answer_of_hqs(body: bytes) -> None:
    """Whoever answers in HQ's place gets nothing signed."""
    wire = Wire(
        Https(address=ADDRESS),
        5.0,
        httpx2.MockTransport(lambda _: httpx2.Response(200, stream=httpx2.ByteStream(body))),
    )
    with pytest.raises(HttpsAway, match="no answer of HQ's"):
        await Session(wire, HUB, CENTER, lambda: SEAL).begin()


async def test_key_of_a_session_is_seen_nowhere(hq: WebHq, heard: Heard) -> None:
    """It is in memory alone: in no request, no answer, no log of either end; of signatures no log tells, either."""
    seed = bytes(range(100, 132))
    session = Session(Wire(Https(address=ADDRESS), 5.0, heard), HUB, CENTER, lambda: SEAL, new_seed=lambda: seed)
    with capture_logs() as logs:
        await session.ask("GET", OUT)
        hq.start(ADDRESS)
        await session.ask("GET", OUT)
    search = Search([Secret("session key over HTTPS", (seed,)), Secret("seal", (SEAL.seed,))])
    sent = repr([(str(request.url), request.headers.raw, request.content) for request in heard.requests])
    assert search.of(sent.encode(), "sent") == []
    assert any(entry["event"] == "request" for entry in logs)
    assert search.of(repr((logs, session)).encode(), "logs") == []
    signatures = [request.headers["signature"] for request in heard.requests if "signature" in request.headers]
    assert signatures
    assert not [signature for signature in signatures if signature.partition(":")[2][:40] in repr(logs)]
