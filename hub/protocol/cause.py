"""Why HQ takes nothing of what a center sends, or not all of it: a closed list, and the line that says one of them.

    <CODE> <its values, one word each> <text>

The line stands as `why` in HQ's database, in its log and in the status note. Its words, in schemas/words/causes.toml,
tell what is so, what the center's office can do, and what a person at HQ does. The text is somebody's, and is quoted
behind them: a person's reason, or the first line of a fault. The status note has it only where the hq lane does, which
is sealed: a row of the database may be edited, and HQ would sign what somebody has put there.
Source: schemas/PROTOCOL.md, "The status note".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self


class CauseCode(StrEnum):
    """What is the matter."""

    UNKNOWN_CENTER = "UNKNOWN_CENTER"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"
    UNKNOWN_KEY = "UNKNOWN_KEY"  # that has sealed
    REVOKED_KEY = "REVOKED_KEY"
    FOREIGN_KEY = "FOREIGN_KEY"  # of another center
    LONG_KEY_MISSING = "LONG_KEY_MISSING"  # a seal without the line of the center's ML-DSA-44 key
    NO_OPENING = "NO_OPENING"  # a lane that begins with another event
    WRONG_ROOT = "WRONG_ROOT"  # a seal that is over other events than those that came
    BAD_SEAL = "BAD_SEAL"  # anything else that is wrong with a seal
    OVERLONG_TAIL = "OVERLONG_TAIL"  # more events came without a good seal than one may be over
    GAP = "GAP"  # events are missing, and requests did not bring them
    FORK = "FORK"  # two valid seals of one size with different roots
    ENGINE_FAULT = "ENGINE_FAULT"
    ROWS_DAMAGED = "ROWS_DAMAGED"  # what HQ's database has of the lane can't be read
    REPEATED_ID = "REPEATED_ID"  # of accepted events; the one remark that an audit has
    OTHER = "OTHER"  # what an earlier release has kept, in its own words


_FORMS: Final = {
    "keys": r"[0-9a-f]{8}(?:,[0-9a-f]{8}){0,7}",
    "epoch": r"[0-9a-f]{8}",
    **dict.fromkeys(("first", "last", "sequence", "size", "count"), r"[1-9][0-9]{0,18}"),
}
_OF_SEAL: Final = (CauseCode.REVOKED_KEY, CauseCode.FOREIGN_KEY, CauseCode.LONG_KEY_MISSING, CauseCode.NO_OPENING,
                   CauseCode.WRONG_ROOT)  # fmt: skip
VALUES: Final[Mapping[CauseCode, tuple[str, ...]]] = {
    **dict.fromkeys(CauseCode, ()),
    CauseCode.UNKNOWN_KEY: ("keys", "epoch"),
    **dict.fromkeys((*_OF_SEAL, CauseCode.BAD_SEAL), ("epoch", "sequence")),
    CauseCode.OVERLONG_TAIL: ("epoch", "first"),
    CauseCode.GAP: ("epoch", "first", "last"),
    CauseCode.FORK: ("epoch", "size"),
    CauseCode.REPEATED_ID: ("count", "epoch", "sequence"),
}
_LINES: Final = {
    str(code): re.compile("".join(rf" (?P<{name}>{_FORMS[name]})" for name in names) + r"(?: (?P<text>.+))?", re.DOTALL)
    for code, names in VALUES.items()
}
_CODED: Final = re.compile(r"[A-Z][A-Z_]{0,39}(?: .+)?", re.DOTALL)


def is_coded(line: str) -> bool:
    """Return whether a line begins with a code, known here or not."""
    return _CODED.fullmatch(line) is not None


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause: `values` are those of its code by name, `text` is what somebody else says of it, '' for nothing."""

    code: CauseCode
    values: Mapping[str, str]
    text: str = ""

    @classmethod
    def of(cls, code: CauseCode, *values: object, text: str = "") -> Self:
        """Return the cause with the values of its code, in their order."""
        return cls(code, {name: str(value) for name, value in zip(VALUES[code], values, strict=True)}, text.strip())

    @classmethod
    def of_seal(cls, detail: str, epoch: str, sequence: int) -> Self:
        """Return why a seal is not good, by the detail with which its records would go to quarantine."""
        for code in _OF_SEAL:
            if detail.startswith(f"{code}:"):
                return cls.of(code, epoch, sequence)
        return cls.of(CauseCode.BAD_SEAL, epoch, sequence, text=detail)

    @classmethod
    def read(cls, line: str) -> Self | None:
        """Return what `to_text` has written; None for a code that this release lacks, or values of another form."""
        code, _, _ = line.partition(" ")
        form = _LINES.get(code)
        found = None if form is None else form.fullmatch(line, len(code))
        if found is None:
            return None
        values = found.groupdict()
        text = values.pop("text") or ""
        return cls(CauseCode(code), values, text)

    @classmethod
    def stored(cls, why: str) -> Self:
        """Return what HQ's database says, also in the words of a release that had no codes."""
        return cls.read(why) or cls.of(CauseCode.OTHER, text=why)

    def to_text(self) -> str:
        """Return it as it is kept; a text of several lines has them still."""
        return " ".join((self.code, *self.values.values(), *filter(None, (self.text,))))

    def bare(self) -> Self:
        """Return it without its text: what HQ's own program says of it, whatever somebody has put into a row."""
        return replace(self, text="")

    def to_line(self) -> str:
        """Return it with the first line of its text alone, as a log has it."""
        return self.to_text().partition("\n")[0].rstrip()
