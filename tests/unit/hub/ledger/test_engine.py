"""plan and judge: one fetch becomes one step, and nothing that they were given is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from hub.domain.entity import Entity
from hub.ledger.basis import Basis
from hub.ledger.engine import Answers, judge, plan
from hub.ledger.lane import Intake, Status
from hub.ledger.notary import append
from hub.ledger.reading import Reading
from hub.ledger.step import EntityKey, KnownEntity, Step
from hub.protocol.checkpoint import Checkpoint, sign_checkpoint
from hub.protocol.control import Presence
from hub.protocol.note import sign_note
from hub.protocol.record import CONTROL_HEADER
from hub.protocol.witness import log_origin
from tests.support.center import HUB, NOW, Center, Sent, offer
from tests.support.hq import IDENTITY, Hq, accepted, center_record, reasons, resends
from tests.support.witness import Witness

REVISED, WITHDRAWN = "net.cohub.offer.revised.v1", "net.cohub.offer.withdrawn.v1"
KEYS = [IDENTITY.log, IDENTITY.log_long]
RECEIPTS = IDENTITY.receipts


class Ground:
    """What every case stands on: what HQ says, a checkpoint of its log, and the records that may be fetched."""

    def __init__(self, basis: Basis, checkpoint: bytes, size: int, records: tuple[Sent, ...]) -> None:
        self.basis = basis
        self.checkpoint = checkpoint
        self.size = size
        self.records = records

    def answers(self) -> Answers:
        """Return answers that know the checkpoint, and no entity."""
        return Answers({self.size: self.checkpoint}, {})


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    async def make(folder: Path) -> tuple[Basis, bytes, int]:
        hq, witness = await Hq.open(folder), Witness(Center())
        await hq.register(witness.center, keys=[*center_record(witness.center)["keys"], witness.key()])
        addition = append(await hq.store.log.read(log_origin(HUB)), await hq.store.log.unlogged(100), KEYS, NOW)
        basis = await hq.headquarters.basis()
        await hq.store.close()
        return basis, addition.log.note, addition.log.size

    basis, checkpoint, size = asyncio.run(make(tmp_path_factory.mktemp("ground")))
    return Ground(basis, checkpoint, size, (*lanes(), *controls(checkpoint, size)))


def lanes() -> list[Sent]:
    """Return a lane in sealed batches with rejected events, the lane after it, and a fork of the first."""
    center, fork = Center(), Center()
    records = [*center.opened(2), *center.offers(2, first=3)]
    for kind, key, value in [
        (REVISED, "K-1", offer("Revised")),
        (REVISED, "K-9", offer("Never published")),
        (WITHDRAWN, "K-2", {"reason": "sold"}),
    ]:
        records.append(center.append(center.event(kind, key, value)))
    records[-1] = center.sealed(records[-1])
    root = center.edge.root.hex()
    after = center.next_epoch("0000beef")
    opening = after.opening(previous_origin=center.origin, previous_size=center.edge.size, previous_root=root)
    return [*records, after.sealed(opening), *after.offers(2, first=20), *fork.opened(1), *fork.offers(1, first=77)]


def controls(checkpoint: bytes, size: int) -> list[Sent]:
    """Return what is no event: cosignatures, good and strange, presences, an alarm, and nonsense."""
    center, witness, kind = Center(), Witness(Center()), ((CONTROL_HEADER, b"presence"),)
    presence = Presence("uz", center.origin, NOW, 4, 0, "cohub 0.1.0").to_text()
    other = sign_checkpoint(Checkpoint(log_origin(HUB), size, b"x" * 32), KEYS, NOW)
    ahead = sign_checkpoint(Checkpoint(log_origin(HUB), size + 5, b"y" * 32), KEYS, NOW)
    return [
        *(witness.cosignature(note) for note in (checkpoint, other, ahead)),
        Sent(b"uz", sign_note(presence, [center.signer]).to_bytes(), kind),
        Sent(b"uz", b"I am here", kind),
        witness.alarm("two roots", size),
        Sent(b"x", b"nonsense", (("no", b"header of ours"),)),
    ]


def seen(value: Any) -> Any:
    """Return all that can be read of a value, as a value that shares nothing with it.

    An entity is what it says of itself, however much of it was read so far. What a value does not compare is a memory
    that makes it faster, and no part of it.
    """
    if isinstance(value, Entity):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        told = [each.name for each in fields(value) if each.compare]
        return type(value).__name__, tuple(seen(getattr(value, name)) for name in told)
    if isinstance(value, Mapping):
        return tuple(sorted((repr(key), seen(item)) for key, item in value.items()))
    if isinstance(value, frozenset):
        return tuple(sorted(map(repr, value)))
    if isinstance(value, (list, tuple)):
        return tuple(seen(item) for item in value)
    return value


def numbered(records: list[Sent], offset: int) -> list[Sent]:
    return [replace(record, offset=offset + n) for n, record in enumerate(records)]


def began() -> Reading:
    return Reading.of(Intake("uz"))


def only(ground: Ground, records: list[Sent]) -> Step:
    """Return the step that one fetch of a new lane comes to, at NOW."""
    need = plan(began(), numbered(records, 0), ground.basis.keyring, HUB, 0.0)
    return judge(need, ground.answers(), ground.basis, NOW, RECEIPTS)


# A fetch: where in the topic it begins, how many records it has, and those that come out of order.
fetch = st.tuples(st.integers(0, 20), st.integers(1, 24), st.lists(st.integers(0, 20), max_size=3))


@given(fetches=st.lists(fetch, min_size=1, max_size=5), answered=st.booleans())
@settings(max_examples=60)
def test_nothing_that_is_given_is_changed_and_the_same_comes_again(
    ground: Ground, fetches: list[tuple[int, int, list[int]]], answered: bool
) -> None:
    """Whatever a fetch brings: arguments stay as they were, and the same arguments give the same step."""
    reading, known, offset = began(), dict[EntityKey, KnownEntity](), 0
    notes = {ground.size: ground.checkpoint} if answered else {}
    for number, (first, count, strays) in enumerate(fetches):
        some = [*ground.records[first : first + count], *(ground.records[stray] for stray in strays)]
        records, tick, now = numbered(some, offset), 10.0 * number, NOW + timedelta(seconds=number)
        offset += len(some)
        keyring, answers = ground.basis.keyring, Answers(notes, known)
        given_to_plan = seen((reading, records, keyring))
        need = plan(reading, records, keyring, HUB, tick)
        assert seen((reading, records, keyring)) == given_to_plan
        given_to_judge = seen((need, answers, ground.basis.registry))
        step = judge(need, answers, ground.basis, now, RECEIPTS)
        assert seen((reading, records, keyring)) == given_to_plan
        assert seen((need, answers, ground.basis.registry)) == given_to_judge
        again = judge(plan(reading, records, keyring, HUB, tick), answers, ground.basis, now, RECEIPTS)
        assert seen(again) == seen(step)
        for reason in {*reasons(step), "commit" if step.commits else "no commit", step.reading.intake.status}:
            event(reason)
        known = {**known, **step.entities}
        reading = step.reading if step.reading.intake.status is Status.READING else began()


def test_step_can_not_be_written_to(ground: Ground) -> None:
    """A step, and what it holds, is one value: whoever got it can't change what another commits or publishes."""
    step = only(ground, list(ground.records[:7]))
    with pytest.raises(FrozenInstanceError):
        step.reading = began()  # type: ignore[misc]
    with pytest.raises(TypeError):
        step.entities["offer", "uz:K-1"] = step.entities["offer", "uz:K-1"]  # type: ignore[index]
    with pytest.raises(TypeError):
        step.measures["origin", "offers"] = 1  # type: ignore[index]
    for held in (step.commits, step.quarantine, step.cosignatures, step.resends, step.commits[0].rows):
        assert isinstance(held, tuple)


