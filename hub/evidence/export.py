"""Making a bundle from the ledger and HQ's log: what is there is copied, what can be proved gets its proof.

A bundle is checked before it is given out, by the same checks that anybody makes of it, so an export tells at once what
does not hold. The same ledger and log give the same bytes: nothing here reads a clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.domain.stream import HQ
from hub.evidence import layout
from hub.evidence.case import Case, take_apart
from hub.evidence.check import examine
from hub.evidence.container import write_zip
from hub.evidence.judging import check_after
from hub.evidence.manifest import manifest
from hub.evidence.page import page
from hub.evidence.readme import readmes
from hub.evidence.report import Report
from hub.evidence.select import BundleSelection, Selector, read_records
from hub.evidence.subject import Subject
from hub.protocol.errors import Fatal
from hub.protocol.note import Note
from hub.protocol.proof import TlogProof
from hub.protocol.receipt import Receipt
from hub.protocol.schema import DATASCHEMA, Schema, parse_schema
from hub.protocol.tree import Edge, inclusion_by, node_hash
from hub.protocol.verdict import Code
from hub.replay.chain import newest
from hub.replay.source import Ledger
from hub.store.released import released_schemas
from hub.store.rows import EventPlace, StoredEvent, StoredLane, StoredReceipt

_BAD_KEY_WITHOUT_KEY: Final = b""  # a record that came without a key: no key is like its subject


@dataclass(frozen=True, slots=True)
class ExportedBundle:
    """A bundle's bytes, and the bundle taken apart with the report of its own check."""

    data: bytes
    case: Case


def export_bundle(ledger: Ledger, trust_note: bytes, subject: Subject) -> ExportedBundle:
    """Return the bundle of a subject.

    Shapes: trust_note is HQ's, signed by the root key.
    Errors: UsageError when HQ has nothing of the subject, or too much; Fatal when the ledger contradicts itself.
    """
    # A worker may go on writing: all that is read here is of one moment, the lanes' sizes too.
    with ledger.reader.snapshot():
        return _Export(ledger.now(), trust_note, subject).run()


