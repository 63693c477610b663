"""What a run has to be like when it is over: findings, each with a fixed name, the place and a sentence.

Pure. What each row, event, receipt, topic and leaf of the log became is compared by `tests/support/checker.py`, and the
ledger by the product's own audit and rebuild; here it is judged what the processes did meanwhile, and all is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.support.checker import Finding

UNSETTLED: Final = "UNSETTLED"
ENGINE: Final = "ENGINE_FAULT"
STATUS: Final = "STATUS"
REBUILD: Final = "REBUILD"
MISTAKE: Final = "MISTAKE"
ENDED: Final = (0, -15)  # who has only just begun does not hear the signal yet, and ends of it
SHOWN_MAX: Final = 12
SHOWN_CHARS: Final = 400

# What a program of ours must not print, whatever befalls it: the finding, and the words that tell of it. Three copies
# of each record, and two of them before it is acknowledged, keep what was acknowledged through all that a plan has.
_FORBIDDEN: Final = {
    ENGINE: re.compile(r"engine_fault|lane_damaged|lane_not_published|MemoryError|RecursionError"),
    "ACKNOWLEDGED_LOST": re.compile(r"topics?_lost\b"),
    # Of what the database or a broker did a library may tell with a traceback; these are mistakes in our program.
    MISTAKE: re.compile(r"^(Type|Key|Attribute|Index|Name|Assertion|ZeroDivision|Value|Runtime|Unicode\w+)Error\b"),
    "LEDGER_KEY": re.compile(r"duplicate key value|UniqueViolation"),
}


_PLACE: Final = re.compile(r'\s+File "[^"]+", line ')
_LIBRARY: Final = "site-packages"


@dataclass(frozen=True, slots=True)
class Course:
    """What was seen of a run beside its books.

    Shapes: `unsettled` are sentences, of what was not at its end at the deadline; `statuses` how each program ended
            that was asked to; `printed` the lines of each program's log.
    """

    unsettled: Sequence[str] = ()
    statuses: Mapping[str, int] = field(default_factory=dict)
    printed: Mapping[str, Sequence[str]] = field(default_factory=dict)


def judge(course: Course) -> list[Finding]:
    """Return what is wrong with a course."""
    found = [Finding(UNSETTLED, "the network", what) for what in course.unsettled]
    found += [
        Finding(STATUS, name, f"it ended with {status} when it was asked to end")
        for name, status in course.statuses.items()
        if status not in ENDED
    ]
    for name, lines in course.printed.items():
        found += [Finding(what, name, line) for what, line in _forbidden(lines).items()]
    return found


def _forbidden(lines: Sequence[str]) -> dict[str, str]:
    """Return each kind of line that should not be there, and the first one of it."""
    seen: dict[str, str] = {}
    is_ours = True  # whether the last place of a traceback is in our own code
    for line in lines:
        if _PLACE.match(line):
            is_ours = _LIBRARY not in line
        for what, words in _FORBIDDEN.items():
            if words.search(line) and (what != MISTAKE or is_ours):
                seen.setdefault(what, line[:SHOWN_CHARS])
    return seen


def sentences(findings: Iterable[Finding]) -> list[str]:
    """Return findings as people read them: those of one name together, not more of them than one takes in."""
    by_name: dict[str, list[Finding]] = {}
    for finding in findings:
        by_name.setdefault(finding.what, []).append(finding)
    said = []
    for name, each in by_name.items():
        said += [f"{name} at {one.where}: {one.detail}" for one in each[:SHOWN_MAX]]
        if len(each) > SHOWN_MAX:
            said.append(f"{name}: and {len(each) - SHOWN_MAX} more of it")
    return said
