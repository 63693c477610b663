"""Where publishing stands: what goes out next, what is in flight, what the broker has acknowledged. Pure.

Every lane goes out in its order, from its cursor on. What a commit hands over in memory is the fast path; everything
else, and everything after a failure, is read from SQL. So a process that dies loses nothing but answers, and a center
that gets none asks again.

    a commit               queued, or left to SQL: where too much waits, or the bytes of a record are not in memory
    a lane is taken over   its center is behind: SQL is asked what the last owner left; its states go out twice
    the broker has it      the cursor moves; it is stored within a second
    the broker failed      nothing is in flight or queued any more: all of it is behind, and comes from SQL
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from hub.domain.stream import HQ
from hub.ledger.publication import RECEIPT, Answer, Publication

QUEUE_EVENTS_MAX: Final = 20_000  # over it a lane is left to SQL
ROOM_EVENTS: Final = 6_000  # over it consolidating waits, as long as publishing goes on at all
SEND_EVENTS_MAX: Final = 4_000  # in flight
BACKLOGS_MAX: Final = 256  # over it SQL is asked for lanes that fell behind, all of a center's at once
ANSWERS_MAX: Final = 10_000  # over it an answer is dropped: who gets none asks again
SEND_ANSWERS_MAX: Final = 1_000  # in flight
CURSOR_DELAY_MAX_S: Final = 1.0  # until an acknowledged cursor is stored, under load


@dataclass(frozen=True, slots=True)
class Backlog:
    """What of a lane must be read from SQL: behind `after`, at least up to `upto`."""

    origin: str
    center: str
    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """A lane's states that are to go out once more, at a moment."""

    at_s: float
    backlog: Backlog


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer that is to go out, and how many publications must have left the queue before a receipt may."""

    answer: Answer
    behind: int


@dataclass(frozen=True, slots=True)
class Answering:
    """Send these answers, in this order."""

    answers: Sequence[Answer]


@dataclass(frozen=True, slots=True)
class Looking:
    """Ask SQL for the cursors of these centers' lanes, and which of them have something to publish."""

    centers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Loading:
    """Load the next publication of a backlog from SQL; then tell it by `loaded`."""

    backlog: Backlog
    states_only: bool = False


@dataclass(frozen=True, slots=True)
class Publishing:
    """Send these publications, of each lane in order; only their states, if they are repeated.

    Those that were loaded from SQL are the first of their center's backlogs, or of `repeats`.
    """

    publications: Sequence[Publication]
    states_only: bool = False
    is_loaded: bool = False


