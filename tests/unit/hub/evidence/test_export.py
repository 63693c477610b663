"""What a bundle holds, and that the same ledger gives the same bytes."""

from __future__ import annotations

import asyncio
import sqlite3
from base64 import b64encode
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.evidence import layout
from hub.evidence.check import check_bundle
from hub.evidence.container import read_zip, write_zip
from hub.evidence.export import ExportedBundle, export_bundle
from hub.evidence.report import Check, Report, Severity
from hub.evidence.subject import Subject
from hub.protocol.checkpoint import seal
from hub.protocol.control import key_text, seal_key_name
from hub.protocol.errors import UsageError
from hub.protocol.keys import COSIGNATURE_MLDSA44, Signer, Verifier
from hub.protocol.note import Note
from hub.protocol.proof import TlogProof
from hub.protocol.record import SEAL_HEADER
from hub.protocol.tree import leaf_hash
from hub.replay.source import Ledger
from hub.store.depot import open_depot
from tests.support.archived import archive
from tests.support.center import HUB, NOW, Center
from tests.support.center import offer as offer_value
from tests.support.evidence import DAY, ROOT, TRUST, TRUST_NOTE, Story, remade, told, witness_key
from tests.support.hq import center_record
from tests.support.lived import day, lived
from tests.support.peek import ask, edit
from tests.unit.hub.evidence.conftest import DEAL, RANGE


def center_of(story: Story, center: str) -> dict[str, Any]:
    """Return a center's record as HQ has it."""
    query = "SELECT document FROM entity WHERE stream = 'center' AND id = ?"
    found: dict[str, Any] = orjson.loads(ask(story.database, query, f"hq:{center}"))["record"]
    return found


def test_same_ledger_gives_the_same_bytes(ledger: Ledger, deal: ExportedBundle) -> None:
    """No clock and no chance is in a bundle, so two people can compare theirs by a digest."""
    assert export_bundle(ledger, TRUST_NOTE, DEAL).data == deal.data


def test_deal_brings_what_belongs_to_it_and_says_why(deal: ExportedBundle) -> None:
    """The deal, the offer and partner that it names, both confirmations; what HQ does not have is named."""
    said = orjson.loads(deal.case.files[layout.MANIFEST])
    assert {(e["stream"], e["id"]): e["why"] for e in said["included"]} == {
        ("deal", "uz:D-1"): {"reason": "subject"},
        ("deal_confirmation", "kz:C-1"): {"reason": "confirmation", "by_counterpart": True},
        ("deal_confirmation", "cn:C-9"): {"reason": "confirmation", "by_counterpart": False},
        ("offer", "uz:K-1"): {"reason": "referenced", "by": ["deal", "uz:D-1"], "field": "offer"},
        ("partner", "uz:P-1"): {"reason": "referenced", "by": ["deal", "uz:D-1"], "field": "partner"},
    }
    assert said["named_but_unknown_to_hq"] == [["request", "cn:R-404"]]
    deal_events = next(e["events"] for e in said["included"] if e["id"] == "uz:D-1")
    assert [e["sequence"] for e in deal_events] == [10, 11, 12, 13, 15]  # 11 is the amendment that HQ rejected


def test_bundle_discloses_no_event_of_others(deal: ExportedBundle) -> None:
    """What shares a receipt with the deal stands there as a hash."""
    everything = b"".join(deal.case.files.values())
    assert b"Other offer" not in everything
    assert b"D-2" not in everything


def test_entity_of_the_hq_lane_can_be_exported(ledger: Ledger) -> None:
    """Who enrolled and revoked a center's keys is evidence like everything else."""
    bundle = export_bundle(ledger, TRUST_NOTE, Subject("entity", "hq:uz", "center"))
    assert check_bundle(bundle.data, ROOT.verifier).report.status == "proved"
    keys = orjson.loads(bundle.case.files[layout.MANIFEST])["keys"]
    assert [key["purpose"] for key in keys if key["owner"] == "uz"] == ["seal", "witness"]


def test_proofs_are_what_other_tools_read(deal: ExportedBundle) -> None:
    """An event's proof is a tlog-proof of its center's lane, a receipt's one of HQ's log: the keys are all it takes."""
    files = deal.case.files
    path = next(p for p in sorted(files) if p.endswith(".event") and "-kz-" in p)
    center_key = next(
        Verifier.from_text(key["vkey"]).named("hub.example/kz/00000002")
        for key in orjson.loads(files[layout.MANIFEST])["keys"]
        if key["owner"] == "kz" and key["purpose"] == "seal"
    )
    proof = TlogProof.from_text(files[path.removesuffix("event") + "tlog-proof"].decode())
    assert proof.verify(leaf_hash(files[path]), [center_key]).origin == "hub.example/kz/00000002"
    folder = path.partition("events/")[0]
    receipt = files[f"{folder}receipt.note"].rpartition(b"\n\n")[0] + b"\n"
    logged = TlogProof.from_text(files[f"{folder}receipt.tlog-proof"].decode())
    for keys in (TRUST.logs[:1], TRUST.logs[1:]):
        assert logged.verify(leaf_hash(receipt), keys).origin == "hub.example/log"


