"""Where the sending of one lane stands: what goes out next, what is under way, what has to go out again. Pure.

A lane is sent in its order, batch by batch, from the first event that HQ has not answered. Three things lead back:

    the link was lost        from the first event that the broker has not acknowledged (`linked`)
    HQ asks                  from the event that it asks for, and on from there (`rewound`), once until it answers
    HQ is silent for long    from the first event without an answer, some batches, then on where it was (`awoken`)

What is kept here is lost with the process and is not missed: a new process begins at the first event without receipt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

FLIGHTS_MAX: Final = 8  # batches that the broker has not acknowledged
DETOUR_BATCHES: Final = 64  # sent again at a time when HQ is silent: enough to wake it, little for a weak link
REWIND_PAUSE_S: Final = 0.5
SILENCE_MAX_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Flight:
    """A batch under way to the broker: its number among all departures, its last sequence.

    `last` is 0 where an acknowledgement says nothing any more: HQ has lost what is before this batch, or the lane is
    another one.
    """

    number: int
    last: int
    landed: bool = False


@dataclass(frozen=True, slots=True)
class Detour:
    """Batches that are sent again: how many are left, and the sequence at which the lane goes on afterwards."""

    left: int
    resume: int


@dataclass(frozen=True, slots=True)
class Course:
    """The course of one lane, for one that sends it.

    Shapes: `upcoming` is the sequence that goes out next; the broker has everything up to `acknowledged`, HQ has
            answered everything up to `answered`; `flights` are in the order of their departure; after a failure
            (`is_broken`) nothing is acknowledged any more until there is a new link.
    Units:  moments and durations are in seconds of one monotonic clock.
    """

    answer_wait_s: float  # how long HQ may be silent at first
    silent_since_s: float
    silence_s: float  # how long HQ may be silent now
    upcoming: int = 1
    acknowledged: int = 0
    answered: int = 0
    departures: int = 0
    flights: tuple[Flight, ...] = ()
    detour: Detour | None = None
    rewound_at_s: float = float("-inf")
    rewound_to: int = 0
    asked_at_s: float = float("-inf")  # when a request was followed, and no receipt has come since
    is_broken: bool = False

    @classmethod
    def begin(cls, answer_wait_s: float, now_s: float) -> Course:
        """Return the course of a process that has sent nothing yet."""
        return cls(answer_wait_s, now_s, answer_wait_s)

    @property
    def in_flight(self) -> int:
        """How many batches the broker has not acknowledged."""
        return sum(1 for flight in self.flights if not flight.landed)

    @property
    def is_full(self) -> bool:
        """Whether so much is under way that the broker must answer first."""
        return self.in_flight >= FLIGHTS_MAX

    @property
    def frontier(self) -> int:
        """The first sequence that was never sent on this course, or has to be sent in its order."""
        return self.upcoming if self.detour is None else self.detour.resume

    @property
    def waits_for_answer(self) -> bool:
        """Whether something was sent that HQ has not answered."""
        return self.answered + 1 < self.upcoming

    def silence_left_s(self, now_s: float) -> float | None:
        """Return for how long HQ may still be silent, None if it has nothing to answer; 0 or less: it is too long."""
        return self.silent_since_s + self.silence_s - now_s if self.waits_for_answer else None

    def is_silent(self, now_s: float) -> bool:
        """Return whether HQ has been silent for too long."""
        left_s = self.silence_left_s(now_s)
        return left_s is not None and left_s <= 0

    def restarted(self, answered: int) -> Course:
        """It is another lane than before, or the first one: begin behind what HQ has answered of it."""
        return replace(
            self,
            upcoming=answered + 1,
            acknowledged=answered,
            answered=answered,
            detour=None,
            flights=_speechless(self.flights),
            rewound_at_s=float("-inf"),
            asked_at_s=float("-inf"),
        )

    def linked(self) -> Course:
        """There is a new producer, which knows nothing of what the last one sent: go on where that is not known."""
        known = max(self.acknowledged, self.answered)
        return replace(self, upcoming=known + 1, acknowledged=known, flights=(), detour=None, is_broken=False)

    def departed(self, first: int, last: int, now_s: float) -> Course:
        """The batch `first` to `last` is handed to the producer: it is departure number `departures`."""
        upcoming, detour = last + 1, self.detour
        if detour is not None:
            detour = replace(detour, left=detour.left - 1)
            if detour.left == 0 or upcoming >= detour.resume:
                upcoming, detour = max(upcoming, detour.resume), None
        return replace(
            self,
            upcoming=upcoming,
            detour=detour,
            departures=self.departures + 1,
            flights=(*self.flights, Flight(self.departures + 1, last)),
            # When nothing before this batch waits for an answer, HQ's time begins with it.
            silent_since_s=now_s if self.answered + 1 >= first else self.silent_since_s,
        )

    def landed(self, number: int) -> Course:
        """The broker has acknowledged a departure; it counts when all departures before it have landed too."""
        flights = tuple(replace(flight, landed=True) if flight.number == number else flight for flight in self.flights)
        acknowledged = self.acknowledged
        while flights and flights[0].landed:
            if not self.is_broken:
                acknowledged = max(acknowledged, flights[0].last)
            flights = flights[1:]
        return replace(self, flights=flights, acknowledged=acknowledged)

    def failed(self, number: int) -> Course:
        """The broker has not taken a departure, or we can't know; an earlier link's departures don't count any more."""
        if all(flight.number != number for flight in self.flights):
            return self
        return replace(self, flights=tuple(f for f in self.flights if f.number != number), is_broken=True)

    def answered_to(self, sequence: int) -> Course:
        """HQ has answered everything up to `sequence`, as the outbox has it."""
        return self if sequence == self.answered else replace(self, answered=sequence)

    def heard(self, now_s: float) -> Course:
        """A receipt has come: HQ is not silent."""
        return replace(self, silent_since_s=now_s, silence_s=self.answer_wait_s, asked_at_s=float("-inf"))

    def rewound(self, sequence: int, now_s: float) -> Course:
        """HQ asks for `sequence`: send again from the batch that it is in, and on from there.

        What is still to come is not rewound to, nor what HQ has answered. What was rewound to a moment ago is on its
        way, and asking twice for it is asking once: a request has no time in it, and whoever writes the topic can say
        an old one again. So one is followed until a receipt comes, or for as long as HQ may be silent at first; then
        we send again by ourselves, and may follow the next. HQ may have lost what the broker had: what flies now
        acknowledges nothing any more.
        """
        is_old = sequence <= self.answered or now_s - self.asked_at_s < self.answer_wait_s
        return self if is_old else self.lost(sequence, now_s)

    def lost(self, sequence: int, now_s: float) -> Course:
        """HQ has nothing from `sequence` on, whatever it had answered: send again from there."""
        if self._is_on_its_way(sequence, now_s):
            return self
        return replace(
            self,
            upcoming=sequence,
            acknowledged=min(self.acknowledged, sequence - 1),
            detour=None,
            flights=_speechless(self.flights),
            rewound_at_s=now_s,
            rewound_to=sequence,
            asked_at_s=now_s,
            silent_since_s=now_s,
            silence_s=self.answer_wait_s,
        )

    def awoken(self, now_s: float) -> Course:
        """HQ is silent: send it some batches again from the first without an answer; wait longer the next time."""
        first = self.answered + 1
        course = replace(self, silent_since_s=now_s, silence_s=min(self.silence_s * 2, SILENCE_MAX_S))
        if self._is_on_its_way(first, now_s):
            return course
        detour = Detour(DETOUR_BATCHES, self.frontier)
        return replace(course, upcoming=first, detour=detour, rewound_at_s=now_s, rewound_to=first)

    def _is_on_its_way(self, sequence: int, now_s: float) -> bool:
        if sequence >= self.frontier:
            return True
        return now_s - self.rewound_at_s < REWIND_PAUSE_S and sequence >= self.rewound_to


def _speechless(flights: tuple[Flight, ...]) -> tuple[Flight, ...]:
    """Return flights that fly on, and whose acknowledgement says nothing of the course."""
    return tuple(replace(flight, last=0) for flight in flights)
