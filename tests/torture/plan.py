"""What befalls a network, and when: drawn from a seed alone, so that a run that failed can be made to fail again.

Pure: the same seed, length, size and kinds give the same faults at the same seconds. How soon each of the processes
comes back is the machine's; so a plan is replayed, and not the course of every packet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

EVERY_S: Final = 15.0
BROKERS: Final = 3
DATABASE: Final = "database"
CLUSTER: Final = "cluster"
CLOCK_JUMPS_S: Final = (-86_400.0, -300.0, -30.0, 30.0, 300.0, 86_400.0)
HOW_MANY: Final = (0, 1, 1, 1, 2, 2, 3)  # faults that begin together, each as likely as it stands here


class Kind(StrEnum):
    """What can befall a part of the network."""

    KILL = "kill"
    FREEZE = "freeze"
    BROKER = "broker"
    ALL_BROKERS = "all brokers"
    DATABASE = "database restart"
    CUT = "link cut"
    ONE_WAY = "one-way link"
    HOLE = "black hole"
    SLOW = "300 ms and loss"
    CLOCK = "clock jump"
    DISK = "disk full"
    POWER = "power cut"
    # Nobody's accident, and so in no plan that is drawn: what a seeded defect needs to be seen.
    STRANGER = "a stranger's records"
    TRIMMED = "records deleted"


# How often each kind is drawn. That all brokers are gone at once is rare, and takes long to heal.
WEIGHTS: Final = {
    Kind.KILL: 4, Kind.FREEZE: 4, Kind.BROKER: 2, Kind.ALL_BROKERS: 1, Kind.DATABASE: 2, Kind.CUT: 2, Kind.ONE_WAY: 2,
    Kind.HOLE: 2, Kind.SLOW: 2, Kind.CLOCK: 2, Kind.DISK: 2, Kind.POWER: 2,
}  # fmt: skip
DRAWN: Final = tuple(WEIGHTS)
STARTS_S: Final = 40.0  # a broker that was down does not count as healed before: nothing else befalls it until then
LINKS: Final = (Kind.CUT, Kind.ONE_WAY, Kind.HOLE, Kind.SLOW)
ROOTS: Final = (Kind.DISK, Kind.POWER)  # they need disks of their own, which only root mounts


@dataclass(frozen=True, slots=True)
class Size:
    """How large the network is. `weak` are the offices whose disk is so made that the power can be cut."""

    offices: tuple[str, ...]
    workers: tuple[str, ...] = ("worker-1", "worker-2")
    brokers: tuple[str, ...] = tuple(f"kafka-{number}" for number in range(1, BROKERS + 1))
    weak: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that befalls one part: when it begins, how long it lasts, and of a clock by how much it jumps.

    Shapes: the target is a program's name, `database`, `cluster`, or a link's: `hq`, `offices` or `database` from
            whoever calls, or a broker's name for all that it says to the other brokers. `how` tells a signal or a
            direction from another.
    Units: seconds, from the first one on.
    """

    at_s: float
    kind: Kind
    target: str
    lasts_s: float
    how: str = ""

    @property
    def ends_s(self) -> float:
        """When it is healed."""
        return self.at_s + self.lasts_s

    def __str__(self) -> str:
        """Return it in short, as a line of the run's report."""
        how = f" ({self.how})" if self.how else ""
        return f"{self.kind} {self.target}{how} {self.lasts_s:.0f} s"


def plan(seed: int, length_s: float, size: Size, kinds: Collection[Kind] = DRAWN) -> list[Fault]:
    """Return what befalls a network of this size within this time, in the order in which it begins.

    Nothing befalls a part to which something happens already, and all is healed when the time is over.
    """
    rng, faults = Random(f"torture {seed}"), list[Fault]()
    usable = [kind for kind in DRAWN if kind in kinds for _ in range(WEIGHTS[kind])]
    steps = int(length_s // EVERY_S)
    for step in range(steps if usable else 0):
        at_s = step * EVERY_S
        for _ in range(rng.choice(HOW_MANY)):
            fault = _fault(rng, at_s, rng.choice(usable), size)
            if fault.ends_s <= length_s and not any(_meets(fault, other) for other in faults):
                faults.append(fault)
    return faults


def told(faults: Iterable[Fault]) -> dict[str, int]:
    """Return how many there are of each kind, in the kinds' order."""
    kinds = [fault.kind for fault in faults]
    return {str(kind): kinds.count(kind) for kind in Kind if kind in kinds}


def _fault(rng: Random, at_s: float, kind: Kind, size: Size) -> Fault:
    lasts_s, brief_s = round(rng.uniform(5, 25), 1), round(rng.uniform(0, 4), 1)
    target, how = rng.choice(links(size)), ""
    match kind:
        case Kind.KILL:
            target, lasts_s = rng.choice([*size.workers * 4, *size.offices]), brief_s
        case Kind.FREEZE:
            target = rng.choice([*size.workers * 4, *size.brokers, *size.offices])
            lasts_s = round(rng.choice([rng.uniform(5, 15), rng.uniform(5, 60)]), 1)
        case Kind.BROKER:
            target, how = rng.choice(size.brokers), rng.choice(["SIGKILL", "SIGKILL", "SIGTERM"])
        case Kind.ALL_BROKERS:
            target, how, lasts_s = CLUSTER, "SIGKILL", round(rng.uniform(2, 15), 1)
        case Kind.DATABASE:
            target, how, lasts_s = DATABASE, rng.choice(["SIGINT", "SIGQUIT"]), brief_s
        case Kind.CLOCK:
            target, how = rng.choice(size.workers), f"{rng.choice(CLOCK_JUMPS_S):+.0f} s"
        case Kind.DISK:
            target = rng.choice([*size.offices[:3], *size.brokers, DATABASE])
        case Kind.POWER:
            target, lasts_s = rng.choice(size.weak or size.offices), brief_s
        case Kind.ONE_WAY:
            how = rng.choice(["up", "down"])
    return Fault(at_s, kind, target, lasts_s, how)


def links(size: Size) -> Sequence[str]:
    """Return the links that can be bad."""
    return ["hq", "hq", "offices", "offices", DATABASE, *size.brokers]


def _meets(one: Fault, other: Fault) -> bool:
    """Return whether two faults would befall the same part at the same time. Links are not the parts they lead to."""
    if one.at_s >= _healed_s(other) or other.at_s >= _healed_s(one):
        return False
    if (one.kind in LINKS) != (other.kind in LINKS):
        return False
    if Kind.ALL_BROKERS in (one.kind, other.kind):
        return all(fault.target == CLUSTER or fault.target.startswith("kafka-") for fault in (one, other))
    return one.target == other.target


def _healed_s(fault: Fault) -> float:
    starts = fault.kind in (Kind.BROKER, Kind.ALL_BROKERS) or (
        fault.kind is Kind.DISK and fault.target.startswith("kafka-")
    )
    return fault.ends_s + (STARTS_S if starts else 0.0)