def test_range_is_bounded_by_the_receipts_around_it(ranged: ExportedBundle) -> None:
    """They have no events; that nothing lies between is what they are there for."""
    spans = [span for lane, span in ranged.case.spans() if lane.center == "uz"]
    assert [bool(span.events) for span in (spans[-1],)] == [False]
    inside = [s for s in spans if s.receipt and RANGE.covers(s.receipt.recorded_at)]
    assert [len(s.events) for s in inside] == [2, 1, 1]
    assert all(span.is_whole for span in inside)


def test_range_has_the_state_before_with_its_witnesses(ranged: ExportedBundle) -> None:
    """The deal was opened before the range: that event is there, and is not part of the range."""
    entity = ranged.case.states_before["deal", "uz:D-1"].entity
    assert (entity.status, entity.version, entity.record["amount"]) == ("opened", 1, "1200000.5")
    early = [held for _, span, held in ranged.case.story() if span.recorded_at and not RANGE.covers(span.recorded_at)]
    assert [(held.text("ce_type"), held.is_judged) for held in early] == [("net.cohub.deal.opened.v1", False)]


def test_range_that_nothing_bounds_on_the_right_says_so(ledger: Ledger) -> None:
    """Where no later receipt exists, that nothing more came is HQ's word."""
    bundle = export_bundle(ledger, TRUST_NOTE, Subject("center", "kz", "", NOW, NOW + 90 * DAY))
    report = check_bundle(bundle.data, ROOT.verifier).report
    assert report.status == "proved"
    assert report.outcome(Check.COMPLETE) == "warning"


@pytest.mark.parametrize(
    "subject",
    [
        Subject("deal", "uz:D-99"),
        Subject("entity", "uz:none", "offer"),
        Subject("center", "xx", "", NOW, NOW + DAY),
        Subject("center", "hq", "", NOW, NOW + DAY),
        Subject("center", "uz", "", NOW - 2 * DAY, NOW - DAY),
    ],
    ids=lambda s: f"{s.kind} {s.id}",
)
def test_what_hq_does_not_have_is_a_usage_error(ledger: Ledger, subject: Subject) -> None:
    """One line with the remedy."""
    with pytest.raises(UsageError):
        export_bundle(ledger, TRUST_NOTE, subject)


def test_bundle_made_before_the_log_caught_up_says_what_is_missing(tmp_path: Path) -> None:
    """Sealed and receipted is proved already; the log and its witnesses come a minute later."""

    async def tell() -> Story:
        story = await Story.open(tmp_path)
        await story.happen()
        return story

    def exported() -> tuple[Report, ExportedBundle]:
        with Ledger.open(story.database) as ledger:
            made = export_bundle(ledger, TRUST_NOTE, DEAL)
        return check_bundle(made.data, ROOT.verifier).report, made

    story = asyncio.run(tell())
    report, _ = exported()
    assert report.status == "not yet believed"
    assert {f.check for f in report.findings} == {Check.CHECKPOINT, Check.LOG}
    asyncio.run(story.notarize())
    report, _ = exported()
    assert report.status == "not yet believed"
    assert {(f.check, f.severity) for f in report.findings} == {(Check.WITNESSES, Severity.PENDING)}
    asyncio.run(story.cosign("cn", "kz"))
    believed, made = exported()
    assert believed.status == "proved"
    # The newest checkpoint that is believed is taken, while it covers everything.
    asyncio.run(story.take("cn", [story.event("cn", "offer.published", "Y-1", offer_value())]))
    asyncio.run(story.notarize())
    still, again = exported()
    assert still.status == "proved"
    assert again.data == made.data
    asyncio.run(story.close())


def test_key_that_was_revoked_keeps_its_earlier_seals_good(tmp_path: Path) -> None:
    """Keys are judged as of when HQ took the events; the revocation is in the bundle too."""

    async def tell() -> Story:
        story = await told(tmp_path)
        record = center_of(story, "uz")
        record["keys"][0] |= {"status": "revoked", "status_reason": "stolen"}
        await story.hq.said("key_revoked", story.centers["uz"], record)
        await story.notarize()
        await story.cosign("kz", "cn")
        return story

    story = asyncio.run(tell())
    with Ledger.open(story.database) as ledger:
        made = export_bundle(ledger, TRUST_NOTE, DEAL)
    report = check_bundle(made.data, ROOT.verifier).report
    assert report.status == "proved", report.findings
    key = next(k for k in orjson.loads(made.case.files[layout.MANIFEST])["keys"] if k["owner"] == "uz")
    assert key["reason"] == "stolen"
    assert key["revoked"]["sequence"] == 43
    asyncio.run(story.close())