Flight = Answering | Looking | Loading | Publishing


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What one worker has to publish, for one that publishes one flight at a time.

    Shapes: `queue` holds the publications of `queued` events, `taken` were in it before; the centers that are `behind`
            may have something in SQL that is not here, `backlogs` are what is known of it, of each center its oldest
            lane first, and the center whose turn is next first; the broker has everything of a lane up to its
            `cursors`, of which those in `unstored` are not in SQL yet; `has_loaded` says that the newest flight came
            from SQL; a producer is there while it `is_linked`.
    Units:  moments are in seconds of one monotonic clock.
    """

    queue: tuple[Publication, ...] = ()
    queued: int = 0
    taken: int = 0
    answers: tuple[Asked, ...] = ()
    behind: frozenset[str] = frozenset({HQ})
    backlogs: Mapping[str, tuple[Backlog, ...]] = field(default_factory=dict)
    repeats: tuple[Repeat, ...] = ()
    cursors: Mapping[str, int] = field(default_factory=dict)
    unstored: Mapping[str, int] = field(default_factory=dict)
    stored_at_s: float = float("-inf")
    flight: Flight | None = None
    has_loaded: bool = False
    is_linked: bool = False

    @property
    def is_crowded(self) -> bool:
        """Whether consolidating should wait: what was left to SQL would cost three times as much to publish.

        While publishing fails nothing waits for it: the ledger does not depend on it.
        """
        return self.queued > ROOM_EVENTS and self.is_linked

    def owes(self, centers: Collection[str]) -> bool:
        """Return whether anything for these centers is on its way to the broker, or in the queue to be.

        What comes from SQL is not counted: it may be long.
        """
        if not centers or not self.is_linked:
            return False
        owed = frozenset(centers)
        if not _comes_from_sql(self.flight) and not owed.isdisjoint(_centers_of(self.flight)):
            return True
        return any(publication.center in owed for publication in self.queue)

    @property
    def centers(self) -> frozenset[str]:
        """Whom something may have to be sent to, after a failure."""
        return (self.behind | {asked.answer.center for asked in self.answers}) - {HQ}

    def to_store(self, now_s: float) -> Mapping[str, int]:
        """Return the cursors that it is time to store, under load."""
        return self.unstored if now_s - self.stored_at_s > CURSOR_DELAY_MAX_S else {}

    def offered(self, found: Iterable[Publication]) -> Outgoing:
        """A commit has made this publishable; over the limit SQL has it."""
        taken, left, queued = [], set(), self.queued
        for publication in found:
            if queued > QUEUE_EVENTS_MAX:
                left.add(publication.center)
            else:
                taken.append(publication)
                queued += size_of(publication)
        return replace(self, queue=(*self.queue, *taken), queued=queued, behind=self.behind | left)

    def asked(self, answer: Answer) -> Outgoing:
        """A center is to have an answer, if there is room for it."""
        if len(self.answers) >= ANSWERS_MAX:
            return self
        return replace(self, answers=(*self.answers, Asked(answer, self.taken + len(self.queue))))

    def looked_at(self, centers: Iterable[str]) -> Outgoing:
        """There may be something in SQL of these centers."""
        return replace(self, behind=self.behind.union(centers))

    def adopted(self, centers: Iterable[str], unpublished: Iterable[tuple[str, int, int]], at_s: float) -> Outgoing:
        """These centers' lanes are ours now: publish what their last owner left, and its states again at `at_s`.

        A state that the last owner sent may arrive after a newer one of ours; sent again, the newest stands last.
        """
        again = (Repeat(at_s, _backlog(*lane)) for lane in unpublished)
        return replace(self.looked_at(centers), repeats=(*self.repeats, *again))

    def linked(self) -> Outgoing:
        """There is a producer."""
        return self if self.is_linked else replace(self, is_linked=True)

    def departed(self, now_s: float) -> Outgoing:
        """The next flight leaves: it is `flight`, None if there is nothing to do.

        Answers first, they are few and awaited; but no receipt before older ones of its center. What SQL has of a
        center goes out before what is queued of it, or an older state would come last; but the queue of all others and
        the centers in SQL take turns, so that one with much in SQL holds up nobody.
        """
        assert self.flight is None, self.flight
        if answers := self._answers():
            return replace(self, flight=Answering(answers))
        if self.behind:
            # A center that falls behind again meanwhile is marked again, and stays marked.
            return replace(self, flight=Looking(self.behind), behind=frozenset())
        loading = self._loading(now_s)
        if self.queue and (self.has_loaded or loading is None):
            return self._departed_queue(now_s)
        return self if loading is None else replace(self, flight=loading, has_loaded=True)

    def _loading(self, now_s: float) -> Loading | None:
        """Return what SQL is asked for next: states are repeated when no center has anything else there."""
        if self.backlogs:
            return Loading(next(iter(self.backlogs.values()))[0])
        if self.repeats and self.repeats[0].at_s <= now_s:
            return Loading(self.repeats[0].backlog, states_only=True)
        return None

    def _answers(self) -> list[Answer]:
        """Return the answers that may go out: of receipts those before which nothing of their center is to go out."""
        found = []
        for asked in self.answers:
            center = asked.answer.center
            waits = center in self.behind or center in self.backlogs or asked.behind > self.taken
            if asked.answer.kind != RECEIPT or not waits:
                found.append(asked.answer)
                if len(found) == SEND_ANSWERS_MAX:
                    break
        return found

    def _departed_queue(self, now_s: float) -> Outgoing:
        ready: list[Publication] = []
        left: set[str] = set()
        reached: dict[str, int] = {}  # by what departs here
        backlogs = dict(self.backlogs)
        events = taken = sent = 0
        for publication in self.queue:
            if sent >= SEND_EVENTS_MAX:
                break
            taken += 1
            events += size_of(publication)
            origin, center = publication.origin, publication.center
            known = reached.get(origin, self.cursors.get(origin, 0 if publication.first == 1 else None))
            if center in left:
                continue  # SQL is asked for all of it, in its order
            if center in backlogs or _lacks_bytes(publication):
                if not _join(backlogs, publication, known):
                    left.add(center)
            elif known is None or publication.first > known + 1:
                left.add(center)
            elif publication.last > known:
                ready.append(publication)
                sent += size_of(publication)
                reached[origin] = publication.last
        rest = replace(
            self,
            queue=self.queue[taken:],
            taken=self.taken + taken,
            queued=self.queued - events,
            behind=self.behind | left,
            backlogs=backlogs,
            flight=Publishing(ready) if ready else None,
            has_loaded=False,
        )
        return rest if ready else rest.departed(now_s)

    def looked(self, cursors: Iterable[tuple[str, int]], unpublished: Iterable[tuple[str, int, int]]) -> Outgoing:
        """SQL has told of the lanes that are looked at: their cursors, and (origin, published, size) of some.

        What the broker has acknowledged since a cursor was stored counts: it is not sent again.
        """
        assert isinstance(self.flight, Looking)
        reached = dict(self.cursors)
        for origin, stored in cursors:
            reached[origin] = max(stored, reached.get(origin, 0))
        found: dict[str, dict[str, Backlog]] = {}
        for origin, stored, size in unpublished:
            after = max(stored, reached.get(origin, 0))
            if after < size:
                backlog = _backlog(origin, after, size)
                found.setdefault(backlog.center, {})[origin] = backlog
        backlogs = dict(self.backlogs)
        for center, lanes in found.items():
            for known in backlogs.get(center, ()):  # one that SQL did not tell of is of a lane that is newer than that
                lanes[known.origin] = replace(known, upto=max(known.upto, lanes.get(known.origin, known).upto))
            backlogs[center] = tuple(lanes.values())
        return replace(self, cursors=reached, backlogs=backlogs, flight=None)

    def loaded(self, found: Publication | None) -> Outgoing:
        """SQL has told the publication that was asked for: it is in flight; without one there is no more."""
        assert isinstance(self.flight, Loading)
        if found is None:
            asked = self.flight.backlog
            return self._repeated(None) if self.flight.states_only else self._went_on(asked.center, asked.upto)
        return replace(self, flight=Publishing((found,), self.flight.states_only, is_loaded=True))

    def unreadable(self) -> Outgoing:
        """SQL can't give back what was asked for: nothing of its center is asked for until somebody looks again."""
        assert isinstance(self.flight, Loading)
        center = self.flight.backlog.center
        return replace(
            self,
            backlogs={known: lanes for known, lanes in self.backlogs.items() if known != center},
            repeats=tuple(repeat for repeat in self.repeats if repeat.backlog.center != center),
            flight=None,
        )

    def landed(self) -> Outgoing:
        """The broker has acknowledged all that was in flight: cursors move, and answers are done."""
        flight = self.flight
        assert isinstance(flight, Answering | Publishing)
        if isinstance(flight, Answering):
            sent = set(map(id, flight.answers))
            return replace(self, answers=tuple(a for a in self.answers if id(a.answer) not in sent), flight=None)
        if flight.states_only:
            return self._repeated(flight.publications[-1].last)
        # Of each lane in order, so that the last one counts. Another owner may have been faster.
        reached = {p.origin: max(p.last, self.cursors.get(p.origin, 0)) for p in flight.publications}
        last = flight.publications[-1]
        found = self._went_on(last.center, last.last) if flight.is_loaded else self
        return replace(found, cursors={**self.cursors, **reached}, unstored={**self.unstored, **reached}, flight=None)

    def _went_on(self, center: str, last: int) -> Outgoing:
        """The backlog of this center that was worked at is done up to `last`. The next center has its turn."""
        backlogs = dict(self.backlogs)
        first, *others = backlogs.pop(center)
        if rest := (*_rest(first, last), *others):
            backlogs[center] = rest
        return replace(self, backlogs=backlogs, flight=None)

    def _repeated(self, last: int | None) -> Outgoing:
        """The states of the first repeat went out up to `last`; None if SQL has no more of them."""
        repeat = self.repeats[0]
        again = tuple(Repeat(repeat.at_s, backlog) for backlog in _rest(repeat.backlog, last))
        return replace(self, repeats=(*again, *self.repeats[1:]), flight=None)

    def failed(self) -> Outgoing:
        """The broker did not take what was in flight, or we can't know: all that was to be sent comes from SQL again.

        Answers are in no SQL, and states that are repeated later have their own time: both stay as they are.
        """
        flight = self.flight if not isinstance(self.flight, Answering) and not _is_repeat(self.flight) else None
        unsent = {publication.center for publication in self.queue}.union(self.backlogs, _centers_of(flight))
        behind = self.behind | unsent
        taken = self.taken + len(self.queue)
        return replace(self, queue=(), queued=0, taken=taken, backlogs={}, behind=behind, flight=None, is_linked=False)

    def stored(self, cursors: Mapping[str, int], now_s: float) -> Outgoing:
        """SQL has these cursors; what was acknowledged meanwhile is still to be stored."""
        unstored = {origin: last for origin, last in self.unstored.items() if last > cursors.get(origin, 0)}
        return replace(self, unstored=unstored, stored_at_s=now_s)


