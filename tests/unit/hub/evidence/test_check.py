"""A bundle is proved by its own bytes and a root key alone, and nothing that was changed in it stays unseen."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.evidence import layout
from hub.evidence.case import take_apart
from hub.evidence.check import check_bundle, claimed_root, examine
from hub.evidence.export import ExportedBundle, export_bundle
from hub.evidence.report import Check, Report, Severity
from hub.evidence.subject import Subject
from hub.hq.headquarters import HqEvent
from hub.ledger.basis import Basis
from hub.ledger.notary import receipt_text
from hub.protocol.keys import Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.receipt import Receipt
from hub.replay.source import Ledger
from tests.support.center import HUB, filled
from tests.support.center import offer as offer_value
from tests.support.evidence import ROOT, TRUST, TRUST_NOTE, Story, remade, told
from tests.support.hq import IDENTITY
from tests.unit.hub.evidence.conftest import DEAL, RANGE, Files, center_file, checked, files_of, find


@pytest.mark.parametrize("name", ["deal", "offer", "ranged"])
def test_untouched_bundle_is_proved(name: str, request: pytest.FixtureRequest) -> None:
    """No false alarm, and every check that applies was made."""
    bundle: ExportedBundle = request.getfixturevalue(name)
    report = check_bundle(bundle.data, ROOT.verifier).report
    assert report.findings == []
    assert report.status == "proved"
    skipped = {check for check in Check if report.outcome(check) == "skipped"}
    assert skipped == (set() if name == "ranged" else {Check.COMPLETE})


def damage(data: bytes, how: str, chance: random.Random) -> bytes:
    if how == "flip" and data:
        at = chance.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    if how == "truncate":
        return data[: len(data) // 2]
    if how == "append":
        return data + b"\n"
    return chance.randbytes(max(8, len(data)))


def sampled(files: Files, count: int, chance: random.Random) -> list[str]:
    """Return up to `count` files of each kind."""
    kinds: dict[str, list[str]] = {}
    for path in sorted(files):
        kinds.setdefault(layout.what(path) or path, []).append(path)
    return [path for paths in kinds.values() for path in chance.sample(paths, min(count, len(paths)))]


def fuzz(bundle: ExportedBundle, count: int, seed: int) -> None:
    files, chance = files_of(bundle), random.Random(seed)
    for path in sampled(files, count, chance):
        for how in ("flip", "truncate", "append", "garbage", "delete"):
            changed = dict(files)
            if how == "delete":
                del changed[path]
            else:
                changed[path] = damage(files[path], how, chance)
            report = checked(changed)
            assert report.status == "failed", (path, how)
            assert any(path in (finding.file, "") or finding.check for finding in report.findings)


def test_any_damage_to_any_kind_of_file_is_found(deal: ExportedBundle) -> None:
    """A flipped, cut, lengthened, replaced or missing file is a finding, never an exception, never proved."""
    fuzz(deal, 1, 11)


@pytest.mark.long
@pytest.mark.parametrize("name", ["deal", "offer", "ranged"])
def test_any_damage_to_any_file_is_found(name: str, request: pytest.FixtureRequest) -> None:
    """The same, every file of three bundles."""
    fuzz(request.getfixturevalue(name), 1000, 12)


EVIDENCE = (
    "receipt.note",
    "seal.note",
    "receipt.tlog-proof",
    ".event",
    ".tlog-proof",
    ".avsc",
    "checkpoint.note",
    "trust.note",
)


@pytest.mark.parametrize("ending", EVIDENCE)
@pytest.mark.parametrize("how", ["flip", "truncate", "garbage", "delete"])
@pytest.mark.long
def test_damage_is_found_where_manifest_and_sums_were_rewritten(deal: ExportedBundle, ending: str, how: str) -> None:
    """The lists prove nothing: what is evidence is found by its own signatures and proofs."""
    files, chance = files_of(deal), random.Random(f"{ending} {how}")
    path = center_file(files, ending, 1) if "lanes/" in find(files, ending) else find(files, ending)
    if how == "delete":
        del files[path]
    else:
        files[path] = damage(files[path], how, chance)
    report = checked(remade(files, DEAL))
    # What stands in nobody's way when it is gone is the log: without a proof the receipt is "not yet" in it.
    waived = how == "delete" and ending in ("checkpoint.note", "receipt.tlog-proof", ".tlog-proof")
    assert report.status in (("failed", "not yet believed") if waived else ("failed",)), report.findings


@pytest.mark.parametrize("path", [layout.SUMS, layout.MANIFEST])
def test_missing_list_is_one_finding_with_the_cause_first(deal: ExportedBundle, path: str) -> None:
    """Not one for each file that it would have listed."""
    files = files_of(deal)
    del files[path]
    found = checked(files).findings
    assert {finding.file for finding in found} == {path}
    assert len(found) <= 2
    assert "is missing" in found[-1].detail


def test_damage_has_its_place(deal: ExportedBundle) -> None:
    """A finding names the check, the file, the lane and the sequence."""
    files = files_of(deal)
    path = center_file(files, ".event", 2)
    files[path] = files[path].replace(b"hub.example", b"hub.exampl3") + b"!"
    report = checked(remade(files, DEAL))
    found = next(f for f in report.findings if f.check is Check.INCLUSION)
    assert found.file == path.removesuffix("event") + "tlog-proof"
    assert found.lane == f"{HUB}/uz/00000001"
    assert found.sequence == int(path.rpartition("/")[2].partition(".")[0])


def swap(files: Files, ending: str) -> None:
    one, two = center_file(files, ending, 1), center_file(files, ending, 2)
    files[one], files[two] = files[two], files[one]


@pytest.mark.parametrize("ending", ["receipt.note", "seal.note", "receipt.tlog-proof", ".event"])
def test_files_that_changed_places_are_found(deal: ExportedBundle, ending: str) -> None:
    """Each proof is for one place."""
    files = files_of(deal)
    swap(files, ending)
    assert checked(remade(files, DEAL)).status == "failed"


def test_event_left_out_of_the_middle_of_an_entity_is_found(deal: ExportedBundle) -> None:
    """What follows from the rest is not the state that HQ has, and the fold does not go through."""
    files = files_of(deal)
    signed = next(p for p in sorted(files) if b"deal.signed" in files[p] and p.endswith(".event"))
    folder = signed.partition("events/")[0]
    for path in [p for p in files if p.startswith(folder)]:
        del files[path]
    report = checked(remade(files, DEAL))
    assert {Check.VERDICTS, Check.STATE} <= {f.check for f in report.findings}


def test_last_event_left_out_is_not_found_and_the_bundle_says_that_it_can_not_be(deal: ExportedBundle) -> None:
    """The limit of a bundle about one entity: it can't show that nothing came later. A range of its center can."""
    files = files_of(deal)
    closed = next(p for p in sorted(files) if b"deal.closed" in files[p] and p.endswith(".event"))
    folder = closed.partition("events/")[0]
    left = {path: data for path, data in files.items() if not path.startswith(folder) and "deal.closed" not in path}
    case = take_apart(left, DEAL, Report())
    examine(case, ROOT.verifier)
    path = next(p for p in left if p.startswith("state/after/deal.") and b"closed" in left[p])
    made = remade(left | {path: case.states["deal", "uz:D-1"].document}, DEAL)
    assert checked(made).status == "proved"
    assert b"no further events than those given" in made[layout.MANIFEST]
    assert b"a record has no further events" in made[layout.SUMMARY]