def test_books_that_do_not_follow_from_the_events_show_at_export(tmp_path: Path) -> None:
    """An entity that was edited in the database is not what its events make."""

    async def tell() -> Path:
        story = await told(tmp_path, "uz", "kz")
        edit(
            story.database, "UPDATE entity SET document = replace(document, '1350000', '9350000') WHERE stream = 'deal'"
        )
        await story.close()
        return story.database

    with Ledger.open(asyncio.run(tell())) as ledger:
        made = export_bundle(ledger, TRUST_NOTE, DEAL)
    assert made.case.report.outcome(Check.STATE) == "failed"
    assert check_bundle(made.data, ROOT.verifier).report.status == "failed"


def test_zip_holds_what_the_manifest_lists(deal: ExportedBundle) -> None:
    """Every file, with its digest and what it is."""
    files = read_zip(deal.data, Report())
    listed = orjson.loads(files[layout.MANIFEST])["files"]
    assert set(listed) == set(files) - {layout.MANIFEST, layout.SUMS}
    assert all(entry["what"] for entry in listed.values())


def test_events_out_of_the_archive_are_the_same(tmp_path: Path) -> None:
    """Where the bytes are kept makes no difference to what is proved."""

    async def tell() -> Path:
        await (await told(tmp_path, "uz", "kz")).close()
        return tmp_path / "hub.sqlite3"

    path = asyncio.run(tell())
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO published SELECT id, size FROM lane")
        db.commit()
    with Ledger.open(path) as ledger:
        before = export_bundle(ledger, TRUST_NOTE, DEAL)
    assert archive(path, open_depot(str(tmp_path / "archive")))
    with Ledger.open(path) as ledger:
        rows = [row for lane in ledger.lanes for row in ledger.reader.events(lane.id, 1, lane.size)]
        of_deal = [row.data for row in rows if row.subject == "uz:D-1"]
        assert of_deal
        assert not any(of_deal)
        assert export_bundle(ledger, TRUST_NOTE, DEAL).data == before.data


def test_every_range_and_entity_of_a_hub_that_has_lived_holds(tmp_path: Path) -> None:
    """Two lanes of one center, late news, rejections: wherever a range begins and ends, no false alarm."""
    path = asyncio.run(lived(tmp_path)).database
    subjects = [
        Subject("center", center, "", day(first, 0), day(last, 0))
        for center in ("uz", "kz")
        for first in range(1, 7)
        for last in range(first + 1, 8)
    ]
    subjects += [Subject("entity", f"uz:K-{number}", "offer") for number in (1, 2)] + [Subject("deal", "kz:D-1")]
    exported = 0
    with Ledger.open(path) as ledger:
        for subject in subjects:
            try:
                made = export_bundle(ledger, TRUST_NOTE, subject)
            except UsageError:
                continue  # nothing was recorded then
            exported += 1
            report = check_bundle(made.data, ROOT.verifier).report
            assert not report.has(Severity.ERROR), (subject, report.findings)
            # uz's first lane ended on day 3: its second lane says so. Behind the newest event of all there is nothing.
            ends = {"uz": day(7, 0), "kz": day(6, 0)}
            if subject.kind == "center" and subject.until is not None and subject.until < ends[subject.id]:
                assert report.outcome(Check.COMPLETE) == "passed", (subject, report.findings)
    assert exported > 35


def test_lane_that_ended_is_bounded_by_the_next_one(tmp_path: Path) -> None:
    """The center itself sealed with how many events it ended."""
    path = asyncio.run(lived(tmp_path)).database
    with Ledger.open(path) as ledger:
        made = export_bundle(ledger, TRUST_NOTE, Subject("center", "uz", "", day(2, 0), day(4, 0)))
    assert [held.text("ce_type") for _, _, held in made.case.story() if held.text("ce_epoch") == "0000cccc"] == [
        "net.cohub.lane.opened.v1"
    ]
    assert check_bundle(made.data, ROOT.verifier).report.outcome(Check.COMPLETE) == "passed"


