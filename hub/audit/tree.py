"""A lane's bytes checked: every row there, at its own place, and the tree over them the one that HQ signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from hub.audit.findings import Findings, What
from hub.audit.walk import ReceiptFacts, Walk, bytes_of
from hub.ledger.reading import Pending
from hub.protocol.errors import Malformed
from hub.protocol.tree import HASH_BYTES, Edge
from hub.store.rows import StoredEvent

LOST_MAX: Final = 100_000  # missing events of one gap that are remembered, to mend what follows on them


class TreeCheck:
    """Checks the rows of one receipt after another, and carries the lane's edge on from each signed root."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def events(self, walk: Walk, first: int, last: int) -> tuple[list[StoredEvent], list[Pending], set[int]]:
        """Return the rows of a range, their events, and the sequences that there is nothing of."""
        rows = walk.rows.range(first, last)
        lost: set[int] = set()
        if len(rows) != last - first + 1:
            for begin, end in _gaps(first, last, rows):
                some = range(begin, min(end, begin + LOST_MAX) + 1)
                lost.update(some)
                for number in some:
                    if number not in walk.rows.unreadable:
                        self._findings.add(What.LEDGER_GAP, "ledger", walk.stored.origin, number)
                if end > some[-1]:
                    self._findings.add(What.LEDGER_GAP, "ledger", walk.stored.origin, some[-1] + 1, end)
        if not all(type(row.data) is bytes and row.data for row in rows):
            bare = {row.sequence: row.data for row in rows if type(row.data) is not bytes or not row.data}
            for number, data in bare.items():
                if number not in walk.rows.gone:
                    is_empty = type(data) is bytes
                    detail = "the row is empty, and no segment has them" if is_empty else "the bytes are no bytes"
                    self._findings.add(What.LEDGER_BYTES, "ledger", walk.stored.origin, number, detail=detail)
            walk.rows.gone.difference_update(bare)
            lost.update(bare)
            rows = [row for row in rows if row.sequence not in lost]
        events = [walk.reader.pending(row) for row in rows]
        epoch = walk.stored.epoch.encode("utf-8", "surrogateescape")
        for event in events:
            headers = event.headers
            if headers.get("ce_sequence") != b"%d" % event.sequence or headers.get("ce_epoch") != epoch:
                self._findings.add(
                    What.WRONG_PLACE, "ledger", walk.stored.origin, event.sequence,
                    detail=f"the headers say {_text(headers.get('ce_epoch'))} {_text(headers.get('ce_sequence'))}",
                )  # fmt: skip
        return rows, events, lost

    def check(
        self, walk: Walk, said: ReceiptFacts, rows: Sequence[StoredEvent], events: Sequence[Pending], lost: set[int]
    ) -> bool:
        """Check digests and root; the lane goes on from the tree that HQ signed. False where that is not known."""
        origin = walk.stored.origin
        leaves = [event.leaf for event in events]
        differ = [row.sequence for row, leaf in zip(rows, leaves, strict=True) if row.digest != leaf]
        edge = walk.lane.edge.append(leaves) if walk.edge_known and not lost else None
        if edge is not None and said.root in (None, edge.root):
            for number in differ:
                self._findings.add(What.LEDGER_DIGEST, "ledger", origin, number)
        else:
            stored = self._edge_of_digests(walk, rows) if differ and walk.edge_known and not lost else None
            if stored is not None and stored.root == said.root:
                for number in differ:
                    self._findings.add(What.LEDGER_BYTES, "ledger", origin, number)
                lost.update(differ)
                edge = stored
            else:
                for number in differ:
                    self._findings.add(What.LEDGER_DIGEST, "ledger", origin, number)
                if walk.edge_known and not lost:
                    self._findings.add(What.RECEIPT_ROOT, "receipt", origin, said.first, said.last)
                lost.update(differ)  # nobody can tell any more whether the bytes or the digest were changed
                edge = None
        if edge is None:
            walk.edge_known = self.adopt(walk, said)
            return walk.edge_known
        walk.lane, walk.edge_known = replace(walk.lane, edge=edge), True
        if said.edge is not None and said.edge != edge.to_bytes():
            self._findings.add(What.RECEIPT_ROW, "receipt", origin, said.first, said.last, detail="edge")
        return True

    def _edge_of_digests(self, walk: Walk, rows: Sequence[StoredEvent]) -> Edge | None:
        digests = [row.digest for row in rows]
        if not all(type(digest) is bytes and len(digest) == HASH_BYTES for digest in digests):
            return None
        return walk.lane.edge.append(digests)

    def uncovered(self, walk: Walk, rows: Sequence[StoredEvent], events: Sequence[Pending], lost: set[int]) -> None:
        """Take events that no receipt covers into the tree."""
        for row, event in zip(rows, events, strict=True):
            if row.digest != event.leaf:
                self._findings.add(What.LEDGER_DIGEST, "ledger", walk.stored.origin, row.sequence)
        walk.edge_known = walk.edge_known and not lost
        if walk.edge_known:
            walk.lane = replace(walk.lane, edge=walk.lane.edge.append(event.leaf for event in events))

    def adopt(self, walk: Walk, said: ReceiptFacts) -> bool:
        """Build on the edge beside a receipt, if it is that of the signed root."""
        try:
            edge = Edge.from_bytes(said.last, bytes_of(said.edge))
        except Malformed:
            return False
        if said.root is None or edge.root != said.root:
            return False
        walk.lane = replace(walk.lane, edge=edge)
        return True


def _gaps(first: int, last: int, rows: Sequence[StoredEvent]) -> Iterator[tuple[int, int]]:
    """Yield the ranges from first to last that have no row."""
    upcoming = first
    for row in rows:
        if row.sequence > upcoming:
            yield upcoming, row.sequence - 1
        upcoming = row.sequence + 1
    if upcoming <= last:
        yield upcoming, last


def _text(value: bytes | None) -> str:
    return "nothing" if value is None else value.decode("utf-8", "replace")