def test_need_names_what_judging_looks_at(ground: Ground) -> None:
    """The entities of the events that are taken, the sizes that cosignatures speak of; an unsealed tail needs none."""
    need = plan(began(), numbered(list(ground.records), 0), ground.basis.keyring, HUB, 0.0)
    assert need.checkpoints == {ground.size, ground.size + 5}
    assert {("offer", f"uz:K-{n}") for n in (1, 2, 9, 20)} < need.entities
    tail = plan(began(), numbered(list(ground.records[:2]), 0), ground.basis.keyring, HUB, 0.0)
    assert (tail.entities, tail.checkpoints, len(tail.taken.reading.tail)) == (frozenset(), frozenset(), 2)


def test_entities_that_were_read_are_judged_on(ground: Ground) -> None:
    """What the answers have of an entity is what an event meets; without it the same event is rejected."""
    center = Center()
    first = only(ground, center.opened(1))
    revision = [center.sealed(center.append(center.event(REVISED, "K-1", offer("Revised"))))]
    need = plan(first.reading, numbered(revision, 9), ground.basis.keyring, HUB, 0.0)
    with_it = judge(need, Answers({}, first.entities), ground.basis, NOW, RECEIPTS)
    without = judge(need, Answers({}, {}), ground.basis, NOW, RECEIPTS)
    assert [row.code for row in with_it.commits[0].rows] == ["ACCEPTED"]
    assert [row.code for row in without.commits[0].rows] == ["UNKNOWN_ENTITY"]
    assert with_it.entities["offer", "uz:K-1"].entity.version == 2