def test_part_of_hqs_own_lane_left_out_is_found(deal: ExportedBundle) -> None:
    """A registration or a revocation that is not there leaves a hole that can't be closed."""
    files = files_of(deal)
    folders = sorted({p[: p.index("/", 6 + 20)] for p in files if "-hq-" in p})
    folder = sorted({"/".join(p.split("/")[:3]) + "/" for p in files if "-hq-" in p})[1]
    assert folders
    for path in [p for p in files if p.startswith(folder)]:
        del files[path]
    report = checked(remade(files, DEAL))
    assert Check.HQ_LANE in {f.check for f in report.findings}


def test_bundle_of_another_hub_is_not_this_ones(deal: ExportedBundle) -> None:
    """Everything may be in order, under another root key."""
    other = Signer(f"{HUB}/root", b"X" * 32)
    report = check_bundle(deal.data, other.verifier).report
    assert report.status == "failed"
    assert [f.check for f in report.findings if f.severity is Severity.ERROR] == [Check.TRUST]


def test_root_key_in_the_bundle_is_only_a_hint(deal: ExportedBundle) -> None:
    """It is what the bundle says of itself."""
    assert claimed_root(deal.data) == ROOT.verifier.to_text()
    assert claimed_root(b"no zip") == ""


def test_trust_note_of_a_forger_is_found(deal: ExportedBundle) -> None:
    """Own keys for receipts and log, signed by an own root key of the same name."""
    files = files_of(deal)
    forger = Signer(f"{HUB}/root", b"F" * 32)
    files["trust.note"] = sign_note(replace(TRUST, root=forger.verifier).to_text(), [forger]).to_bytes()
    assert checked(remade(files, DEAL)).outcome(Check.TRUST) == "failed"


