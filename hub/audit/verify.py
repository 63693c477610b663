"""The whole ledger checked: is this everything, is it unaltered, who said it, does today's state follow from it?

    lanes, their rows, receipts, seals, verdicts     hub/audit/lane.py, center by center, in several processes
    entities and measures                            hub/audit/compare.py, what the lanes fold to beside what is there
    HQ's log                                         hub/audit/log.py
    the archive's segments                           hub/audit/archive.py
    rows that belong to nothing                      hub/audit/strays.py

What is trusted is one thing: the root key, which signed the trust file, which names every other key of the hub. The
centers' keys come out of the hq lane, which is checked first.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from hub.audit.archive import ArchiveCheck
from hub.audit.book import KEPT, EntityBook
from hub.audit.compare import compare_entities, compare_measures
from hub.audit.findings import Finding, Findings, What
from hub.audit.jobs import Tick, run
from hub.audit.lane import WHOLE, CenterCheck, LaneRange
from hub.audit.log import LogCheck, read_outside
from hub.audit.rows import open_damaged
from hub.audit.strays import check_beside, check_strays, sound_lanes
from hub.domain.clock import Correction
from hub.domain.stream import HQ
from hub.protocol.errors import Fatal, UsageError
from hub.protocol.moment import write_time
from hub.protocol.remark import RepeatedIds
from hub.protocol.schema import Schema
from hub.protocol.trust import Trust
from hub.replay.fold import BasisBook
from hub.replay.source import Ledger
from hub.store.released import released_schemas
from hub.store.rows import StoredLane
from hub.store.state import SecondState, open_state

_NOT_JUDGED: Final = "what only a later release can judge: verdicts from there on, and all that follows from them"
STATE: Final = "state.sqlite3"


@dataclass(slots=True)
class AuditReport:
    """What an audit found, what it looked at, what it left out."""

    root: str
    findings: list[Finding] = field(default_factory=list)
    lanes: int = 0
    events: int = 0
    receipts: int = 0
    entities: int = 0
    leaves: int = 0
    lost_leaves: int = 0
    checkpoints: int = 0
    cosignatures: int = 0
    segments: int = 0
    not_checked: list[str] = field(default_factory=list)
    newer: str = ""
    corrections: list[Correction] = field(default_factory=list)  # times that HQ took back
    repeated: dict[str, RepeatedIds] = field(default_factory=dict)  # what centers are to be told, by center

    @property
    def is_good(self) -> bool:
        """Whether nothing was found, and all of it could be judged."""
        return not self.findings and not self.newer

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "good": self.is_good,
            "newer": self.newer or None,
            "trusted_root": self.root,
            "lanes": self.lanes,
            "events": self.events,
            "receipts": self.receipts,
            "entities": self.entities,
            "log": {
                "leaves": self.leaves,
                "lost": self.lost_leaves,
                "checkpoints": self.checkpoints,
                "cosignatures": self.cosignatures,
            },
            "segments": self.segments,
            "not_checked": self.not_checked,
            "clock": [
                {"since": write_time(c.since), "ahead_until": write_time(c.until), "reason": c.reason}
                for c in self.corrections
            ],
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the ledger is looked at: one lane or all, all of it or a window."""

    origin: str | None = None
    window: LaneRange = WHOLE

    @property
    def is_whole(self) -> bool:
        """Whether it leaves nothing out."""
        return self.origin is None and self.window.is_whole


def verify(
    path: Path,
    trust: Trust,
    *,
    scope: Scope | None = None,
    processes: int = 1,
    outside: bytes | None = None,
    begun: Callable[[int], None] = lambda _: None,
    tick: Tick = lambda _: None,
) -> AuditReport:
    """Check HQ's database at `path`; every finding is in the report, and none ends the audit.

    Shapes: `outside` is a checkpoint of HQ's log from elsewhere, such as a witness's copy, that the log must contain;
            `begun` is told how many events there are, `tick` how many more were checked.
    Errors: UsageError where there is no database, or no such lane, or `outside` is not HQ's.
    """
    scope = scope or Scope()
    wanted = [] if outside is None else [read_outside(outside, trust)]
    report = AuditReport(trust.root.to_text())
    findings = Findings()
    try:
        opened = open_damaged(path)
    except Fatal as exc:
        findings.add(What.UNREADABLE, "lane", detail=exc)
        report.findings = findings.sorted()
        report.not_checked = ["everything: the lanes can't be read"]
        return report
    with opened as ledger:
        lanes = ledger.lanes = sound_lanes(ledger, trust.hub, findings)
        centers = _centers(lanes, scope)
        begun(sum(lane.size for lane in lanes if lane.center in centers))
        job = LaneJob(path, trust, scope)
        try:
            for center, part in run(job, centers, processes, tick):
                findings.extend(part.findings)
                report.lanes += part.lanes
                report.events += part.events
                report.receipts += part.receipts
                report.entities += part.entities
                report.newer = report.newer or part.newer
                if part.repeated is not None and center != HQ:
                    report.repeated[center] = part.repeated
            if scope.is_whole:
                check_strays(ledger, findings)
            if scope.is_whole and not report.newer:
                bases = job.bases()
                report.corrections = [correction for _, correction in bases.corrections]
                wanted += check_beside(ledger, trust, bases, findings)
                archive = ArchiveCheck(ledger, findings)
                archive.check()
                report.segments = archive.segments
                log = LogCheck(ledger, trust, bases, findings)
                log.check(wanted)
                report.leaves, report.checkpoints, report.cosignatures = log.leaves, log.checkpoints, log.cosignatures
                report.lost_leaves = log.lost
        finally:
            job.close()
    report.findings = findings.sorted()
    report.not_checked = [*_not_checked(scope), *([_NOT_JUDGED] if report.newer else [])]
    return report


