"""What a check of a bundle found: every check with its outcome, and every finding with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from hub.protocol.moment import write_time


class Check(StrEnum):
    """What is checked, in the order in which it is told."""

    CONTAINER = "container"  # one whole zip with nothing hidden in it
    FILES = "files"  # every file is as the two lists say, and is one that a bundle has
    TRUST = "trust"  # HQ's keys are signed by the root key that the checker gave
    RECEIPTS = "receipts"  # each is signed by HQ's key for receipts
    SEALS = "seals"  # each is signed by a key of the center that was good when HQ took it
    INCLUSION = "inclusion"  # each event is in the tree that was sealed and receipted
    HQ_LANE = "hq_lane"  # HQ's own lane is whole from its first event
    SCHEMAS = "schemas"  # the schemas that the events name are there, and are those that HQ announced
    VERDICTS = "verdicts"  # each event, judged again, gets the verdict that HQ signed
    STATE = "state"  # the state follows from the events
    COMPLETE = "complete"  # nothing is left out of the range of time
    LOG = "log"  # each receipt is in HQ's log
    CHECKPOINT = "checkpoint"  # HQ signed the log, by both its keys
    WITNESSES = "witnesses"  # more than half of the centers have seen this log
    MANIFEST = "manifest"  # the table of contents says what is there
    SUMMARY = "summary"  # the page for readers is what the evidence gives


class Severity(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"  # something is not as it must be
    NEWER = "newer"  # only a later release can judge it: nothing is said against it
    PENDING = "pending"  # not yet in the log, or not yet seen by enough witnesses: time may mend it
    WARNING = "warning"  # worth knowing; what is proved stays proved


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, and where: a file of the bundle, a lane, a sequence in it."""

    check: Check
    severity: Severity
    detail: str
    file: str = ""
    lane: str = ""
    sequence: int | None = None

    @property
    def weight(self) -> str:
        """What the outcome of its check is called, as far as it decides it."""
        return "failed" if self.severity is Severity.ERROR else str(self.severity)

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "check": str(self.check),
            "severity": str(self.severity),
            "file": self.file,
            "lane": self.lane,
            "sequence": self.sequence,
            "detail": self.detail,
        }


# Without these nothing that comes later can be said to be anybody's word.
_GROUND: Final = (Check.CONTAINER, Check.FILES, Check.TRUST)
# What follows from the evidence by rules alone.
_DERIVED: Final = frozenset({Check.STATE, Check.MANIFEST, Check.SUMMARY})

NEWER: Final = "newer than this checker"
DETAIL_CHARACTERS_MAX: Final = 400
FINDINGS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Origin:
    """Which file was checked, and when: a result that does not say so is of any file."""

    file: str
    sha256: str
    at: datetime

    def to_dict(self) -> dict[str, str]:
        """Return it for JSON."""
        return {"bundle": self.file, "sha256": self.sha256, "checked_at": write_time(self.at)}


@dataclass
class Report:
    """Counts what was looked at, keeps what was found. `findings_left_off` counts those beyond the limit."""

    looked_at: Counter[Check] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    skipped: dict[Check, str] = field(default_factory=dict)
    findings_left_off: int = 0

    def passed(self, check: Check, count: int = 1) -> None:
        """Count things that were looked at under `check`."""
        self.looked_at[check] += count

    def skip(self, check: Check, why: str) -> None:
        """Say why a check was not made; it counts only where nothing was looked at."""
        self.skipped.setdefault(check, why)

    def error(self, check: Check, detail: object, file: str = "", lane: str = "", sequence: int | None = None) -> None:
        """Keep a finding of the heaviest kind."""
        self.found(Severity.ERROR, check, detail, file, lane, sequence)

    def newer(self, check: Check, detail: object, file: str = "", lane: str = "", sequence: int | None = None) -> None:
        """Keep that this checker can't judge something: the checks that stand on it are not made."""
        self.found(Severity.NEWER, check, detail, file, lane, sequence)
        for other in list(Check)[list(Check).index(Check.SCHEMAS) :]:
            self.skip(other, NEWER)

    def found(
        self,
        severity: Severity,
        check: Check,
        detail: object,
        file: str = "",
        lane: str = "",
        sequence: int | None = None,
    ) -> None:
        """Keep a finding. What comes from the bundle is cut and written as characters that can be printed."""
        self.looked_at[check] += 1
        if len(self.findings) >= FINDINGS_MAX:
            self.findings_left_off += 1
            return
        self.findings.append(Finding(check, severity, shown(detail), shown(file), shown(lane), sequence))

    def outcome(self, check: Check) -> str:
        """Return `failed`, `newer`, `pending`, `warning`, `passed` or `skipped`."""
        found = {finding.severity for finding in self.findings if finding.check is check}
        for severity, word in (
            (Severity.ERROR, "failed"),
            (Severity.NEWER, "newer"),
            (Severity.PENDING, "pending"),
            (Severity.WARNING, "warning"),
        ):
            if severity in found:
                return word
        return "passed" if self.looked_at[check] else "skipped"

    def causes(self) -> list[Finding]:
        """Return what stands by itself, in the order in which it was found.

        Where the bundle's own bytes are damaged, or HQ's keys are not to be believed, every later error may follow from
        that alone; and what is derived from the evidence (state, manifest, the page) can't agree with it where that is
        wrong. Such errors are *consequences*: they are told, and accuse nobody.
        """
        return [finding for finding, follows in self._weighed() if not follows]

    def consequences(self) -> list[Finding]:
        """Return the findings that may follow from an earlier one alone."""
        return [finding for finding, follows in self._weighed() if follows]

    def _weighed(self) -> Iterator[tuple[Finding, bool]]:
        """Yield each finding, and whether it is a consequence."""
        order = list(Check)
        wrong = {each.check for each in self.findings if each.severity is Severity.ERROR}
        unreadable = {each.file for each in self.findings if each.check is Check.CONTAINER}
        ground = min((order.index(check) for check in _GROUND if check in wrong), default=len(order))
        for finding in self.findings:
            if order.index(finding.check) > ground:
                # The first word on a file that differs from the list, beside one that is unreadable, stands by itself.
                yield finding, finding.check is not Check.FILES or finding.file in unreadable
            else:
                yield finding, finding.check in _DERIVED and bool(wrong - _DERIVED)

    def has(self, severity: Severity) -> bool:
        """Return whether anything of that weight was found."""
        return any(finding.severity is severity for finding in self.findings)

    @property
    def status(self) -> str:
        """`failed`, `newer than this checker`, `not yet believed`, or `proved`."""
        if self.has(Severity.ERROR) or self.findings_left_off:
            return "failed"
        if self.has(Severity.NEWER):
            return NEWER
        return "not yet believed" if self.has(Severity.PENDING) else "proved"

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "status": self.status,
            "checks": [
                {
                    "check": str(check),
                    "outcome": self.outcome(check),
                    "looked_at": self.looked_at[check],
                    "why_skipped": self.skipped.get(check, "") if self.outcome(check) == "skipped" else "",
                }
                for check in Check
            ],
            "findings": [{**finding.to_dict(), "follows": follows} for finding, follows in self._weighed()],
            "findings_left_off": self.findings_left_off,
        }


def shown(value: object) -> str:
    """Return text that is safe to print, at most `DETAIL_CHARACTERS_MAX` of it."""
    text = str(value)[: DETAIL_CHARACTERS_MAX + 1]
    cut = text if len(text) <= DETAIL_CHARACTERS_MAX else text[:DETAIL_CHARACTERS_MAX] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut)