def test_receipt_with_a_verdict_that_hq_did_not_sign_is_found(deal: ExportedBundle) -> None:
    """The rejected amendment, presented as accepted under another key."""
    files = files_of(deal)
    path = next(p for p in files if p.endswith("receipt.note") and b"INCONSISTENT" in files[p])
    receipt = Receipt.from_text(Note.from_bytes(files[path]).text)
    text = replace(receipt, decisions=()).to_text()
    files[path] = sign_note(text, [Signer(f"{HUB}/receipts", b"?" * 32)]).to_bytes()
    assert checked(remade(files, DEAL)).outcome(Check.RECEIPTS) == "failed"


def test_verdict_that_hq_signed_against_its_rules_is_found(deal: ExportedBundle) -> None:
    """HQ itself can't decide otherwise than by its rules: everybody can decide again."""
    files = files_of(deal)
    path = next(p for p in files if p.endswith("receipt.note") and b"INCONSISTENT" in files[p])
    receipt = Receipt.from_text(receipt_text(files[path]).decode())
    note = sign_note(replace(receipt, decisions=()).to_text(), [IDENTITY.receipts])
    files[path] = note.to_bytes()
    report = checked(remade(files, DEAL))
    assert report.outcome(Check.VERDICTS) == "failed"
    assert report.outcome(Check.LOG) == "failed"  # and it is not what the log has


def test_state_that_does_not_follow_is_found(deal: ExportedBundle) -> None:
    """A document is only as good as the events behind it."""
    files = files_of(deal)
    path = next(p for p in files if p.startswith("state/after/deal."))
    files[path] = files[path].replace(b"1350000", b"9350000")
    assert checked(remade(files, DEAL)).outcome(Check.STATE) == "failed"


def test_range_with_an_event_left_out_is_found(ranged: ExportedBundle) -> None:
    """Between its ends a range is complete, or it says so."""
    files = files_of(ranged)
    folder = next(p for p in sorted(files) if b"INCONSISTENT" in files[p]).removesuffix("receipt.note")
    paths = sorted(p for p in files if p.startswith(f"{folder}events/"))
    first = paths[0].removesuffix("event").removesuffix("tlog-proof")
    for path in paths:
        if path.startswith(first):
            del files[path]
    assert checked(remade(files, RANGE)).outcome(Check.COMPLETE) == "failed"


