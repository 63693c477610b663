"""What each contender guarantees, as one table; docs/performance.md shows it, and a test holds the page to it."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a contender does with an event beside decoding it, as it is set up in this benchmark."""

    contender: str
    delivery: str
    kept: str
    durable: str
    verified: str
    replay: str
    proof: str


HEAD: Final = (
    "contender",
    "an event counts",
    "what is kept",
    "durable before its offset is acknowledged",
    "signatures and field rules",
    "an earlier state",
    "proof for others",
)
NONE: Final = "no"
AGAIN: Final = "by reading the topics again, while Kafka has them"
GUARANTEES: Final = (
    Guarantee(
        "plain",
        "again at every start: no offset is kept",
        "the latest event, in a dict",
        NONE,
        NONE,
        AGAIN,
        NONE,
    ),
    Guarantee(
        "faust",
        "at least once, in a dict that a restart empties",
        "the latest event, in a dict",
        NONE,
        NONE,
        AGAIN,
        NONE,
    ),
    Guarantee(
        "faust-table",
        "at least once",
        "the latest event, in memory, and each change in a changelog topic",
        "as durable as Kafka, in the changelog topic",
        NONE,
        AGAIN,
        NONE,
    ),
    Guarantee(
        "quix-streams",
        "at least once",
        "the latest event, in RocksDB, and what changed between checkpoints in changelog topics",
        "as durable as Kafka, in the changelog topics",
        NONE,
        AGAIN,
        NONE,
    ),
    Guarantee(
        "faststream",
        "at most once, in a dict that a restart empties: offsets are committed while batches are handled",
        "nothing of its own: the latest event, in the application's dict",
        NONE,
        "the types that the handler names",
        AGAIN,
        NONE,
    ),
    Guarantee(
        "kafka-streams",
        "exactly once, by Kafka's transactions",
        "the latest event, in RocksDB, and each change in a changelog topic",
        "as durable as Kafka, changelog and offset in one transaction",
        NONE,
        AGAIN,
        NONE,
    ),
    Guarantee(
        "hub-silent",
        "exactly once: a place in its lane is taken once, however often it is sent",
        "every event, its verdict, and the latest state of its entity, in a database",
        "synced to disk: ledger, entity, receipt and offset in one transaction",
        "every event's seal, every field rule, what an entity may do next",
        "of any time, from the ledger; a rebuilt state is compared with today's",
        "signed log of HQ, receipts, evidence bundles",
    ),
    Guarantee(
        "hub",
        "as `hub-silent`",
        "as `hub-silent`, and receipts, states and log are published to Kafka",
        "as `hub-silent`",
        "as `hub-silent`",
        "as `hub-silent`",
        "as `hub-silent`, and on Kafka for every center to check",
    ),
)


def table() -> str:
    """Return the table in Markdown."""
    rows = [HEAD, ("---",) * len(HEAD), *(astuple(row) for row in GUARANTEES)]
    return "".join(f"| {' | '.join(_code(n, cell) for n, cell in enumerate(row))} |\n" for row in rows)


def _code(column: int, cell: str) -> str:
    return f"`{cell}`" if column == 0 and cell not in {HEAD[0], "---"} else cell


if __name__ == "__main__":
    print(table(), end="")
