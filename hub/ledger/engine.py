"""The engine: what HQ makes of one fetch of a center's topic. Pure; who runs it is hub/store/consolidate.py.

    need = plan(reading, records, keyring, hub, tick)
    answers: what the need asks for, read from the store by the caller
    step = judge(need, answers, basis, now, key)
    the caller commits the step, and goes on from step.reading

*plan* puts the records in place (hub/ledger/take.py): which of them are the lane's next events, how far their seals
carry (settle.py), what the center says beside its lanes (control.py). It needs nothing but the reading, and says what
has to be read next: HQ's own checkpoints that cosignatures speak of, and the entities of the events.

*read* is the caller's: two questions to the store, at most.

Of most entities an outline will do that the caller has in memory: status, version and place, without the record. Which
have to be whole the need says; and where a record counts all the same, `judge` asks for it by OutlineOnly.

*judge* weighs the cosignatures against HQ's checkpoints (witness.py), decides each event by its entity, the basis and
HQ's clock (decide.py), and signs a receipt for every stretch and the requests for what is missing.

*commit* writes the step in one transaction. A reading is a value: until the commit has succeeded the old one counts,
and whoever dies, is fenced out or is refused anywhere on this walk has changed nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hub.ledger.basis import Basis
from hub.ledger.decide import decide
from hub.ledger.keyring import Keyring
from hub.ledger.reading import Reading, Taken
from hub.ledger.step import Commit, EntityKey, KnownEntity, Step
from hub.ledger.subjects import subjects
from hub.ledger.take import take
from hub.ledger.witness import weigh
from hub.protocol.note import Signer, sign_note
from hub.protocol.record import KafkaRecord


@dataclass(frozen=True, slots=True)
class Need:
    """A fetch put in place, and what must be read to judge it.

    Shapes: `checkpoints` has sizes of HQ's log, `entities` (stream, entity id); both may be empty. Of entities that are
            not in `whole` an outline will do as well, unless `judge` says otherwise.
    """

    taken: Taken
    checkpoints: frozenset[int]
    entities: frozenset[EntityKey]
    whole: frozenset[EntityKey] = frozenset()


@dataclass(frozen=True, slots=True)
class Answers:
    """What was read for a Need: the stored notes by size, and the entities, as far as HQ has them."""

    checkpoints: Mapping[int, bytes]
    entities: Mapping[EntityKey, KnownEntity]


def plan(reading: Reading, records: Sequence[KafkaRecord], keyring: Keyring, hub: str, tick: float) -> Need:
    """Return `records`, one fetch in order, put in place behind `reading`, and what must be read to judge them.

    Units:  `tick` is the caller's monotonic clock in seconds; it only spaces requests for a resend.
    Errors: none for any bytes; an exception is a fault of ours and parks the lane.
    """
    taken = take(reading, records, keyring, hub, tick)
    sizes = frozenset(cosignature.said.checkpoint.size for cosignature in taken.cosignatures)
    entities, whole = subjects(taken.stretches)
    return Need(taken, sizes, entities, whole)


def judge(need: Need, answers: Answers, basis: Basis, now: datetime, key: Signer) -> Step:
    """Return the step that `need` comes to.

    Shapes: `answers` has everything that the need asks for and HQ has; `basis` is the one whose keyring planned it.
    Units:  `now` is HQ's clock in UTC; the step is committed at it.
    Errors: OutlineOnly, where an answer is an outline and its record counts, which is rare: the caller reads all of the
            entities whole, and asks again. None for any event; another exception is a fault of ours and parks the lane.
    """
    taken = need.taken
    good, strange = weigh(taken.cosignatures, answers.checkpoints)
    decided = decide(taken.stretches, answers.entities, basis, now, key)
    return Step(
        reading=_after(taken.reading, decided.commits),
        committed_at=now,
        commits=decided.commits,
        entities=decided.entities,
        measures=decided.measures,
        quarantine=taken.quarantine + strange,
        cosignatures=good,
        resends=tuple(sign_note(resend.to_text(), [key]).to_bytes() for resend in taken.resends),
        heard=taken.heard,
        restates=taken.restates,
    )


def _after(reading: Reading, commits: Sequence[Commit]) -> Reading:
    """Return the reading with the open lane as it was decided: only then its state digest and its time are known."""
    if not commits:
        return reading
    return replace(reading, intake=replace(reading.intake, lane=commits[-1].lane))
