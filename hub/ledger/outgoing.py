"""Where publishing stands: what goes out next, what is in flight, what the broker has acknowledged. Pure.

Every lane goes out in its order, from its cursor on. What a commit hands over in memory is the fast path; everything
else, and everything after a failure, is read from SQL. So a process that dies loses nothing but answers, and a center
that gets none asks again.

    a commit               queued, or left to SQL: where too much waits, or the bytes of a record are not in memory
    a lane is taken over   its center is behind: SQL is asked what the last owner left; its states go out again, twice
    it was taken from us   nothing of its center goes out any more
    the broker has it      the cursor moves; it is stored within a second
    the broker failed      nothing is in flight or queued any more: all of it is behind, and comes from SQL
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from hub.domain.stream import HQ
from hub.ledger.flight import (
    Answering,
    Asked,
    Backlog,
    Flight,
    Loading,
    Looking,
    Publishing,
    Repeat,
    backlog_of,
    center_in,
    centers_of,
    comes_from_sql,
    is_repeat,
    repeating,
    rest_of,
)
from hub.ledger.publication import RECEIPT, Answer, Publication

QUEUE_EVENTS_MAX: Final = 20_000  # over it a lane is left to SQL
ROOM_EVENTS: Final = 6_000  # over it consolidating waits, as long as publishing goes on at all
SEND_EVENTS_MAX: Final = 4_000  # in flight
BACKLOGS_MAX: Final = 256  # over it SQL is asked for lanes that fell behind, all of a center's at once
ANSWERS_MAX: Final = 10_000  # over it an answer is dropped: who gets none asks again
SEND_ANSWERS_MAX: Final = 1_000  # in flight
CURSOR_DELAY_MAX_S: Final = 1.0  # until an acknowledged cursor is stored, under load


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What one worker has to publish, for one that publishes one flight at a time.

    Shapes: `queue` holds the publications of `queued` events, `taken` were in it before; the centers that are `behind`
            may have something in SQL that is not here, `backlogs` are what is known of it, of each center its oldest
            lane first, and the center whose turn is next first; the broker has everything of a lane up to its
            `cursors`, of which those in `unstored` are not in SQL yet; `has_loaded` says that the newest flight came
            from SQL; a producer is there while it `is_linked`. What is queued of the centers in `gone` is somebody
            else's to send; `settled` has the lanes whose noted states went out, each with the number of its note.
    Units:  moments are in seconds of one monotonic clock.
    """

    queue: tuple[Publication, ...] = ()
    queued: int = 0
    taken: int = 0
    answers: tuple[Asked, ...] = ()
    behind: frozenset[str] = frozenset()
    backlogs: Mapping[str, tuple[Backlog, ...]] = field(default_factory=dict)
    repeats: tuple[Repeat, ...] = ()
    settled: tuple[tuple[str, int], ...] = ()
    gone: frozenset[str] = frozenset()
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
        if not comes_from_sql(self.flight) and not owed.isdisjoint(centers_of(self.flight)):
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

    def adopted(
        self,
        centers: Collection[str],
        unpublished: Iterable[tuple[str, int, int]],
        at_s: float,
        late_s: float = float("inf"),
    ) -> Outgoing:
        """These centers' lanes are ours now: publish what their last owner left, and its states again at these moments.

        A state that the last owner sent may arrive after a newer one of ours; sent again, the newest stands last.
        """
        moments = [(at_s, False), *([(late_s, True)] if late_s < float("inf") else [])]
        found = [backlog_of(*lane) for lane in unpublished]
        again = [Repeat(moment, lane, is_late) for moment, is_late in moments for lane in found]
        repeats = repeating(self.repeats, again, self._on_its_way)
        return replace(self.looked_at(centers), repeats=repeats, gone=self.gone.difference(centers))

    def noted_again(self, found: Iterable[tuple[str, int, int, int]], now_s: float) -> Outgoing:
        """SQL has (origin, after, size, times) of lanes whose states somebody has sent too late."""
        known = {(repeat.backlog.origin, repeat.noted) for repeat in self.repeats} | set(self.settled)
        again = [
            Repeat(now_s, backlog_of(origin, after, size), noted=times)
            for origin, after, size, times in found
            if (origin, times) not in known
        ]
        return replace(self, repeats=repeating(self.repeats, again, self._on_its_way))

    @property
    def _on_its_way(self) -> int:
        """How many of the repeats are in flight: the first one, or none."""
        return 1 if is_repeat(self.flight) else 0

    def dropped(self, centers: Collection[str]) -> Outgoing:
        """These centers' lanes are somebody else's: nothing of theirs is sent any more.

        Only between two flights. What the broker has acknowledged is still to be stored.
        """
        assert self.flight is None, self.flight
        return replace(
            self,
            gone=self.gone.union(centers),
            behind=self.behind.difference(centers),
            backlogs={center: lanes for center, lanes in self.backlogs.items() if center not in centers},
            repeats=tuple(repeat for repeat in self.repeats if repeat.backlog.center not in centers),
            settled=tuple((origin, times) for origin, times in self.settled if center_in(origin) not in centers),
        )

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
            if center in left or center in self.gone:
                continue  # SQL is asked for all of it, in its order; by somebody else, if it is gone
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
                backlog = backlog_of(origin, after, size)
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
        if rest := (*rest_of(first, last), *others):
            backlogs[center] = rest
        return replace(self, backlogs=backlogs, flight=None)

    def _repeated(self, last: int | None) -> Outgoing:
        """The states of the first repeat went out up to `last`; None if SQL has no more of them."""
        repeat = self.repeats[0]
        again = tuple(replace(repeat, backlog=backlog) for backlog in rest_of(repeat.backlog, last))
        settled = self.settled if again or not repeat.noted else (*self.settled, (repeat.backlog.origin, repeat.noted))
        return replace(self, repeats=(*again, *self.repeats[1:]), settled=settled, flight=None)

    def failed(self) -> Outgoing:
        """The broker did not take what was in flight, or we can't know: all that was to be sent comes from SQL again.

        Answers are in no SQL, and states that are repeated later have their own time: both stay as they are.
        """
        flight = self.flight if not isinstance(self.flight, Answering) and not is_repeat(self.flight) else None
        unsent = {publication.center for publication in self.queue}.union(self.backlogs, centers_of(flight))
        behind = self.behind | unsent
        taken = self.taken + len(self.queue)
        return replace(self, queue=(), queued=0, taken=taken, backlogs={}, behind=behind, flight=None, is_linked=False)

    def stored(self, cursors: Mapping[str, int], now_s: float) -> Outgoing:
        """SQL has these cursors; what was acknowledged meanwhile is still to be stored."""
        unstored = {origin: last for origin, last in self.unstored.items() if last > cursors.get(origin, 0)}
        return replace(self, unstored=unstored, stored_at_s=now_s)

    def noted_done(self, settled: Collection[tuple[str, int]]) -> Outgoing:
        """SQL knows that these went out again."""
        return replace(self, settled=tuple(one for one in self.settled if one not in settled))


def size_of(publication: Publication) -> int:
    """Return how many events a publication speaks of, the rejected ones too: their receipts take room as well."""
    return publication.last - publication.first + 1


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
        backlogs[publication.center] = (*waiting, backlog_of(publication.origin, after, publication.last))
    return True
