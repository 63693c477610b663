"""Ten seeded defects, by which it is tried whether a run would see what is wrong: what each does, and where it bites.

None of them is in the product: `tests.torture.started` puts one into a program as it starts (`patches`). Each has a
plan of its own, short and always the same, of the accidents that it takes to be seen; a network without it comes
through the same plan without a finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.torture.plan import DATABASE, Fault, Kind, Size

VARIABLE: Final = "COHUB_TORTURE_DEFECT"
OFFICES: Final = ("c01", "c02", "c03", "c04")
WORKERS: Final = ("worker-1", "worker-2")
BROKERS: Final = ("kafka-1", "kafka-2", "kafka-3")


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect: what it is in a sentence, which programs have it, what befalls them, and which findings tell of it.

    Shapes: `seen_as` are names of findings, of which at least one comes.
    """

    name: str
    what: str
    programs: tuple[str, ...]
    faults: Sequence[Fault]
    seen_as: frozenset[str]

    @property
    def size(self) -> Size:
        """How large a network shows it: one broker will do where none of them is bad."""
        brokers = BROKERS if any(fault.target in BROKERS for fault in self.faults) else BROKERS[:1]
        return Size(OFFICES, WORKERS, brokers, weak=OFFICES[:2])

    @property
    def length_s(self) -> float:
        """How long faults befall the network."""
        return max(fault.ends_s for fault in self.faults) + 5


def _kills(every_s: float = 6.0, times: int = 4, lasts_s: float = 1.0) -> list[Fault]:
    """Return kills of either worker in turn."""
    return [Fault(4 + every_s * number, Kind.KILL, WORKERS[number % 2], lasts_s) for number in range(times)]


def _freezes(*begins_s: float) -> list[Fault]:
    """Return freezes of either worker in turn, so long that its lanes move on and come back."""
    return [Fault(at_s, Kind.FREEZE, WORKERS[number % 2], 13.0) for number, at_s in enumerate(begins_s)]


_HUB: Final = ("hub.cli.main",)
_OFFICE: Final = ("connectors.cli.main",)

EVERY: Final = (
    Defect(
        "position-early",
        "the worker commits a lane's position in a transaction of its own, before what it read",
        _HUB,
        [*_kills(), Fault(30, Kind.DATABASE, DATABASE, 1.0, "SIGQUIT")],
        frozenset({"LEDGER_GAP", "RECEIPT_GAP"}),
    ),
    Defect(
        "no-dedupe",
        "the engine takes what came twice for the next events",
        _HUB,
        [Fault(6, Kind.KILL, worker, 12.0) for worker in WORKERS],
        frozenset({"ENGINE_FAULT", "UNSETTLED"}),  # the lane's own tree does not fit any more,
    ),
    Defect(
        "acks-1",
        "producers believe the leader alone, and repeat without numbers",
        (*_HUB, *_OFFICE),
        # While the others hear nothing of a leader it dies: whoever leads then has less than was acknowledged.
        [
            fault
            for number, name in enumerate(BROKERS)
            for fault in (
                Fault(5 + 45.0 * number, Kind.HOLE, name, 16.0),
                Fault(17 + 45.0 * number, Kind.BROKER, name, 8.0, "SIGKILL"),
            )
        ],
        frozenset({"ACKNOWLEDGED_LOST", "EVENTS_MISSING"}),
    ),
    Defect(
        "receipt-early",
        "the worker sends receipts before it commits what they say",
        _HUB,
        # Whoever starts again honours what was signed; it is the other worker, which goes on, that signs once more.
        _kills(22, 4, 14.0),
        frozenset({"RECEIPT_STRAY", "RECEIPT_HELD"}),
    ),
    Defect(
        "no-fencing",
        "whoever was overtaken goes on to write",
        _HUB,
        _freezes(4, 22, 40),
        frozenset({"LEDGER_KEY"}),
    ),
    Defect(
        "no-seal",
        "the engine takes any signature under a lane for the center's",
        _HUB,
        [Fault(at_s, Kind.STRANGER, name, 0.0) for at_s in (6.0, 12.0, 18.0) for name in OFFICES],
        frozenset({"SEAL_KEY", "UNSAID", "INVENTED"}),
    ),
    Defect(
        "stale-cache",
        "the worker remembers entities of lanes that were another's meanwhile",
        _HUB,
        _freezes(4, 22, 40, 58),
        frozenset({"VERDICT", "ENTITY", "REBUILD"}),
    ),
    Defect(
        "outbox-not-synced",
        "the outbox is written with synchronous=OFF",
        _OFFICE,
        [Fault(at_s, Kind.POWER, OFFICES[number % 2], 1.0) for number, at_s in enumerate((8, 14, 20, 26))],
        frozenset({"UNSAID", "TWICE"}),
    ),
    Defect(
        "cursor-early",
        "the publisher stores its cursor before the broker has what it stands behind",
        _HUB,
        _kills(times=6),
        frozenset({"EVENTS_MISSING", "RECEIPTS_OUT"}),
    ),
    Defect(
        "gap-ignored",
        "the engine takes what lies behind a hole for what comes next, and leaves the lane's tree aside",
        _HUB,
        [
            *(Fault(6, Kind.FREEZE, worker, 14.0) for worker in WORKERS),
            *(Fault(at_s, Kind.TRIMMED, name, 0.0) for at_s in (14.0,) for name in OFFICES),
        ],
        frozenset({"WRONG_PLACE", "SEAL", "LOST"}),
    ),
)
BY_NAME: Final = {defect.name: defect for defect in EVERY}


def put(name: str, module: str) -> None:
    """Put a defect into this process, if it is one of the module's. Errors: KeyError for a name that there is not."""
    if module in BY_NAME[name].programs:
        from tests.torture import patches  # noqa: PLC0415 - it imports half the product

        patches.PATCHES[name](module)