def test_seal_by_ml_dsa_too_is_checked_from_the_basis_on_that_has_the_key(tmp_path: Path) -> None:
    """Earlier seals are good by Ed25519 alone; later ones need both lines, and a line taken away is found."""
    long_key = Signer(seal_key_name(HUB, "uz"), b"m" * 32, COSIGNATURE_MLDSA44)

    async def tell() -> Path:
        story = await told(tmp_path)
        center = story.centers["uz"]
        text = key_text(HUB, "uz", "seal", long_key.verifier).encode()
        record = center_of(story, "uz")
        record["keys"].append(
            record["keys"][0]
            | {
                "vkey": long_key.verifier.to_text(),
                "proof": b64encode(long_key.sign(text)).decode(),
                "previous_proof": b64encode(center.signer.sign(text)).decode(),
            }
        )
        await story.hq.said("key_added", center, record)
        value = offer_value("Membrane printer, second version", partner="uz:P-1")
        event = story.event("uz", "offer.revised", "K-1", value)
        both = seal(center.origin, center.edge, center.signer, (), long_key, NOW)
        await story.hq.feed("uz", [event.plus(SEAL_HEADER, both)], story.now)
        await story.notarize()
        await story.cosign("kz", "cn")
        await story.close()
        return story.database

    subject = Subject("entity", "uz:K-1", "offer")
    with Ledger.open(asyncio.run(tell())) as ledger:
        made = export_bundle(ledger, TRUST_NOTE, subject)
    report = check_bundle(made.data, ROOT.verifier).report
    assert report.status == "proved", report.findings
    files = dict(made.case.files)
    path = [p for p in sorted(files) if p.endswith("seal.note") and "-uz-" in p][-1]
    note = Note.from_bytes(files[path])
    short = replace(note, signatures=note.signatures[:1]).to_bytes()
    forged = remade({p: data.replace(files[path], short) for p, data in files.items()}, subject)
    found = check_bundle(write_zip(forged), ROOT.verifier).report
    assert [f.detail.partition(": ")[2] for f in found.findings if f.check is Check.SEALS] == [
        "LONG_KEY_MISSING: expected a signature by the center's ML-DSA-44 key too"
    ]


def test_more_witnesses_than_one_note_holds_are_in_several(tmp_path: Path) -> None:
    """A note has at most 16 signatures; a network may have more centers."""
    names = [f"c{number:02}" for number in range(16)]

    async def tell() -> Path:
        story = await Story.open(tmp_path)
        for number, name in enumerate(names):
            center = story.centers[name] = Center(name, f"000001{number:02x}")
            await story.hq.register(center, keys=[*center_record(center)["keys"], witness_key(name)])
        await story.happen()
        await story.notarize()
        await story.cosign("uz", *names)
        await story.close()
        return story.database

    with Ledger.open(asyncio.run(tell())) as ledger:
        made = export_bundle(ledger, TRUST_NOTE, DEAL)
    assert layout.cosignatures_path(2) in made.case.files
    report = check_bundle(made.data, ROOT.verifier).report
    assert report.status == "proved", report.findings
    log = made.case.log
    assert log is not None
    assert (len(log.cosigned), len(log.active)) == (17, 19)
    files = {path: data for path, data in made.case.files.items() if path != layout.cosignatures_path(2)}
    fewer = check_bundle(write_zip(remade(files, DEAL)), ROOT.verifier).report
    assert fewer.status == "proved"  # 14 of 19 are enough
    damaged = remade({**made.case.files, layout.cosignatures_path(2): b"no note"}, DEAL)
    assert check_bundle(write_zip(damaged), ROOT.verifier).report.outcome(Check.WITNESSES) == "failed"


def test_lane_left_out_of_a_range_is_told(tmp_path: Path) -> None:
    """Each of a center's lanes names the one before it: the first of two can't go unnoticed, nor can both."""
    path = asyncio.run(lived(tmp_path)).database
    subject = Subject("center", "uz", "", day(2, 0), day(7, 0))
    with Ledger.open(path) as ledger:
        made = export_bundle(ledger, TRUST_NOTE, subject)
    without_first = {path: data for path, data in made.case.files.items() if "-uz-0000aaaa/" not in path}
    found = check_bundle(write_zip(remade(without_first, subject)), ROOT.verifier).report
    assert any("the lane before it, is not here" in f.detail for f in found.findings)
    without_both = {path: data for path, data in without_first.items() if "-uz-" not in path}
    found = check_bundle(write_zip(remade(without_both, subject)), ROOT.verifier).report
    assert "holds nothing of its range" in next(f.detail for f in found.findings if f.check is Check.COMPLETE)


def test_bundle_of_a_range_in_which_nothing_is_here_proves_nothing(ranged: ExportedBundle) -> None:
    """Moved to another time, the same evidence does not show that nothing happened then."""
    other = replace(RANGE, since=NOW + 60 * DAY, until=NOW + 90 * DAY)
    found = check_bundle(write_zip(remade(made_without_state(ranged), other)), ROOT.verifier).report
    assert found.outcome(Check.COMPLETE) == "failed"


def made_without_state(bundle: ExportedBundle) -> dict[str, bytes]:
    return {path: data for path, data in bundle.case.files.items() if not path.startswith("state/")}
