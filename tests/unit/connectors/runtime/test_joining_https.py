"""Asking HQ over HTTPS: the same request is posted until HQ has answered, and only HQ's answer counts."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import pytest

from connectors.runtime.https.wire import Wire
from connectors.runtime.joining import wait_for_answer
from connectors.runtime.joining_https import HttpsInquiry
from connectors.runtime.settings import Https
from connectors.runtime.told import error_text
from hub.protocol.errors import Retriable
from hub.protocol.joining import Answer, State, unseal_request
from hub.protocol.trust import open_trust
from schemas.vectors.joining import HQ, PRIVATE, bundle, request, trust_note
from schemas.vectors.keys import RECEIPTS
from schemas.vectors.records import START
from schemas.words import LANGUAGES

WAITS = Answer(bundle().hub, bundle().center, bundle().id, request().digest, START, State.WAITS)


class Hq(httpx2.AsyncBaseTransport):
    """Answers one after another, and keeps what it was asked; the last answer again and again."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, bytes]] = []

    async def handle_async_request(self, asked: httpx2.Request) -> httpx2.Response:
        self.asked.append((str(asked.url), await asked.aread()))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return httpx2.Response(status, stream=httpx2.ByteStream(body))


def inquiry(hq: Hq) -> HttpsInquiry:
    wire = Wire(Https(address="https://hub.example"), 5.0, hq)
    return HttpsInquiry(bundle(), request(), wire, open_trust(trust_note()))


async def test_request_is_posted_again_until_it_is_accepted() -> None:
    """Each time the same, encrypted anew; nobody on the way can read it."""
    accepted = replace(WAITS, state=State.ACCEPTED)
    hq = Hq((200, WAITS.signed(HQ)), (503, b""), (200, accepted.signed(HQ)))
    heard: list[tuple[str, Answer | None]] = []
    away: list[str] = []
    found = await wait_for_answer(
        {"https": inquiry(hq)}, lambda way, answer: heard.append((way, answer)), lambda way, _: away.append(way)
    )
    assert found == accepted
    assert (heard, away) == ([("https", WAITS), ("https", accepted)], ["https"])
    one = bundle()
    for url, data in hq.asked:
        assert url == f"https://hub.example/v1/join/{one.id}"
        assert unseal_request(one.hub, one.center, one.id, one.secret, PRIVATE, data) == request().to_bytes()
    assert len({data for _, data in hq.asked}) == 3


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>log in here</html>"),
        (200, WAITS.signed(RECEIPTS)),
        (200, replace(WAITS, request="00" * 32, state=State.ACCEPTED).signed(HQ)),
        (200, replace(WAITS, invitation="00000001", state=State.ACCEPTED).signed(HQ)),
        (200, replace(WAITS, center="kz", state=State.ACCEPTED).signed(HQ)),
        (302, b""),
        (404, b""),
        (500, b""),
    ],
)
async def test_strange_answer_is_nobodys_word(status: int, body: bytes) -> None:
    """A proxy's page, another request's answer: told in words, and tried again."""
    asked = inquiry(Hq((status, body)))
    with pytest.raises(Retriable) as caught:
        await asked.ask()
    await asked.close()
    await asked.close()
    assert len({error_text(caught.value, language) for language in LANGUAGES}) == len(LANGUAGES)


async def test_other_way_is_taken_where_the_first_one_is_away() -> None:
    """Whichever the network lets through."""
    first, second = Hq((500, b"")), Hq((200, WAITS.signed(HQ)))
    found = await wait_for_answer(
        {"kafka": inquiry(first), "https": inquiry(second)}, lambda *_: None, lambda *_: None, lambda: True
    )
    assert found == WAITS
    assert (len(first.asked), len(second.asked)) == (1, 1)