class _Export:
    def __init__(self, ledger: Ledger, trust_note: bytes, subject: Subject) -> None:
        self.ledger = ledger
        self.subject = subject
        self.lanes = {lane.id: lane for lane in ledger.lanes}
        self.schemas = _schemas(ledger)
        self.announced = {record["sha256"] for record in read_records(ledger, "schema")}
        self.log = ledger.reader.log
        self.files: dict[str, bytes] = {layout.TRUST: trust_note}

    def run(self) -> ExportedBundle:
        selection = Selector(self.ledger, {digest: schema for digest, (_, schema) in self.schemas.items()}).select(
            self.subject
        )
        covered = self._receipts(selection)
        bases = [Receipt.from_text(Note.from_bytes(receipt.note).text).basis for receipt, _ in covered.values()]
        size = self._checkpoint(covered)
        self._hq_lane(max(bases, default=0), size)
        for (lane_id, _), (receipt, events) in sorted(covered.items()):
            self._span(self.lanes[lane_id], receipt, events, size)
        for (stream, entity_id), document in selection.before.items():
            self.files[layout.state_path("before", stream, entity_id)] = document
        return self._finish(selection)

    def _receipts(self, selection: BundleSelection) -> dict[EventPlace, tuple[StoredReceipt, list[StoredEvent]]]:
        """Return by lane and last event each receipt that the bundle needs, with those of its events that it holds."""
        by_lane: dict[int, list[StoredEvent]] = defaultdict(list)
        for (lane_id, _), event in sorted(selection.events.items()):
            if self.lanes[lane_id].center != HQ:  # the hq lane is there whole
                by_lane[lane_id].append(event)
        found: dict[EventPlace, tuple[StoredReceipt, list[StoredEvent]]] = {}
        for lane_id, events in by_lane.items():
            receipt: StoredReceipt | None = None
            for event in events:
                if receipt is None or event.sequence > receipt.last:
                    receipt = self._receipt(lane_id, event.sequence)
                    found[lane_id, receipt.last] = receipt, []
                found[lane_id, receipt.last][1].append(event)
        for lane_id, last in selection.bounds:
            receipt = self._receipt(lane_id, last)
            found.setdefault((lane_id, receipt.last), (receipt, []))
        return found

    def _receipt(self, lane_id: int, sequence: int) -> StoredReceipt:
        receipt = next(self.ledger.receipts(self.lanes[lane_id], sequence - 1), None)
        if receipt is None or not receipt.first <= sequence <= receipt.last:
            origin = self.lanes[lane_id].origin
            raise Fatal(f"{origin}: no receipt covers event {sequence}; `hub audit verify` says more")
        return receipt

    def _checkpoint(self, covered: dict[EventPlace, tuple[StoredReceipt, list[StoredEvent]]]) -> int:
        """Write the newest believed checkpoint that covers these receipts, else the newest; return its size, or 0."""
        leaves = [self.ledger.reader.leaf_of(lane_id, receipt.last) for (lane_id, _), (receipt, _) in covered.items()]
        newest, believed = self.log.newest(), self.log.newest_believed()
        if newest is None:
            return 0
        chosen = newest
        if believed is not None and all(leaf is not None and leaf < believed.size for leaf in leaves):
            chosen = believed
        for number, note in enumerate(self.log.cosigned_notes(chosen.size), 1):
            self.files[layout.cosignatures_path(number)] = note
        return chosen.size

    def _hq_lane(self, basis: int, size: int) -> None:
        """Write HQ's own lane from its first event: as far as a basis names it, and on as far as the log has it."""
        for lane in self.ledger.lanes:
            if lane.center != HQ:
                continue
            for receipt in self.ledger.receipts(lane):
                leaf = self.ledger.reader.leaf_of(lane.id, receipt.last)
                if receipt.last > basis and (leaf is None or leaf >= size) and not self._is_own(lane, receipt):
                    break
                self._span(lane, receipt, self.ledger.events(lane.id, receipt.first, receipt.last), size)

    def _is_own(self, lane: StoredLane, receipt: StoredReceipt) -> bool:
        """Return whether the bundle is about an entity of HQ's own that this receipt tells of."""
        root = self.subject.root
        return root is not None and root[1].partition(":")[0] == lane.center and receipt.last <= self._last_of(root)

    def _last_of(self, key: tuple[str, str]) -> int:
        found = newest(self.ledger, *key)
        return 0 if found is None else found.sequence

    def _span(self, lane: StoredLane, receipt: StoredReceipt, events: list[StoredEvent], size: int) -> None:
        folder = layout.range_folder(lane.id, lane.center, lane.epoch, receipt.first, receipt.last)
        self.files[f"{folder}receipt.note"] = receipt.note
        self.files[f"{folder}seal.note"] = receipt.seal
        leaf = self.ledger.reader.leaf_of(lane.id, receipt.last)
        if leaf is not None and leaf < size:
            path = tuple(self.log.inclusion(leaf, size))
            text = TlogProof(leaf, path, self.files[layout.CHECKPOINT]).to_text()
            self.files[f"{folder}receipt.tlog-proof"] = text.encode()
        if lane.center != HQ and events:
            self._paths(lane, receipt, folder, events)
        for event in events:
            if not event.data:
                raise Fatal(f"{lane.origin}: the bytes of event {event.sequence} are neither here nor in the archive")
            self.files[layout.event_path(folder, event.sequence)] = event.data
            self._event(folder, event)

    def _paths(self, lane: StoredLane, receipt: StoredReceipt, folder: str, events: list[StoredEvent]) -> None:
        """Write each event's path in the sealed lane, from the edge before the range and the range's own hashes."""
        before = Edge()
        if receipt.first > 1:
            earlier = self._receipt(lane.id, receipt.first - 1)
            before = Edge.from_bytes(earlier.last, earlier.edge)
        leaves = self.ledger.reader.digests(lane.id, receipt.first, receipt.last)
        if len(leaves) != receipt.last - before.size:
            raise Fatal(f"{lane.origin}: events are missing up to {receipt.last}; `hub audit verify` says more")
        tree = _Range(before, leaves)
        for event in events:
            path = tuple(inclusion_by(event.sequence - 1, receipt.last, tree.node))
            text = TlogProof(event.sequence - 1, path, receipt.seal).to_text()
            self.files[layout.event_path(folder, event.sequence, "tlog-proof")] = text.encode()

    def _event(self, folder: str, event: StoredEvent) -> None:
        if event.key is not None or event.code == Code.BAD_KEY:
            self.files[layout.event_path(folder, event.sequence, "key")] = event.key or _BAD_KEY_WITHOUT_KEY
        headers = dict(event.split()[0])
        name = (headers.get("ce_dataschema") or b"").decode("utf-8", "replace")
        known = self.schemas.get(name.removeprefix(DATASCHEMA))
        # An event may name what HQ writes by and has announced to nobody: then it was rejected, and nothing reads it.
        if known is not None and name.startswith(DATASCHEMA) and (event.accepted or known[1].sha256 in self.announced):
            self.files[f"schemas/{known[0]}"] = known[1].text.encode()

    def _finish(self, selection: BundleSelection) -> ExportedBundle:
        """Check what was gathered, and add what follows from it: state, README, summary, manifest, sums."""
        case = take_apart(self.files, self.subject, Report())
        examine(case, None)
        for key, known in case.states.items():
            # What HQ has now, where the bundle goes up to now: so that books which do not follow from the events show.
            self.files[layout.state_path("after", *key)] = selection.live.get(key, known.document)
        if case.trust is not None:
            check_after(case)
        self.files |= readmes()
        self.files[layout.SUMMARY] = page(case).encode()
        self.files[layout.MANIFEST] = manifest(case)
        self.files[layout.SUMS] = layout.sums(layout.digests(self.files))
        return ExportedBundle(write_zip(self.files), case)


