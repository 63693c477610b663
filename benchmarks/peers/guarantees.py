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
    "other times",
    "proof for others",
)
NONE: Final = "no"
GUARANTEES: Final = (
    Guarantee("plain", "once while the process lives", "latest event, in a dict", NONE, NONE, NONE, NONE),
    Guarantee("faust", "once while the process lives", "latest event, in a dict", NONE, NONE, NONE, NONE),
    Guarantee(
        "faust-table",
        "at least once",
        "latest event, in memory, and each change in a changelog topic",
        "yes, in the changelog topic",
        NONE,
        "from the changelog, until Kafka compacts it",
        NONE,
    ),
    Guarantee(
        "quix-streams",
        "at least once",
        "latest event, in RocksDB, and each checkpoint's changes in changelog topics",
        "yes, in the changelog topics",
        NONE,
        "from the changelogs, until Kafka compacts them",
        NONE,
    ),
    Guarantee(
        "faststream",
        "at most once by default: offsets are committed when a batch is taken",
        "nothing of its own: a dict of the application",
        NONE,
        "the types that the handler names",
        NONE,
        NONE,
    ),
    Guarantee(
        "kafka-streams",
        "exactly once, by Kafka's transactions",
        "latest event, in RocksDB, and each change in a changelog topic",
        "yes, changelog and offset in one transaction",
        NONE,
        "from the changelog, until Kafka compacts it",
        NONE,
    ),
    Guarantee(
        "hub-silent",
        "exactly once: a place in its lane is taken once, however often it is sent",
        "every event, its verdict and the latest state of its entity, in a database",
        "yes: ledger, entity, receipt and offset in one transaction, synced to disk",
        "seal of every event, every field rule, what an entity may do next",
        "any earlier time, from the ledger, and a rebuilt state is compared",
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
