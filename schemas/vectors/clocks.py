"""Vectors of `recorded_at`: the one step back that a verifier allows a lane, and what it does not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from hub.domain.clock import Correction, goes_back
from hub.protocol.moment import write_time
from schemas.vectors.records import START

Row = dict[str, Any]
YEAR: Final = timedelta(days=365)
MICRO: Final = timedelta(microseconds=1)
CORRECTION: Final = Correction(START, START + YEAR, "the server's clock was a year ahead", 1, 20)
Step = tuple[datetime, int, datetime, int]  # recorded_at and basis of a receipt, and of the lane's next one

GOOD: Final[dict[str, Step]] = {
    "forward": (START, 17, START + MICRO, 17),
    "at_the_same_time": (START, 17, START, 17),
    "back_to_the_correction": (START + YEAR / 2, 19, START, 20),
    "back_from_the_end": (START + YEAR, 19, START + MICRO, 20),
    "back_under_a_later_basis": (START + YEAR / 2, 17, START + YEAR / 3, 25),
    "forward_from_beyond_the_end": (START + YEAR + MICRO, 19, START + YEAR + MICRO, 20),
}
BAD: Final[dict[str, Step]] = {
    "back_before_the_correction": (START + YEAR / 2, 17, START + YEAR / 3, 19),
    "back_behind_since": (START + YEAR / 2, 19, START - MICRO, 20),
    "back_from_beyond_the_end": (START + YEAR + MICRO, 19, START + YEAR, 20),
    "back_from_since": (START, 19, START - MICRO, 20),
    "back_a_second_time": (START + YEAR / 2, 20, START + YEAR / 3, 20),
    "back_a_second_time_under_a_later_basis": (START + YEAR / 2, 21, START + YEAR / 3, 25),
}


def clock_vectors() -> Row:
    """Return pairs of receipts that follow on each other, with a correction of HQ's clock in its lane, and without."""
    return {
        "about": "recorded_at and basis of a receipt, and of the next one of the same lane. correction: HQ's last word"
        " of its clock in the hq lane at the later basis, null for none; basis: the size of the hq lane with it, which"
        " is the last sequence of the batch that has it. A bad one goes back, and no verifier allows it.",
        "good": [_row(name, step) for name, step in GOOD.items()],
        "bad": [_row(name, step) for name, step in BAD.items()]
        + [_row("back_without_a_correction", (START + YEAR, 19, START, 20), None)],
    }


def is_good(row: Row) -> bool:
    """Return whether the times of a row go back by no step that is not allowed."""
    said = row["correction"]
    correction = said and Correction(_time(said["since"]), _time(said["ahead_until"]), "", 1, said["basis"])
    before, after = row["before"], row["after"]
    known = correction if correction and correction.basis <= after["basis"] else None
    return not goes_back(_time(before["recorded_at"]), before["basis"], _time(after["recorded_at"]), known)


def _row(name: str, step: Step, correction: Correction | None = CORRECTION) -> Row:
    before, basis, after, later = step
    said = correction and {
        "since": write_time(correction.since),
        "ahead_until": write_time(correction.until),
        "basis": correction.basis,
    }
    return {
        "name": name,
        "before": {"recorded_at": write_time(before), "basis": basis},
        "after": {"recorded_at": write_time(after), "basis": later},
        "correction": said if correction is None or correction.basis <= later else None,
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
