"""Sessions: a nonce is for one note of one center, and a request is taken once."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.protocol.http_signature import Request
from hub.protocol.keys import Signer
from hub.protocol.problem import Problem, ProblemCode
from hub.protocol.session import NONCE_S, SESSION_S, SessionNote, signed_fields
from hub.web.sessions import SESSIONS_A_CENTER, Session, Sessions

HUB, ADDRESS = "hub.example", "https://hub.example:8443"
KEY = Signer("session", b"s" * 32)
SEAL = Signer("hub.example/uz", b"k" * 32)


class Hq:
    """Sessions whose clock and chance a test sets."""

    def __init__(self, **options: int) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        numbers = itertools.count(1)
        self.sessions = Sessions(lambda: self.now, lambda count: next(numbers).to_bytes(count), **options)

    def said(self, **changes: Any) -> SessionNote:
        nonce = self.sessions.nonce("uz", ADDRESS)
        return replace(SessionNote(HUB, "uz", ADDRESS, nonce, KEY.verifier.public, self.now), **changes)

    def begun(self) -> str:
        return self.sessions.begin(self.said(), SEAL.verifier).name

    def request(self, session: str, number: int = 1, key: Signer = KEY, address: str = ADDRESS) -> Request:
        asked = Request("GET", address, "/v1/topics/out.uz", {})
        created = int(self.now.timestamp())
        fields = signed_fields(asked, b"", session=session, key=key, number=number, created=created)
        return replace(asked, address="", fields=fields)

    def take(self, request: Request) -> Session:
        return self.sessions.take(self.sessions.claim(request))


@pytest.fixture
def hq() -> Hq:
    return Hq()


def code_of(exc: pytest.ExceptionInfo[Problem]) -> ProblemCode:
    return exc.value.code


def test_nonce_is_used_once(hq: Hq) -> None:
    """Also by a note that is refused afterwards."""
    said = hq.said()
    hq.sessions.check_nonce(said)
    with pytest.raises(Problem) as exc:
        hq.sessions.check_nonce(said)
    assert code_of(exc) is ProblemCode.NONCE


@pytest.mark.parametrize(
    "change", [{"center": "kz"}, {"address": "https://hub.example"}, {"nonce": bytes(32)}, {"nonce": b"\xff" * 32}]
)
def test_nonce_is_for_who_asked_for_it(hq: Hq, change: dict[str, Any]) -> None:
    """Another center's, another address's or a made-up one begins nothing."""
    with pytest.raises(Problem) as exc:
        hq.sessions.check_nonce(hq.said(**change))
    assert code_of(exc) is ProblemCode.NONCE


def test_nonce_of_another_process_is_none(hq: Hq) -> None:
    """Each start has a secret of its own."""
    other = Sessions(lambda: hq.now)
    with pytest.raises(Problem):
        other.check_nonce(hq.said())


@pytest.mark.parametrize("later_s", [NONCE_S + 0.1, -0.1])
def test_nonce_lives_a_minute(hq: Hq, later_s: float) -> None:
    """Neither longer, nor before it was given."""
    said = hq.said()
    hq.now += timedelta(seconds=later_s)
    with pytest.raises(Problem) as exc:
        hq.sessions.check_nonce(said)
    assert code_of(exc) is ProblemCode.NONCE


def test_used_nonces_are_bounded_and_forgotten() -> None:
    """A flood of notes is refused for a while, and fills no memory."""
    hq = Hq(used_max=3)
    for _ in range(3):
        hq.sessions.check_nonce(hq.said())
    with pytest.raises(Problem) as exc:
        hq.sessions.check_nonce(hq.said())
    assert code_of(exc) is ProblemCode.TOO_MUCH
    hq.now += timedelta(seconds=NONCE_S + 1)
    hq.sessions.check_nonce(hq.said())


def test_request_is_taken_once(hq: Hq) -> None:
    """The same bytes again are a replay, whoever sends them."""
    name = hq.begun()
    request = hq.request(name)
    claims = [hq.sessions.claim(request) for _ in range(2)]
    assert hq.sessions.take(claims[0]).center == "uz"
    with pytest.raises(Problem) as exc:
        hq.sessions.take(claims[1])
    assert code_of(exc) is ProblemCode.NUMBER_REPEATED
    with pytest.raises(Problem) as exc:
        hq.take(request)
    assert code_of(exc) is ProblemCode.NUMBER_REPEATED
    assert hq.take(hq.request(name, 3)).center == "uz"
    assert hq.take(hq.request(name, 2)).center == "uz"


def test_bad_signature_uses_up_no_number(hq: Hq) -> None:
    """Whoever sees requests pass can't make HQ refuse the next one."""
    name = hq.begun()
    for bad in (hq.request(name, key=Signer("session", b"x" * 32)), hq.request(name, address="https://other.example")):
        with pytest.raises(Problem) as exc:
            hq.take(bad)
        assert code_of(exc) is ProblemCode.BAD_SIGNATURE
    assert hq.take(hq.request(name))


def test_session_of_another_key_is_none(hq: Hq) -> None:
    """The name of a session is no secret, and opens nothing."""
    name = hq.begun()
    with pytest.raises(Problem) as exc:
        hq.take(hq.request("other"))
    assert code_of(exc) is ProblemCode.SESSION_UNKNOWN
    hq.now += timedelta(seconds=SESSION_S)
    with pytest.raises(Problem) as exc:
        hq.take(hq.request(name))
    assert code_of(exc) is ProblemCode.SESSION_UNKNOWN


@pytest.mark.parametrize("off_s", [-301, 301])
def test_request_that_was_held_back_is_refused_with_the_time(hq: Hq, off_s: int) -> None:
    """It may be a proxy's doing, or a clock's: HQ says its own time."""
    request = hq.request(hq.begun())
    hq.now += timedelta(seconds=off_s)
    with pytest.raises(Problem) as exc:
        hq.take(request)
    assert code_of(exc) is ProblemCode.CLOCK
    assert exc.value.more["time"].startswith("2026-03-01T")


def test_oldest_of_too_many_sessions_ends(hq: Hq) -> None:
    """An office that begins one session after the other fills no memory, and its newest one is good."""
    names = [hq.begun() for _ in range(SESSIONS_A_CENTER + 1)]
    assert len(hq.sessions) == SESSIONS_A_CENTER
    with pytest.raises(Problem):
        hq.sessions.find(names[0])
    assert hq.sessions.find(names[-1]).center == "uz"
    hq.now += timedelta(seconds=SESSION_S + 1)
    hq.begun()
    assert len(hq.sessions) == 1
