"""One center's topic as it may be: an honest center, its mistakes, and a stranger who can write it and has no key.

Each act of ACTS writes a few records. What comes of them is another matter: a topic is only ever read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from hypothesis import strategies as st

from hub.ledger.keyring import CenterKeys, Keyring
from hub.protocol.checkpoint import seal
from hub.protocol.control import Presence, seal_key_name
from hub.protocol.limits import BATCH_EVENTS_MAX
from hub.protocol.note import Signer, sign_note
from hub.protocol.record import CONTROL_HEADER, SEAL_HEADER, canonical
from hub.protocol.rules import FIRST, NEWEST
from hub.protocol.tree import Edge, leaf_hash
from tests.support.center import HUB, NOW, Center, Sent

JUNK: Final = Center("uz").offers(1, first=999)[0].without(SEAL_HEADER)
KNOWN, REVOKED, UNKNOWN = (Signer(seal_key_name(HUB, "uz"), seed * 32) for seed in (b"k", b"r", b"u"))
SEALS: Final = ("good", "good", "good", "none", "garbage", "unknown", "revoked", "root", "extended")
EPOCHS: Final = ("0000000a", "0000000b", "0000000c", "0000000d")

ACTS: Final = (
    *["batch"] * 6,
    *["again", "reseal", "lose", "back", "back", "back", "epoch", "late"],  # what an honest center does
    *["stray", "stray", "stray", "seal copied", "epochs", "copy", "flood", "control", "nowhere"],  # what anybody may do
)
Act = tuple[str, int, str, int]
one_act = st.tuples(st.sampled_from(ACTS), st.integers(1, 6), st.sampled_from(SEALS), st.integers(0, 400))
# Long runs are rare, for they are slow: they are there to meet the limits.
FLOOD: Final = 250
NUMBERS: Final = (1, 1, 1, 1, 1, 0, -2, 3, 9)  # a stranger's first number, seen from the end of the lane


def keyring(*, knows: bool = False, strict: bool = False) -> Keyring:
    """Return what HQ has said of keys: `knows` the one that the center used too early."""
    keys = {KNOWN.verifier.public: True, REVOKED.verifier.public: False}
    if knows:
        keys[UNKNOWN.verifier.public] = True
    return Keyring(1, {"uz": CenterKeys(True, keys)}, NEWEST if strict else FIRST)


@dataclass
class Topic:
    """The records so far, and the center that writes."""

    log: list[Sent] = field(default_factory=list)
    center: Center = field(default_factory=lambda: Center("uz", EPOCHS[0], seed=b"k" * 32))
    lane: list[Sent] = field(default_factory=list)  # of the open epoch, as they were made
    before: list[Sent] = field(default_factory=list)  # of the epoch before it
    edges: list[Edge] = field(default_factory=lambda: [Edge()])
    epochs: int = 0

    def write(self, records: Sequence[Sent]) -> None:
        self.log += [replace(record, offset=len(self.log) + n) for n, record in enumerate(records)]

    def event(self) -> Sent:
        number = self.center.edge.size
        made = self.center.offers(1, first=number)[0].without(SEAL_HEADER) if number else self.center.opening()
        self.lane.append(made)
        self.edges.append(self.center.edge)
        return made

    def sealed(self, number: int, how: str) -> Sent:
        """Return the lane's record of that number with a seal, good or bad."""
        record, origin, edge = self.lane[number - 1].without(SEAL_HEADER), self.center.origin, self.edges[number]
        made: dict[str, Callable[[], bytes]] = {
            "good": lambda: seal(origin, edge, KNOWN),
            "unknown": lambda: seal(origin, edge, UNKNOWN),
            "revoked": lambda: seal(origin, edge, REVOKED),
            "root": lambda: seal(origin, Edge().append([b"x" * 32] * edge.size), KNOWN),
            "garbage": lambda: b"no note",
            "extended": lambda: seal(origin, edge, KNOWN, ("more",)),
        }
        return record if how == "none" else record.plus(SEAL_HEADER, made[how]())

    def act(self, what: str, count: int, how: str, at: int) -> None:
        size = len(self.lane)
        match what:
            case "batch" | "lose":
                made = [self.event() for _ in range(count)]
                kept = made[:-1] if what == "batch" else made[1:-1]
                self.write([*kept, self.sealed(len(self.lane), how)])
            case "again":
                first = at % (size + 1)
                self.write([*self.lane[first : first + count], *self._seals(first + count, how)])
            case "back":  # after a producer's error, or a resend request
                self.write([*self.lane[:-1], *self._seals(size, how if at % 2 else "good")])
            case "late":  # what was on its way when a new lane began
                self.write(self.before[-count:])
            case "reseal":
                self.write(self._seals(size - at % 7, how))
            case "epoch":
                if self.epochs + 1 < len(EPOCHS):
                    self.epochs += 1
                    self.center = self.center.next_epoch(EPOCHS[self.epochs])
                    self.before, self.lane, self.edges = self.lane, [], [Edge()]
                    self.act("batch", count, how, at)
            case _:
                self._stranger(what, count, how, at)

    def rest(self, size: int) -> list[Sent]:
        """Return what the center sends again when HQ has `size` events of its lane: batches as they should be."""
        ends = [*range(size + BATCH_EVENTS_MAX, len(self.lane), BATCH_EVENTS_MAX), len(self.lane)]
        found = [self.sealed(n, "good" if n in ends else "none") for n in range(size + 1, len(self.lane) + 1)]
        return [replace(record, offset=len(self.log) + n) for n, record in enumerate(found)]

    def _seals(self, number: int, how: str) -> list[Sent]:
        return [self.sealed(number, how)] if 0 < number <= len(self.lane) else []

    def _stranger(self, what: str, count: int, how: str, at: int) -> None:
        size = len(self.lane)
        first = max(1, size + NUMBERS[at % len(NUMBERS)])
        match what:
            case "stray" | "flood":
                run = count if what == "stray" else FLOOD + at % 20
                self.write(self._junk(self.center, first, run, how, self.center.edge))
            case "seal copied":
                known = [s for r in self.log if (s := dict(r.headers).get(SEAL_HEADER)) is not None]
                junk = self._junk(self.center, first, count, "none")
                self.write([*junk[:-1], junk[-1].plus(SEAL_HEADER, known[at % len(known)])] if known else junk)
            case "epochs":
                for n in range(count):
                    other = Center("uz", f"{(at + n) % 7:08x}", seed=b"u" * 32)
                    self.write(self._junk(other, 1 if n % 2 else 1 + at % 3, 2, how))
            case "copy":
                self.write(self.log[at % (len(self.log) + 1) :][:count])
            case "control":
                who = {"good": KNOWN, "unknown": UNKNOWN, "revoked": REVOKED}.get(how)
                text = Presence("uz", self.center.origin, NOW, size, 0, "cohub 0.1.0").to_text()
                note = b"no note" if who is None else sign_note(text, [who]).to_bytes()
                self.write([Sent(b"uz", note, ((CONTROL_HEADER, b"presence"),))])
            case _:
                self.write([Sent(b"k", b"v" * count, (("ce_epoch", b"x"), ("n", b"")))])

    @staticmethod
    def _junk(center: Center, first: int, count: int, how: str, edge: Edge | None = None) -> list[Sent]:
        """Return records of any numbers, the last under a seal by a key that HQ does not know, or under none.

        Where they follow on the lane's `edge` the seal has the right root.
        """
        template = JUNK.header("ce_epoch", center.epoch.encode())
        made = [template.header("ce_sequence", b"%d" % n) for n in range(first, first + count)]
        if how != "none":
            edge = edge if edge is not None and edge.size == first - 1 else Edge().append([b"y" * 32] * (first - 1))
            edge = edge.append(leaf_hash(canonical(record.headers, record.value)) for record in made)
            made[-1] = made[-1].plus(SEAL_HEADER, seal(center.origin, edge, UNKNOWN))
        return made


def written(acts: Sequence[Act]) -> Topic:
    """Return the topic that `acts` wrote: a lane that is opened, and then whatever came."""
    topic = Topic()
    topic.act("batch", 3, "good", 0)
    for act in acts:
        topic.act(*act)
    return topic
