"""An honest connector's side of a lane: what it writes, spoiled or not, and the topic that it writes it to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.support.center import Center, Sent, offer
from tests.support.peek import peek

CENTERS = ("uz", "kz", "by")
PUBLISHED, REVISED, WITHDRAWN = (f"net.cohub.offer.{name}.v1" for name in ("published", "revised", "withdrawn"))

SPOILED: dict[str, Callable[[Sent], Sent]] = {
    "well": lambda r: r,
    "cut": lambda r: replace(r, value=(r.value or b"")[:-1]),
    "empty": lambda r: replace(r, value=None),
    "unknown schema": lambda r: r.header("ce_dataschema", b"urn:sha256:" + b"0" * 64),
    "wrong key": lambda r: replace(r, key=b"uz:another"),
    "future": lambda r: r.header("ce_time", b"2999-01-01T00:00:00Z"),
}

# One event: its type, the number of its entity, its title, and how it is spoiled.
Said = tuple[str, int, int, str]
Batches = list[list[Said]]
said = st.tuples(
    st.sampled_from([PUBLISHED, REVISED, WITHDRAWN]),
    st.integers(0, 3),
    st.integers(0, 9),
    st.sampled_from(["well"] * 6 + list(SPOILED)),
)
lane = st.lists(st.lists(said, min_size=1, max_size=5), min_size=1, max_size=6)
script = st.fixed_dictionaries({center: st.lists(lane, min_size=1, max_size=2) for center in CENTERS})


def write_lane(center: Center, batches: Batches, previous: Center | None) -> list[list[Sent]]:
    """Return the sealed batches of one lane, the first of which opens it."""
    opening: dict[str, Any] = {}
    if previous is not None:
        opening = {
            "previous_origin": previous.origin,
            "previous_size": previous.edge.size,
            "previous_root": previous.edge.root.hex(),
            "reason": "a new outbox",
        }
    written = [[center.sealed(center.opening(**opening))]]
    for batch in batches:
        records = []
        for kind, number, title, spoiled in batch:
            value = {"reason": "sold"} if kind == WITHDRAWN else offer(f"Title {title}")
            records.append(center.append(SPOILED[spoiled](center.event(kind, f"K-{number}", value))))
        written.append([*records[:-1], center.sealed(records[-1])])
    return written


@dataclass
class Sender:
    """An honest connector and its topic: it forgets nothing that it sealed, and sends batches from their start."""

    center: str
    lanes: list[list[list[Sent]]]
    log: list[Sent] = field(default_factory=list)  # what Kafka holds; offsets only grow, and may have holes
    lane: int = 0
    batch: int = 0
    offset: int = 0

    @property
    def epoch(self) -> str:
        return f"{self.lane + 1:08x}"

    def size(self, lane: int) -> int:
        return sum(len(batch) for batch in self.lanes[lane])

    def write(self, records: Sequence[Sent]) -> None:
        for record in records:
            self.log.append(replace(record, offset=self.offset))
            self.offset += 1

    def send(self) -> None:
        if self.batch < len(self.lanes[self.lane]):
            self.write(self.lanes[self.lane][self.batch])
            self.batch += 1

    def send_part(self, count: int) -> None:
        """Die while sending: the same batch is sent from its start by the next send."""
        if self.batch < len(self.lanes[self.lane]):
            self.write(self.lanes[self.lane][self.batch][:count])

    def rewind(self, sequence: int) -> None:
        """Go back to the start of the batch that `sequence` is in."""
        first = 1
        for number, batch in enumerate(self.lanes[self.lane]):
            if sequence < first + len(batch):
                self.batch = min(self.batch, number)
                return
            first += len(batch)

    def zombie(self, count: int) -> None:
        """An old producer's batch arrives late, perhaps of a lane that is closed."""
        sent = [b for n, lane in enumerate(self.lanes[: self.lane + 1]) for b in lane[: self.sent_of(n)]]
        if sent:
            self.write(sent[count % len(sent)])

    def sent_of(self, lane: int) -> int:
        return self.batch if lane == self.lane else len(self.lanes[lane])

    def lose(self, count: int, read: int) -> None:
        """The broker loses what it had acknowledged, as far as nobody has read it."""
        unread = sum(1 for record in self.log if record.offset >= read)
        del self.log[len(self.log) - min(count, unread) :]


def senders(script: dict[str, list[Batches]]) -> dict[str, Sender]:
    """Return a sender for each center of `script`, its lanes written and sealed."""
    found = {}
    for name, lanes in script.items():
        written, previous = [], None
        for number, batches in enumerate(lanes):
            center = Center(name, f"{number + 1:08x}")
            center._numbers = itertools.count(1 + number * 1000)  # a center never makes one event id twice
            written.append(write_lane(center, batches, previous))
            previous = center
        found[name] = Sender(name, written)
    return found


def outcome(database: Path) -> dict[str, list[Any]]:
    """Return every verdict, every lane's state digest, every entity and measure."""
    return {
        "verdicts": peek(
            database,
            "SELECT origin, sequence, digest, code, field, params, version FROM ledger"
            " JOIN lane ON id = lane_id ORDER BY 1, 2",
        ),
        "lanes": peek(database, "SELECT origin, size, edge, state_digest, closed_by, missing FROM lane ORDER BY 1"),
        "entities": peek(database, "SELECT stream, id, version, digest, sequence FROM entity ORDER BY 1, 2"),
        "measures": peek(
            database,
            "SELECT origin, key, CAST(value AS INTEGER) FROM measure JOIN lane ON id = lane_id"
            " WHERE CAST(value AS INTEGER) <> 0 ORDER BY 1, 2",
        ),
    }


def of_centers(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the outcome without HQ's own lane: HQ says more in one run than in the other."""
    own = ("/hq/", "hq:")
    return {
        what: [row for row in rows if own[0] not in str(row[0]) and not str(row[1]).startswith(own[1])]
        for what, rows in found.items()
    }