def test_range_with_a_receipt_left_out_is_found(ranged: ExportedBundle) -> None:
    """Neither a receipt between the ends nor one at an end can go."""
    files = files_of(ranged)
    folders = sorted({"/".join(p.split("/")[:3]) + "/" for p in files if "-uz-" in p})
    for folder in folders[1:-1]:
        changed = {path: data for path, data in files.items() if not path.startswith(folder)}
        assert checked(remade(changed, RANGE)).status == "failed", folder


def test_entity_before_a_range_is_held_to_the_events_that_made_it(ranged: ExportedBundle) -> None:
    """Record and status have witnesses; an invented one has none."""
    files = files_of(ranged)
    before = [path for path in sorted(files) if path.startswith("state/before/")]
    assert before
    for path in before:
        changed = dict(files)
        changed[path] = changed[path].replace(b'"status":"opened"', b'"status":"signed"').replace(b"CNY", b"USD")
        assert changed[path] != files[path]
        assert checked(remade(changed, RANGE)).outcome(Check.STATE) == "failed", path


def test_basis_that_hq_had_left_long_before_is_found(tmp_path: Path) -> None:
    """Else HQ could record under a basis of its choice, and a key that was revoked would seal on for ever."""

    async def tell(late: timedelta) -> ExportedBundle:
        folder = tmp_path / str(late.seconds)
        folder.mkdir()
        story = await told(folder)
        headquarters = story.hq.headquarters
        left, story.now = await headquarters.basis(), datetime.now(UTC) + timedelta(days=1)
        kind = "net.cohub.center.suspended.v1"
        await headquarters.say([HqEvent(kind, "uz", filled(kind, {"reason": "its key was stolen"}))], story.now)

        async def stale() -> Basis:
            return left

        headquarters.basis = stale  # type: ignore[method-assign]
        story.now += late
        await story.take("uz", [story.event("uz", "offer.published", "K-9", offer_value("Sealed by a thief"))])
        await story.notarize()
        with Ledger.open(story.database) as ledger:
            made = export_bundle(ledger, TRUST_NOTE, Subject("entity", "uz:K-9", "offer"))
        await story.close()
        return made

    made = asyncio.run(tell(timedelta(minutes=11)))
    (found,) = [f for f in checked(files_of(made)).findings if f.severity is Severity.ERROR]
    assert (found.check, "which HQ's lane had left at" in found.detail) == (Check.VERDICTS, True)
    made = asyncio.run(tell(timedelta(minutes=9)))
    assert not checked(files_of(made)).has(Severity.ERROR)


def test_renumbered_lanes_are_found(tmp_path: Path) -> None:
    """Confirmed, then disputed from a new lane: the other way round the center would have confirmed at last."""

    async def tell() -> Story:
        story = await told(tmp_path, "uz")
        old = story.centers["kz"]
        story.centers["kz"] = new = old.next_epoch("00000009")
        opening = new.opening(
            previous_origin=old.origin, previous_size=old.edge.size, previous_root=old.edge.root.hex(), reason="new"
        )
        said = {"deal": "uz:D-1", "note": "Not paid."}
        await story.take("kz", [opening, story.event("kz", "deal_confirmation.disputed", "C-1", said)])
        await story.notarize()
        return story

    story = asyncio.run(tell())
    subject = Subject("entity", "kz:C-1", "deal_confirmation")
    with Ledger.open(story.database) as opened:
        bundle = export_bundle(opened, TRUST_NOTE, subject)
    asyncio.run(story.close())
    assert bundle.case.states["deal_confirmation", "kz:C-1"].entity.status == "disputed"
    assert not bundle.case.report.has(Severity.ERROR)
    files = files_of(bundle)
    first = {path: data for path, data in files.items() if "-kz-00000002/" in path}
    assert first
    for path, data in first.items():
        del files[path]
        files[path.replace("lanes/000003-", "lanes/000009-")] = data
    case = take_apart(files, subject, Report())
    examine(case, ROOT.verifier)
    assert case.states["deal_confirmation", "kz:C-1"].entity.status == "given"
    assert "which stands in front of it" in next(f.detail for f in case.report.findings if f.check is Check.RECEIPTS)