def size_of(publication: Publication) -> int:
    """Return how many events a publication speaks of, the rejected ones too: their receipts take room as well."""
    return publication.last - publication.first + 1


def _backlog(origin: str, after: int, upto: int) -> Backlog:
    return Backlog(origin, origin.split("/")[-2], after, upto)


def _rest(backlog: Backlog, last: int | None) -> tuple[Backlog, ...]:
    """Return what is left of a backlog behind `last`, if anything is."""
    return () if last is None or last >= backlog.upto else (replace(backlog, after=last),)


def _lacks_bytes(publication: Publication) -> bool:
    return any(known.value is None for known in publication.entities)


def _join(backlogs: dict[str, tuple[Backlog, ...]], publication: Publication, after: int | None) -> bool:
    """Put a publication behind what SQL has of its center; return False where nobody knows from where on."""
    waiting = backlogs.get(publication.center, ())
    if waiting and waiting[-1].origin == publication.origin:
        last = replace(waiting[-1], upto=max(waiting[-1].upto, publication.last))
        backlogs[publication.center] = (*waiting[:-1], last)
        return True
    if after is None or len(waiting) >= BACKLOGS_MAX or any(lane.origin == publication.origin for lane in waiting):
        return False
    if publication.last > after:
        backlogs[publication.center] = (*waiting, _backlog(publication.origin, after, publication.last))
    return True


def _comes_from_sql(flight: Flight | None) -> bool:
    return isinstance(flight, Looking | Loading) or (isinstance(flight, Publishing) and flight.is_loaded)


def _is_repeat(flight: Flight | None) -> bool:
    return isinstance(flight, Loading | Publishing) and flight.states_only


def _centers_of(flight: Flight | None) -> Collection[str]:
    match flight:
        case Answering(answers):
            return {answer.center for answer in answers}
        case Looking(centers):
            return centers
        case Loading(backlog):
            return {backlog.center}
        case Publishing(publications):
            return {publication.center for publication in publications}
        case None:
            return set()
