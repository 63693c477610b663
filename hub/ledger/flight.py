"""What goes out of a worker at one time, what of a lane is to be read from SQL, and what is to go out again. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from hub.ledger.publication import Answer, Publication


@dataclass(frozen=True, slots=True)
class Backlog:
    """What of a lane must be read from SQL: behind `after`, at least up to `upto`."""

    origin: str
    center: str
    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """A lane's states that are to go out once more, at a moment.

    Shapes: `is_late` tells the second of the two that follow a takeover; `noted` is not 0 where SQL asks for it, and is
            to be told when it is done.
    """

    at_s: float
    backlog: Backlog
    is_late: bool = False
    noted: int = 0


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


def backlog_of(origin: str, after: int, upto: int) -> Backlog:
    """Return what of a lane is to be read: behind `after`, up to `upto`."""
    return Backlog(origin, center_in(origin), after, upto)


def center_in(origin: str) -> str:
    """Return the center of a lane."""
    return origin.split("/")[-2]


def kind_of(repeat: Repeat) -> tuple[str, bool, bool]:
    """Return by what one repeat takes the place of another."""
    return repeat.backlog.origin, repeat.is_late, repeat.noted > 0


def rest_of(backlog: Backlog, last: int | None) -> tuple[Backlog, ...]:
    """Return what is left of a backlog behind `last`, if anything is."""
    return () if last is None or last >= backlog.upto else (replace(backlog, after=last),)


def comes_from_sql(flight: Flight | None) -> bool:
    """Return whether SQL is being asked, or has told what is in flight."""
    return isinstance(flight, Looking | Loading) or (isinstance(flight, Publishing) and flight.is_loaded)


def is_repeat(flight: Flight | None) -> bool:
    """Return whether the first of the repeats is on its way."""
    return isinstance(flight, Loading | Publishing) and flight.states_only


def centers_of(flight: Flight | None) -> Collection[str]:
    """Return whom this is for, or of."""
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


def repeating(repeats: Sequence[Repeat], again: Iterable[Repeat], first: int) -> tuple[Repeat, ...]:
    """Return `repeats` with these too: each in the place of an older one of its kind, whose events it then covers.

    Shapes: the `first` ones are on their way, and stay as they are.
    """
    waiting = {kind_of(repeat): repeat for repeat in repeats[first:]}
    for repeat in again:
        before, backlog = waiting.get(kind_of(repeat)), repeat.backlog
        if before is not None:
            after, upto = min(before.backlog.after, backlog.after), max(before.backlog.upto, backlog.upto)
            backlog = replace(backlog, after=after, upto=upto)
        waiting[kind_of(repeat)] = replace(repeat, backlog=backlog)
    return (*repeats[:first], *sorted(waiting.values(), key=lambda repeat: repeat.at_s))