def test_next_reading_builds_on_the_lane_as_it_was_decided(ground: Ground) -> None:
    """Digest and time of the open lane are known only when its events are decided; intake and tail have them."""
    center = Center()
    records = [*center.opened(1), *center.offers(2, first=5)[:1]]
    step = only(ground, records)
    assert step.reading.intake.lane == step.commits[-1].lane
    assert step.commits[-1].lane.state_digest != bytes(32)
    assert [pending.sequence for pending in step.reading.tail] == [3]


def test_two_clocks_are_two_things(ground: Ground) -> None:
    """A lane's time never runs back, and the step says by HQ's clock when it was committed all the same."""
    center, later = Center(), NOW + timedelta(hours=1)
    need = plan(began(), numbered(center.opened(1), 0), ground.basis.keyring, HUB, 0.0)
    first = judge(need, ground.answers(), ground.basis, later, RECEIPTS)
    need = plan(first.reading, numbered(center.offers(1, first=5), 2), ground.basis.keyring, HUB, 0.0)
    second = judge(need, Answers({}, first.entities), ground.basis, NOW, RECEIPTS)
    (commit,) = second.commits
    assert (first.committed_at, second.committed_at) == (later, NOW)
    assert commit.receipt.recorded_at == commit.lane.recorded_at == later
    assert {known.recorded_at for known in second.entities.values()} == {later}


def test_strange_cosignatures_go_behind_what_was_quarantined_before(ground: Ground) -> None:
    """Weighing adds to the quarantine of the fetch, and keeps the good one."""
    step = only(ground, controls(ground.checkpoint, ground.size))
    assert reasons(step) == ["BAD_CONTROL", "NOT_ATTRIBUTABLE", "OTHER_ROOT", "UNKNOWN_CHECKPOINT"]
    assert [cosignature.said.checkpoint.size for cosignature in step.cosignatures] == [ground.size]
    assert (len(step.heard.presences) > 0, len(step.heard.alarms)) == (True, 1)


def test_only_what_says_something_new_changes_anything(ground: Ground) -> None:
    """A fetch that moves nothing is not written; a moved position, a presence or a quarantined record is."""
    center = Center()
    step = only(ground, center.opened(1))
    assert step.changes(Intake("uz"))
    intake = step.reading.intake
    nothing = plan(step.reading, [], ground.basis.keyring, HUB, 0.0)
    assert not judge(nothing, ground.answers(), ground.basis, NOW, RECEIPTS).changes(intake)
    for record in controls(ground.checkpoint, ground.size):
        unmoved = replace(record, offset=(intake.offset or 0) - 1)
        need = plan(step.reading, [unmoved], ground.basis.keyring, HUB, 0.0)
        told = judge(need, ground.answers(), ground.basis, NOW, RECEIPTS)
        assert told.reading.intake == intake
        assert told.changes(intake)


def test_hole_is_asked_for_by_a_signed_note(ground: Ground) -> None:
    """What a step sends is ready to be sent: the request for what is missing is signed by the receipts key."""
    center = Center()
    opened, late = center.opened(1), center.offers(2, first=5)[1:]
    step = only(ground, [*opened, *late])
    assert accepted(step) == [1, 2]
    assert [resend.first for resend in resends(step)] == [3]
