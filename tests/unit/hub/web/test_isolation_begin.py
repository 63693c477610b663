"""What begins a session, a query's one form, strangers' batches: nothing of it tells, or reaches, anybody else's."""

from __future__ import annotations

import json
from typing import Final

import pytest

from hub.protocol.keys import Signer
from hub.protocol.problem import ProblemCode
from tests.support.center import Center, Sent
from tests.support.hostile import hostile
from tests.support.web_app import record_batch
from tests.support.web_matrix import COMMON, Answer, Matrix, asked

BODY: Final = record_batch(Center("uz").opened(1))


async def test_note_begins_no_session_but_its_own_centers(matrix: Matrix) -> None:
    """A nonce of A in B's note, B's note under A's key; who asks for a center that is none learns no more."""
    mine, theirs = matrix.seals["uz"], matrix.seals["kz"]
    before = len(matrix.desk.sessions)

    async def begin(center: str, asked_as: str, signer: Signer) -> Answer:
        return await matrix.ask(
            "POST", "/v1/session", {}, await matrix.note(center, await matrix.nonce(asked_as), signer)
        )

    for center in ("kz", "by", "ge", "zz"):
        (await begin(center, "uz", mine)).check(ProblemCode.NONCE)
        (await begin(center, "uz", theirs)).check(ProblemCode.NONCE)
        said = (await begin(center, center, mine)).check(ProblemCode.KEY)
        assert said["detail"] == f"no active seal key of a center {center} has signed this note"
    (await begin("kz", "kz", Signer("hub.example/kz", b"x" * 32))).check(ProblemCode.KEY)
    (await begin("kz", "kz", mine.named("hub.example/kz"))).check(ProblemCode.KEY)
    (await begin("ge", "ge", matrix.seals["ge"])).check(ProblemCode.CLOSED)
    assert len(matrix.desk.sessions) == before
    assert (await begin("by", "by", matrix.seals["by"])).status == 201  # it reads


@pytest.mark.parametrize("center", COMMON[:1])
async def test_nonce_is_given_alike_to_whoever_asks(matrix: Matrix, center: str) -> None:
    """Who is a center is not to be found out by asking; what can be none is refused by its form."""
    for name in ("uz", "ge", "zz"):
        answer = await matrix.ask("POST", "/v1/session/nonce", {}, json.dumps({"center": name}).encode())
        assert set(json.loads(answer.body)) == {"hub", "address", "nonce", "time", "expires_s"}
    refused = await matrix.ask("POST", "/v1/session/nonce", {}, json.dumps({"center": center}).encode())
    refused.check(ProblemCode.BAD_JSON)


@pytest.mark.parametrize(
    "target", [f"{route}?x=1" for route in ("/v1/session", "/v1/session/nonce", "/v1/join/0a1b2c3d")]
)
async def test_query_where_none_is_expected_is_refused(matrix: Matrix, target: str) -> None:
    """What nobody reads may mean something to somebody in between."""
    (await matrix.ask("POST", target)).check(ProblemCode.BAD_REQUEST)


@pytest.mark.parametrize(
    "query", ["%6fffset=0", "offset=%30", "offset=+0", "&offset=0", "offset=0&", "offset", "offset=0;wait_s=0", "%00"]
)
async def test_query_has_one_form(matrix: Matrix, query: str) -> None:
    """As it stands there, without being decoded."""
    asker = matrix.askers["uz"]
    (await asked(matrix, asker, "GET", f"/v1/topics/out.uz/records?{query}")).check(ProblemCode.BAD_REQUEST)
    (await asked(matrix, asker, "POST", f"/v1/centers/uz/records?{query}", BODY)).check(ProblemCode.BAD_REQUEST)


async def test_strangers_batches_of_a_center_reach_its_own_lane_alone(matrix: Matrix) -> None:
    """Forged, packed, of another format: what is no batch is refused, and all else is for the worker to judge."""
    asker, before = matrix.askers["uz"], matrix.broker.held()
    forged = Sent(b"kz", b"a receipt of another center", (("cohub-kind", b"receipt"),))
    bodies = hostile(light=True) | {
        "a forged answer": record_batch([forged]),
        "of another lane": record_batch(Center("kz").opened(1)),
    }
    for name, body in bodies.items():
        for center in ("uz", "kz", "zz"):
            target = f"/v1/centers/{center}/records"
            answer = await asked(matrix, asker, "POST", target, body)
            if center != "uz":
                answer.check(ProblemCode.WRONG_CENTER)
            elif answer.status != 200:
                assert answer.code in {ProblemCode.BAD_BATCH, ProblemCode.TOO_LARGE}, name
    after = matrix.broker.held()
    assert {topic for topic in after if after[topic] != before[topic]} == {"in.uz"}
    assert after["in.uz"][-3] == b"a receipt of another center"
