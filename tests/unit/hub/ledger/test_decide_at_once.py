"""Deciding several events at once comes to what deciding each alone comes to, whatever they are."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.domain.catalogue import KINDS
from hub.domain.judge import judge
from hub.domain.registry import Registry
from hub.domain.rules import check
from hub.ledger import decide, engine
from hub.ledger.basis import Basis
from hub.ledger.engine import Answers, plan
from hub.ledger.lane import Intake
from hub.ledger.reading import Reading
from hub.ledger.step import Step
from hub.protocol.errors import Malformed, Rejected
from hub.protocol.record import LANE_OPENED
from hub.protocol.rules import RULES, RULES_KNOWN
from hub.protocol.verdict import Code
from schemas.vectors.samples import sample_of
from tests.support.center import HUB, NOW, Center, Sent, offer
from tests.support.faulty_events import FAULTS, PUBLISHED
from tests.support.hq import IDENTITY, Hq
from tests.support.odd_values import odd_value

TYPES = [kind.type for kind in KINDS.values() if kind.stream in ("offer", "deal", "partner", "request", "expert")]
GOOD = st.just("")
WRONG = st.sampled_from(["odd", "other key", *FAULTS])
# A kind, an entity, and what is wrong with the event: mostly nothing. Many of one kind in a row are what is decided so.
one = st.tuples(st.sampled_from(TYPES), st.integers(0, 5), GOOD | GOOD | GOOD | WRONG)
row = st.tuples(st.sampled_from(TYPES), st.integers(0, 9), st.integers(2, 12), GOOD | GOOD | WRONG)


@pytest.fixture(scope="module", params=RULES_KNOWN)
def basis(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Basis:
    async def make() -> Basis:
        hq = await Hq.open(tmp_path_factory.mktemp("hq"), Center(), rules=RULES[request.param])
        found = await hq.headquarters.basis()
        await hq.store.close()
        return found

    return asyncio.run(make())


def written(center: Center, event_type: str, key: str, wrong: str, draw: random.Random) -> Sent:
    fields = dict(sample_of(event_type))
    if wrong == "odd":
        name, value = odd_value(KINDS[event_type], draw)
        fields[name] = value
    try:
        sent = center.event(event_type, key, fields)
    except Malformed:  # no Avro body holds it
        sent = center.event(event_type, key, sample_of(event_type))
    if wrong in FAULTS:
        sent = FAULTS[wrong][1](center, sent)
    if wrong == "other key":
        sent = replace(sent, key=b"another")
    return center.append(sent)


def judged(basis: Basis, records: list[Sent], at_once: int) -> Step:
    """Return what becomes of records, decided so many at once; each alone and by its whole envelope for 0."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decide, "AT_ONCE_MAX", at_once)
        if not at_once:
            patch.setattr(decide._Deciding, "_judged", lambda _, events: [None] * len(events))
        need = plan(Reading.of(Intake("uz")), records, basis.keyring, HUB, 0.0)
        return engine.judge(need, Answers({}, {}), basis, NOW, IDENTITY.receipts)


@given(
    parts=st.lists(
        one.map(lambda each: [each])
        | row.map(lambda r: [(r[0], r[1] + n, r[3] if n == r[2] - 1 else "") for n in range(r[2])]),
        min_size=1,
        max_size=12,
    ),
    seal_every=st.integers(1, 40),
    several=st.sampled_from([1, 3, 64]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60)
def test_events_decided_at_once_are_what_each_alone_is(
    basis: Basis, parts: list[list[tuple[str, int, str]]], seal_every: int, several: int, seed: int
) -> None:
    """Rows, entities with their documents and values, measures, state digests and signed receipts are the same."""
    draw, center = random.Random(seed), Center()
    records = [center.sealed(center.opening())]
    events = [each for part in parts for each in part]
    for number, (event_type, key, wrong) in enumerate(events, 1):
        sent = written(center, event_type, f"K-{key}", wrong, draw)
        records.append(center.sealed(sent) if number % seal_every == 0 or number == len(events) else sent)
    alone, at_once = judged(basis, records, 0), judged(basis, records, several)
    assert [commit.rows for commit in at_once.commits] == [commit.rows for commit in alone.commits]
    assert [commit.note for commit in at_once.commits] == [commit.note for commit in alone.commits]
    assert [commit.lane for commit in at_once.commits] == [commit.lane for commit in alone.commits]
    assert list(at_once.entities) == list(alone.entities)
    for place, known in alone.entities.items():
        other = at_once.entities[place]
        assert other.entity.to_json() == known.document == other.document
        assert replace(other, entity=known.entity) == known
    assert at_once.measures == alone.measures
    codes = Counter(row.code for commit in alone.commits for row in commit.rows)
    event(f"several accepted {codes[Code.ACCEPTED] > 4}, some rejected {codes.total() > codes[Code.ACCEPTED]}")
    event(f"measures {bool(alone.measures)}")


def test_a_lane_opening_is_never_among_others(basis: Basis) -> None:
    """It is legal as sequence 1 alone, so that no form of it is remembered."""
    center = Center()
    opening = center.opening()
    again = center.append(center.event(LANE_OPENED, "0000abcd", sample_of(LANE_OPENED)))
    last = center.sealed(center.append(center.event(LANE_OPENED, "0000abce", sample_of(LANE_OPENED))))
    (commit,) = judged(basis, [opening, again, last], 64).commits
    assert [row.code for row in commit.rows] == [Code.ACCEPTED, Code.ILLEGAL_TRANSITION, Code.ILLEGAL_TRANSITION]


def errors() -> list[Exception]:
    """Return those that somebody or a circle keeps: a test that failed or went before this one may keep some."""
    return [each for each in gc.get_objects() if isinstance(each, Rejected | ValidationError)]


def test_verdicts_keep_nothing_alive_that_keeps_them(basis: Basis) -> None:
    """A worker spares the collector: an error in a circle with its own stack would stay, with all that was decided."""
    center, draw = Center(), random.Random(1)
    records = [center.sealed(center.opening())]
    for number, wrong in enumerate(["", "future", "truncated avro", "", "no framing", "odd", "", "wrong center"]):
        records.append(written(center, TYPES[0], f"K-{number}", wrong, draw))
    records.append(written(center, TYPES[0], "K-0", "", draw))  # it is there already
    bad = center.event(PUBLISHED, "K-99", offer(trl=99))
    records.append(center.sealed(center.append(bad)))
    gc.collect()
    gc.disable()
    before = errors()
    try:
        codes = {row.code for commit in judged(basis, records, 64).commits for row in commit.rows}
        left = [each for each in errors() if not any(each is other for other in before)]
    finally:
        gc.enable()
    assert {Code.TIME_IN_FUTURE, Code.OUT_OF_RANGE, Code.BAD_VALUE} <= codes
    assert left == []


def test_error_of_one_event_is_in_no_circle() -> None:
    """An office asks of each row, and refuses many."""
    value = dict(sample_of(PUBLISHED)) | {"trl": 99}
    kind = KINDS[PUBLISHED]
    gc.collect()
    gc.disable()
    before = errors()
    try:
        for ask in (
            lambda: check(kind, value),
            lambda: judge(kind, "uz:K-1", "uz", NOW, value, None, NOW, Registry()),
        ):
            with contextlib.suppress(Rejected):
                ask()
        left = [each for each in errors() if not any(each is other for other in before)]
    finally:
        gc.enable()
    assert left == []
