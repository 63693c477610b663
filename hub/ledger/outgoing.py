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
from hub.ledger.publication import Answer, Publication

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

    Those that were loaded from SQL are the next of `backlogs`, or of `repeats`.
    """

    publications: Sequence[Publication]
    states_only: bool = False
    is_loaded: bool = False


Flight = Answering | Looking | Loading | Publishing


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What one worker has to publish, for one that publishes one flight at a time.

    Shapes: `queue` holds the publications of `queued` events; the centers that are `behind` may have something in SQL
            that is not here, `backlogs` are known to; the broker has everything of a lane up to its `cursors`, of which
            those in `unstored` are not in SQL yet; `has_loaded` says that the newest flight came from SQL; a producer
            is there while it `is_linked`.
    Units:  moments are in seconds of one monotonic clock.
    """

    queue: tuple[Publication, ...] = ()
    queued: int = 0
    answers: tuple[Answer, ...] = ()
    behind: frozenset[str] = frozenset({HQ})
    backlogs: tuple[Backlog, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    cursors: Mapping[str, int] = field(default_factory=dict)
    unstored: Mapping[str, int] = field(default_factory=dict)
    stored_at_s: float = float("-inf")
    flight: Flight | None = None
    has_loaded: bool = False
    is_linked: bool = False

    @property
    def is_crowded(self) -> bool:
        """Whether consolidating should wait: what was left to SQL would cost twice.

        While publishing fails nothing waits for it: the ledger does not depend on it.
        """
        return self.queued > ROOM_EVENTS and self.is_linked

    def owes(self, centers: Collection[str]) -> bool:
        """Return whether anything that was offered for these centers is still to reach the broker, and may soon."""
        if not centers or not self.is_linked:
            return False
        if not set(centers).isdisjoint(_centers_of(self.flight)):
            return True
        return any(publication.center in centers for publication in self.queue)

    @property
    def centers(self) -> frozenset[str]:
        """Whom something may have to be sent to, after a failure."""
        return (self.behind | {answer.center for answer in self.answers}) - {HQ}

    def to_store(self, now_s: float) -> Mapping[str, int]:
        """Return the cursors that it is time to store, under load."""
        return self.unstored if now_s - self.stored_at_s > CURSOR_DELAY_MAX_S else {}

    def offered(self, found: Iterable[Publication]) -> Outgoing:
        """A commit has made this publishable; over the limit, or where a record's bytes are missing, SQL has it."""
        taken, left, queued, lacking = [], set(), self.queued, []
        for publication in found:
            if queued > QUEUE_EVENTS_MAX:
                left.add(publication.center)
            elif any(known.value is None for known in publication.entities):
                lacking.append(publication)
            else:
                taken.append(publication)
                queued += size_of(publication)
        rest = self._left_to_sql(lacking) if lacking else self
        return replace(rest, queue=(*self.queue, *taken), queued=queued, behind=rest.behind | left)

    def _left_to_sql(self, found: Iterable[Publication]) -> Outgoing:
        """Read these from SQL; where it is known from where on, nobody has to look for their lanes."""
        waiting, left = {backlog.origin: backlog for backlog in self.backlogs}, set()
        for publication in found:
            origin = publication.origin
            after = self.cursors.get(origin, 0 if publication.first == 1 else None)
            if (known := waiting.get(origin)) is not None:
                waiting[origin] = replace(known, upto=max(known.upto, publication.last))
            elif after is not None and len(waiting) < BACKLOGS_MAX:
                waiting[origin] = _backlog(origin, after, publication.last)
            else:
                left.add(publication.center)
        return replace(self, backlogs=tuple(waiting.values()), behind=self.behind | left)

    def asked(self, answer: Answer) -> Outgoing:
        """A center is to have an answer, if there is room for it."""
        return self if len(self.answers) >= ANSWERS_MAX else replace(self, answers=(*self.answers, answer))

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

        Answers first, they are few and awaited. What SQL has of a lane goes out before what is queued of it; but the
        queue of all others and SQL take turns, so that a lane with much in SQL holds up nobody.
        """
        assert self.flight is None, self.flight
        if self.answers:
            return replace(self, flight=Answering(self.answers[:SEND_ANSWERS_MAX]))
        if self.behind:
            # A center that falls behind again meanwhile is marked again, and stays marked.
            return replace(self, flight=Looking(self.behind), behind=frozenset())
        if self.queue and self.has_loaded:
            return replace(self._departed_queue(now_s), has_loaded=False)
        if self.backlogs:
            return replace(self, flight=Loading(self.backlogs[0]), has_loaded=True)
        if self._is_due(now_s):
            return replace(self, flight=Loading(self.repeats[0].backlog, states_only=True), has_loaded=True)
        return self._departed_queue(now_s) if self.queue else self

    def _departed_queue(self, now_s: float) -> Outgoing:
        ready: list[Publication] = []
        left: set[str] = set()
        reached: dict[str, int] = {}  # by what departs here
        waiting = {backlog.origin: backlog for backlog in self.backlogs}
        events = taken = sent = 0
        for publication in self.queue:
            if sent >= SEND_EVENTS_MAX:
                break
            taken += 1
            events += size_of(publication)
            origin = publication.origin
            if (backlog := waiting.get(origin)) is not None:
                waiting[origin] = replace(backlog, upto=max(backlog.upto, publication.last))
                continue
            known = reached.get(origin, self.cursors.get(origin, 0 if publication.first == 1 else None))
            if known is None or publication.first > known + 1:
                left.add(publication.center)
            elif publication.last > known:
                ready.append(publication)
                sent += size_of(publication)
                reached[origin] = publication.last
        flight = Publishing(ready) if ready else None
        rest = replace(
            self,
            queue=self.queue[taken:],
            queued=self.queued - events,
            behind=self.behind | left,
            backlogs=tuple(waiting.values()),
            flight=flight,
        )
        return rest if ready else replace(rest, has_loaded=False).departed(now_s)

    def looked(self, cursors: Iterable[tuple[str, int]], unpublished: Iterable[tuple[str, int, int]]) -> Outgoing:
        """SQL has told of the lanes that are looked at: their cursors, and (origin, published, size) of some.

        What the broker has acknowledged since a cursor was stored counts: it is not sent again.
        """
        assert isinstance(self.flight, Looking)
        reached = dict(self.cursors)
        for origin, stored in cursors:
            reached[origin] = max(stored, reached.get(origin, 0))
        waiting = {backlog.origin: backlog for backlog in self.backlogs}
        for origin, stored, size in unpublished:
            after = max(stored, reached.get(origin, 0))
            if after < size:
                waiting[origin] = _backlog(origin, after, size)  # in its place, if it has one
        return replace(self, cursors=reached, backlogs=tuple(waiting.values()), flight=None)

    def loaded(self, found: Publication | None) -> Outgoing:
        """SQL has told the publication that was asked for: it is in flight; without one there is no more."""
        assert isinstance(self.flight, Loading)
        if found is None:
            return self._went_on(repeats=self.flight.states_only, last=None)
        return replace(self, flight=Publishing((found,), self.flight.states_only, is_loaded=True))

    def unreadable(self) -> Outgoing:
        """SQL can't give back what was asked for: nothing of its center is asked for until somebody looks again."""
        assert isinstance(self.flight, Loading)
        center = self.flight.backlog.center
        return replace(
            self,
            backlogs=tuple(backlog for backlog in self.backlogs if backlog.center != center),
            repeats=tuple(repeat for repeat in self.repeats if repeat.backlog.center != center),
            flight=None,
        )

    def landed(self) -> Outgoing:
        """The broker has acknowledged all that was in flight: cursors move, and answers are done."""
        flight = self.flight
        assert isinstance(flight, Answering | Publishing)
        if isinstance(flight, Answering):
            return replace(self, answers=self.answers[len(flight.answers) :], flight=None)
        if flight.states_only:
            return self._went_on(repeats=True, last=flight.publications[-1].last)
        # Of each lane in order, so that the last one counts. Another owner may have been faster.
        reached = {p.origin: max(p.last, self.cursors.get(p.origin, 0)) for p in flight.publications}
        found = self._went_on(repeats=False, last=flight.publications[-1].last) if flight.is_loaded else self
        return replace(found, cursors={**self.cursors, **reached}, unstored={**self.unstored, **reached}, flight=None)

    def _went_on(self, *, repeats: bool, last: int | None) -> Outgoing:
        """The backlog that was worked at is done up to `last`; None if SQL has no more of it."""
        if repeats:
            repeat = self.repeats[0]
            again = tuple(Repeat(repeat.at_s, backlog) for backlog in _rest(repeat.backlog, last))
            return replace(self, repeats=(*again, *self.repeats[1:]), flight=None)
        return replace(self, backlogs=(*_rest(self.backlogs[0], last), *self.backlogs[1:]), flight=None)

    def failed(self) -> Outgoing:
        """The broker did not take what was in flight, or we can't know: all that was to be sent comes from SQL again.

        Answers are in no SQL, and states that are repeated later have their own time: both stay as they are.
        """
        flight = self.flight if not isinstance(self.flight, Answering) and not _is_repeat(self.flight) else None
        unsent = (
            {p.center for p in self.queue} | {backlog.center for backlog in self.backlogs} | set(_centers_of(flight))
        )
        behind = self.behind | unsent
        return replace(self, queue=(), queued=0, backlogs=(), behind=behind, flight=None, is_linked=False)

    def stored(self, cursors: Mapping[str, int], now_s: float) -> Outgoing:
        """SQL has these cursors; what was acknowledged meanwhile is still to be stored."""
        unstored = {origin: last for origin, last in self.unstored.items() if last > cursors.get(origin, 0)}
        return replace(self, unstored=unstored, stored_at_s=now_s)

    def _is_due(self, now_s: float) -> bool:
        return bool(self.repeats) and self.repeats[0].at_s <= now_s


def size_of(publication: Publication) -> int:
    """Return how many events a publication speaks of, the rejected ones too: their receipts take room as well."""
    return publication.last - publication.first + 1


def _backlog(origin: str, after: int, upto: int) -> Backlog:
    return Backlog(origin, origin.split("/")[-2], after, upto)


def _rest(backlog: Backlog, last: int | None) -> tuple[Backlog, ...]:
    """Return what is left of a backlog behind `last`, if anything is."""
    return () if last is None or last >= backlog.upto else (replace(backlog, after=last),)


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
