"""What one check of a hub found: of a closed list of cases, each with its mark, its words and what to do about it.

The words stand in schemas/words/doctor.toml under `<check>.<case>`: `message`, and `remedy` where something is to be
done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from hub.base.obstacle import obstacles_in, plain_obstacle
from schemas.words.said import Said

FILE: Final = "doctor"


class Mark(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARNS = "warns"  # it works, and somebody should look at it soon, or it could not be told
    FAILS = "fails"


class Check(StrEnum):
    """What is looked at, in this order."""

    DATA_DIRECTORY = "data_directory"
    SETTINGS = "settings"
    KEYS = "keys"
    DATABASE = "database"
    DISK = "disk"
    WORKER = "worker"
    BROKER_AS_ADMIN = "broker_as_admin"
    BROKER_AS_WORKER = "broker_as_worker"
    BROKER_AS_WEB = "broker_as_web"
    RIGHTS = "rights"
    CERTIFICATES = "certificates"
    TOPICS = "topics"
    CLOCK = "clock"
    CENTERS = "centers"
    INVITATIONS = "invitations"
    HTTPS = "https"


_OK, _WARNS, _FAILS = Mark.OK, Mark.WARNS, Mark.FAILS
_WEB: Final = {"answers": _OK, "away": _FAILS, "misset": _FAILS}
_BROKER: Final = {**_WEB, "not_known": _WARNS}
CASES: Final[Mapping[Check, Mapping[str, Mark]]] = {
    Check.DATA_DIRECTORY: {"whole": _OK, "missing": _FAILS, "exposed": _FAILS, "unfit": _FAILS},
    Check.SETTINGS: {"read": _OK, "wrong": _FAILS, "exposed": _FAILS},
    Check.KEYS: {"there": _OK, "unfit": _FAILS},
    Check.DATABASE: {"current": _OK, "none": _WARNS, "busy": _WARNS, "unfit": _FAILS},
    Check.DISK: {"free": _OK, "low": _WARNS, "full": _FAILS},
    Check.WORKER: {"runs": _OK, "never": _WARNS, "silent": _FAILS, "stopped": _FAILS},
    Check.BROKER_AS_ADMIN: _BROKER,
    Check.BROKER_AS_WORKER: _BROKER,
    Check.BROKER_AS_WEB: _WEB,
    Check.RIGHTS: {"enough": _OK, "untold": _WARNS, "lacking": _FAILS},
    Check.CERTIFICATES: {"lasts": _OK, "none": _OK, "unseen": _WARNS, "ends_soon": _WARNS, "ended": _FAILS},
    Check.TOPICS: {"as_wanted": _OK, "untold": _WARNS, "otherwise": _WARNS, "missing": _FAILS, "partitions": _FAILS},
    Check.CLOCK: {"agrees": _OK, "untold": _WARNS, "apart": _FAILS},
    Check.CENTERS: {"as_wanted": _OK, "open": _WARNS, "behind": _WARNS},
    Check.INVITATIONS: {"none": _OK, "open": _OK, "asked": _WARNS, "expired": _WARNS, "contested": _FAILS},
    Check.HTTPS: {"answers": _OK, "away": _FAILS, "certificate": _FAILS},
}


@dataclass(frozen=True, slots=True)
class Examined:
    """What a check found. `case` is one of CASES, `values` are filled into its words."""

    check: Check
    case: str
    values: Mapping[str, Any]

    @property
    def mark(self) -> Mark:
        """How it is."""
        return CASES[self.check][self.case]

    @property
    def said(self) -> Said:
        """What is so."""
        return Said(f"{self.check}.{self.case}.message", self.values, FILE)

    @property
    def remedy(self) -> Said | None:
        """What to do; None where there is nothing."""
        return None if self.mark is Mark.OK else Said(f"{self.check}.{self.case}.remedy", self.values, FILE)

    def plain(self) -> dict[str, Any]:
        """Return it as plain values, in English; what is in the way of a broker stands apart, by its code."""
        remedy = self.remedy
        return {
            "check": str(self.check),
            "mark": str(self.mark),
            "code": f"{self.check}.{self.case}",
            "values": {name: _plain(value) for name, value in self.values.items()},
            "said": self.said.text(),
            "remedy": None if remedy is None else remedy.text(),
            "obstacles": [plain_obstacle(one) for value in self.values.values() for one in obstacles_in(value)],
        }


def examined(check: Check, case: str, **values: object) -> Examined:
    """Return what a check found."""
    assert case in CASES[check], f"{check} has no case {case}"
    return Examined(check, case, values)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, int | float) else str(value)