class _Range:
    """The tree over an edge and the leaves behind it. Each hash is made once: every leaf of a range asks for many."""

    def __init__(self, before: Edge, leaves: Sequence[bytes]) -> None:
        self._known: dict[tuple[int, int], bytes] = {}
        at = 0
        for height, subtree in zip(_heights(before.size), before.hashes, strict=True):
            self._known[at, at + (1 << height)] = subtree
            at += 1 << height
        for number, leaf in enumerate(leaves, before.size):
            self._known[number, number + 1] = leaf

    def node(self, low: int, high: int) -> bytes:
        """Return the hash of the leaves low to high − 1. Errors: KeyError inside the edge, which nobody asks for."""
        found = self._known.get((low, high))
        if found is None:
            if high - low == 1:
                raise KeyError(low)
            middle = low + (1 << ((high - low - 1).bit_length() - 1))
            found = self._known[low, high] = node_hash(self.node(low, middle), self.node(middle, high))
        return found


def _heights(size: int) -> list[int]:
    """Return the heights of the perfect subtrees of a tree, the largest first."""
    return [height for height in reversed(range(size.bit_length())) if size >> height & 1]


def _schemas(ledger: Ledger) -> dict[str, tuple[str, Schema]]:
    """Return every definition that this software ships or HQ announced: path and schema by SHA-256."""
    found = {
        schema.sha256: (path, schema) for path, schema in released_schemas().items() if not path.startswith("state/")
    }
    for record in read_records(ledger, "schema"):
        schema = parse_schema(record["definition"].encode())
        path = f"{record['stream']}/{record['stream']}.{record['event']}.v{record['version']}.avsc"
        found.setdefault(schema.sha256, (path, schema))
    return found
