"""Joining over HTTPS: HQ's answer is believed by its signature, and to this very request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import pytest

from connectors.runtime.https.faults import HttpsAway, HttpsBusy
from connectors.runtime.https.wire import Wire
from connectors.runtime.joining_https import HttpsInquiry
from connectors.runtime.settings import Https
from connectors.runtime.told import OfficeWaits, error_text
from hub.protocol.errors import Malformed, NotFound
from hub.protocol.joining import Answer, State
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.problem import Problem, ProblemCode
from hub.protocol.trust import Trust
from schemas.vectors.joining import bundle
from schemas.words import LANGUAGES
from tests.support.joining import request_of
from tests.support.web_hq import WebHq

BUNDLE = bundle()
HUB = BUNDLE.hub
HQ, ROOT = Signer(f"{HUB}/hq", b"q" * 32), Signer(f"{HUB}/root", b"o" * 32)
TRUST = Trust(HUB, ROOT.verifier, (Signer(f"{HUB}/receipts", b"r" * 32).verifier,), hqs=(HQ.verifier,))
REQUEST = request_of(BUNDLE)
WAITS = Answer(HUB, BUNDLE.center, BUNDLE.id, REQUEST.digest, datetime.now(UTC), State.WAITS)


async def asked(hq: WebHq, answer: bytes | Exception) -> Answer | None:
    """Return what the office hears where HQ has this answer."""
    seen: list[bytes] = []

    async def join(invitation: str, body: bytes) -> bytes:
        assert invitation == BUNDLE.id
        seen.append(body)
        if isinstance(answer, Exception):
            raise answer
        return answer

    hq.desk.joining = join
    wire = Wire(Https(address="https://hq.example"), 5.0, httpx2.ASGITransport(hq.app))
    inquiry = HttpsInquiry(BUNDLE, REQUEST, wire, TRUST)
    try:
        return await inquiry.ask()
    finally:
        await inquiry.close()
        await inquiry.close()
        assert BUNDLE.secret not in b"".join(seen)


@pytest.mark.parametrize("state", [State.WAITS, State.ACCEPTED])
async def test_answer_of_hq_is_heard(hq: WebHq, state: State) -> None:
    """Waiting, or done."""
    said = replace(WAITS, state=state)
    assert await asked(hq, said.signed(HQ)) == said


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        WAITS.signed(Signer("other.example/hq", b"x" * 32)),
        replace(WAITS, request="0" * 64).signed(HQ),
        replace(WAITS, invitation="00000000").signed(HQ),
        sign_note("cohub-joined/v2\n", [HQ]).to_bytes(),
    ],
    ids=["nothing", "another's", "of another request", "of another invitation", "another form"],
)
async def test_answer_that_is_not_hqs_to_this_request_is_none(hq: WebHq, answer: bytes) -> None:
    """Whoever opens TLS on the way can neither let an office in nor turn it away."""
    with pytest.raises(HttpsAway, match="no answer of HQ's"):
        await asked(hq, answer)


async def test_answer_by_a_key_that_the_file_does_not_have_is_told_as_such(hq: WebHq) -> None:
    """HQ's key was rotated since: over HTTPS there is no way to learn of it, so HQ makes another file."""
    rotated = replace(WAITS, state=State.ACCEPTED).signed(Signer(f"{HUB}/hq", b"x" * 32))
    with pytest.raises(OfficeWaits, match="HQ has changed its key") as caught:
        await asked(hq, rotated)
    for language in LANGUAGES:
        assert f"hub center invite {BUNDLE.center} FILE" in error_text(caught.value, language)


@pytest.mark.parametrize(
    ("fault", "kind", "expected"),
    [
        (NotFound("there is no such invitation"), OfficeWaits, "used, withdrawn, or its time is over"),
        (Problem(ProblemCode.TOO_MUCH, retry_after_s=3), HttpsBusy, "limits"),
        (Malformed("not made with the bundle"), OfficeWaits, "used, withdrawn, or its time is over"),  # nothing is told
    ],
)
async def test_refusal_is_told_with_what_to_do(
    hq: WebHq, fault: Exception, kind: type[Exception], expected: str
) -> None:
    """As over Kafka: HQ makes another file, or it goes on by itself."""
    with pytest.raises(kind, match=expected):
        await asked(hq, fault)