def _centers(lanes: Sequence[StoredLane], scope: Scope) -> list[str]:
    """Return the centers that are to be checked, the largest first: so several processes end at about one time."""
    sizes: dict[str, int] = {}
    for lane in lanes:
        sizes[lane.center] = sizes.get(lane.center, 0) + lane.size
    if scope.origin is not None:
        found = [lane.center for lane in lanes if lane.origin == scope.origin]
        if not found:
            known = ", ".join(lane.origin for lane in lanes) or "none"
            raise UsageError(f"there is no lane {scope.origin}; known are {known}")
        return found
    return sorted(sizes, key=lambda center: (center != HQ, -sizes[center], center))


def _not_checked(scope: Scope) -> list[str]:
    if scope.is_whole:
        return []
    left_out = ["other lanes"] if scope.origin is not None else []
    if not scope.window.is_whole:
        left_out.append("events outside of the window")
        left_out.append("verdicts, entity links and state digests: they follow from a lane's beginning")
    return [
        *left_out,
        "entities and measures",
        "HQ's log",
        "the archive's segments, but for the bytes of these events",
        "quarantine and proofs of forks",
    ]


@dataclass(slots=True)
class CenterAudit:
    """What came of one center."""

    findings: list[Finding]
    lanes: int = 0
    events: int = 0
    receipts: int = 0
    entities: int = 0
    newer: str = ""
    measures: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    repeated: RepeatedIds | None = None


class LaneJob:
    """Checks the lanes of one center after another, in whatever process it is called in."""

    def __init__(self, path: Path, trust: Trust, scope: Scope) -> None:
        self.path = path
        self.trust = trust
        self.scope = scope
        self._open: tuple[Ledger, Mapping[str, Schema], BasisBook, CenterCheck | None] | None = None

    def __getstate__(self) -> tuple[Path, Trust, Scope]:
        return self.path, self.trust, self.scope

    def __setstate__(self, state: tuple[Path, Trust, Scope]) -> None:
        self.path, self.trust, self.scope = state
        self._open = None

    def close(self) -> None:
        """Close what this process opened."""
        if self._open is not None:
            self._open[0].close()
            self._open = None

    def bases(self) -> BasisBook:
        """Return the bases that the hq lane gives, folded in this process."""
        return self._opened()[2]

    def _opened(self) -> tuple[Ledger, Mapping[str, Schema], BasisBook, CenterCheck | None]:
        if self._open is None:
            ledger, released = open_damaged(self.path), released_schemas()
            ledger.lanes = sound_lanes(ledger, self.trust.hub, Findings())
            bases = BasisBook(self.trust.hqs, released)
            # The bases are needed before anything: the hq lane is gone through here, and told of where it is the task.
            check = CenterCheck(ledger, self.trust, bases, EntityBook(open_state()), Findings())
            for lane in ledger.lanes:
                if lane.center == HQ:
                    check.check(lane)
            self._open = ledger, released, bases, check
        return self._open

    def __call__(self, center: str, tick: Tick) -> CenterAudit:
        """Check one center."""
        ledger, released, bases, hq = self._opened()
        findings = Findings()
        lanes = [lane for lane in ledger.lanes if lane.center == center]
        with self._state_of(lanes) as state:
            # The fold of the hq lane makes the bases as it goes; in a window nothing is folded.
            own = BasisBook(self.trust.hqs, released) if center == HQ and self.scope.window.is_whole else bases
            check = CenterCheck(ledger, self.trust, own, EntityBook(state), findings, tick)
            for lane in lanes:
                self._lane(check, lane)
            part = CenterAudit([], check.lanes, check.events, check.receipts)
            part.newer = bases.newer or check.newer
            if self.scope.is_whole and not part.newer:
                part.entities = self._state(ledger, check, hq, part, center)
        part.findings = findings.sorted()
        return part

    @contextmanager
    def _state_of(self, lanes: Sequence[StoredLane]) -> Iterator[SecondState]:
        """Yield where the entities of these lanes go that are not in memory: nowhere, if all of them will be."""
        if sum(lane.size for lane in lanes) <= KEPT // 2:
            with closing(open_state()) as state:
                yield state
            return
        # Beside the database is room for it; who may not write there audits all the same.
        beside = self.path.parent if os.access(self.path.parent, os.W_OK) else None
        with (
            tempfile.TemporaryDirectory(prefix=".verify-", dir=beside, ignore_cleanup_errors=True) as folder,
            closing(open_state(Path(folder) / STATE)) as state,
        ):
            yield state

    def _lane(self, check: CenterCheck, lane: StoredLane) -> None:
        scope = self.scope
        if scope.origin is None or scope.origin == lane.origin:
            check.check(lane, scope.window)
        elif scope.window.is_whole and lane.id < next(o.id for o in check.ledger.lanes if o.origin == scope.origin):
            with check.findings.unheard():  # an earlier lane, gone through for the fold's sake
                check.check(lane)

    def _state(self, ledger: Ledger, check: CenterCheck, hq: CenterCheck | None, part: CenterAudit, center: str) -> int:
        """Fold what was committed meanwhile, and compare the state with HQ's, all as of one moment."""
        with ledger.reader.snapshot():
            lanes = sound_lanes(ledger, self.trust.hub, Findings())
            for other in (hq, check):
                if other is None or (other is hq and center == HQ):
                    continue
                for lane in lanes:
                    if lane.center == (HQ if other is hq else center):
                        other.check(lane)
            own = [lane for lane in lanes if lane.center == center]
            check.check_closing(own)
            part.repeated = check.check_ids(own)
            count = compare_entities(ledger.reader.audit, center, own, check.book, check.findings)
            compare_measures(ledger.reader.audit, own, check.measures, check.findings)
        return count
