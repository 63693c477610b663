"""A bundle is proved by its own bytes and a root key alone, and nothing that was changed in it stays unseen."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from hub.evidence import layout
from hub.evidence.case import take_apart
from hub.evidence.check import check_bundle, claimed_root, examine
from hub.evidence.container import read_zip, write_zip
from hub.evidence.export import ExportedBundle, export_bundle
from hub.evidence.log import witnesses_of
from hub.evidence.report import Check, Report, Severity
from hub.evidence.subject import Subject
from hub.hq.headquarters import HqEvent
from hub.ledger.basis import Basis
from hub.ledger.notary import receipt_text
from hub.protocol.keys import Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.receipt import Receipt
from hub.protocol.trust import Trust
from hub.replay.source import Ledger
from tests.support.center import HUB, NOW, filled
from tests.support.center import offer as offer_value
from tests.support.evidence import ROOT, TRUST, TRUST_NOTE, Story, remade, told, witness
from tests.support.hq import IDENTITY
from tests.unit.hub.evidence.conftest import DEAL, OFFER, RANGE

Files = dict[str, bytes]


def checked(files: Files, pinned: Trust | None = None) -> Report:
    return check_bundle(write_zip(files), ROOT.verifier, pinned).report


def files_of(bundle: ExportedBundle) -> Files:
    return read_zip(bundle.data, Report())


def find(files: Files, ending: str, number: int = 0) -> str:
    return [path for path in sorted(files) if path.endswith(ending)][number]


def center_file(files: Files, ending: str, number: int = 0) -> str:
    """Return a file of a center's lane: HQ's own lane comes first, and is proved in another way."""
    return [path for path in sorted(files) if path.endswith(ending) and "-hq-" not in path][number]


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
def test_damage_is_found_where_manifest_and_sums_were_made_anew(deal: ExportedBundle, ending: str, how: str) -> None:
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


def test_log_that_too_few_have_seen_is_not_yet_believed(ledger: Ledger, deal: ExportedBundle) -> None:
    """Without one of two cosignatures there is one of three centers left."""
    files = files_of(deal)
    note = Note.from_bytes(files[layout.CHECKPOINT])
    fewer = replace(note, signatures=note.signatures[:-1]).to_bytes()
    changed = {path: data.replace(files[layout.CHECKPOINT], fewer) for path, data in files.items()}
    report = checked(remade(changed, DEAL))
    assert report.status == "not yet believed"
    assert report.outcome(Check.WITNESSES) == "pending"
    assert not report.has(Severity.ERROR)


@pytest.mark.parametrize("kept", [0, 1])
def test_checkpoint_without_one_of_hqs_two_signatures_is_found(deal: ExportedBundle, kept: int) -> None:
    """When one of the algorithms is broken one day, the other still has to be there."""
    files = files_of(deal)
    note = Note.from_bytes(files[layout.CHECKPOINT])
    fewer = replace(note, signatures=(note.signatures[kept], *note.signatures[2:])).to_bytes()
    changed = {path: data.replace(files[layout.CHECKPOINT], fewer) for path, data in files.items()}
    assert checked(remade(changed, DEAL)).outcome(Check.CHECKPOINT) == "failed"


def test_pinned_trust_note_that_is_newer_counts(offer: ExportedBundle) -> None:
    """A key that was retired since the bundle was made signs nothing later; what it signed before stays good."""
    newer = Signer(f"{HUB}/receipts", b"n" * 32)
    later = replace(TRUST, receipts=(*TRUST.receipts, newer.verifier), serial=2)
    retired_after = replace(later, retired=((NOW + timedelta(days=36_500), TRUST.receipts[0]),))
    retired_before = replace(later, retired=((NOW - timedelta(days=9), TRUST.receipts[0]),))
    files = files_of(offer)
    assert checked(files, retired_after).status == "proved"
    assert checked(files, retired_before).outcome(Check.RECEIPTS) == "failed"


def test_witnesses_that_were_pinned_are_compared(offer: ExportedBundle) -> None:
    """A difference between the checker's list and HQ's is told, and it takes nothing while most of his have signed."""
    stranger = Signer("witness.example/w", b"s" * 32, 4)
    ours = tuple(witness(name).verifier for name in ("uz", "kz"))
    report = checked(files_of(offer), replace(TRUST, witnesses=(*ours, stranger.verifier)))
    assert report.status == "proved"
    assert report.outcome(Check.WITNESSES) == "warning"
    assert len(report.findings) == 2  # one of his, one of HQ's


def test_log_that_the_pinned_witnesses_have_not_seen_is_not_believed(offer: ExportedBundle) -> None:
    """Who has HQ's keys can make up centers with witnesses; those that the checker knows he can't.

    A retired key of a pinned witness is not waited for, and two keys of one witness are one.
    """
    cn, uz = witness("cn"), witness("uz")
    strange = [Signer(f"{HUB}/{name}/witness", name.encode() * 16, 4).verifier for name in ("t1", "t2")]
    for pinned in ((cn.verifier,), tuple(strange), (uz.verifier, strange[0]), (uz.verifier, cn.verifier)):
        report = checked(files_of(offer), replace(TRUST, witnesses=pinned))
        assert (report.status, report.outcome(Check.WITNESSES)) == ("not yet believed", "pending")
    older = Signer(uz.name, b"o" * 32, 4).verifier
    retired = replace(TRUST, witnesses=(uz.verifier, *strange), retired=tuple((NOW, key) for key in strange))
    assert checked(files_of(offer), retired).status == "proved"
    assert checked(files_of(offer), replace(TRUST, witnesses=(older, uz.verifier))).status == "proved"


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


def test_hq_is_no_witness_of_itself(ledger: Ledger, offer: ExportedBundle) -> None:
    """Were HQ to register a witness key under its own name, its line would still count for nothing."""
    case = take_apart(files_of(offer), OFFER, Report())
    examine(case, ROOT.verifier)
    centers = case.registry.centers
    centers_of_hq = {**centers, "hq": replace(centers["uz"], id="hq")}
    assert case.trust is not None
    found = witnesses_of(replace(case.registry, centers=centers_of_hq), case.trust)
    assert sorted(w.center for w in found) == ["cn", "kz", "uz"]


def test_hq_lane_cut_to_where_fewer_centers_count_is_told(deal: ExportedBundle) -> None:
    """Nobody can prove that nothing is newer; a trust note that knows of more witnesses shows that something is."""
    files = files_of(deal)
    more = replace(TRUST, witnesses=(witness("uz").verifier, witness("ru").verifier))
    files["trust.note"] = sign_note(more.to_text(), [ROOT]).to_bytes()
    report = checked(remade(files, DEAL))
    assert [f.detail for f in report.findings if f.check is Check.WITNESSES] == [
        f"the trust note names the witness {HUB}/ru/witness, which the hq lane of this bundle does not have"
    ]


def test_page_that_was_rewritten_is_found(deal: ExportedBundle) -> None:
    """A page may be forged with all lists; what it says then is not what the evidence gives."""
    files = files_of(deal)
    made = remade(files, DEAL)
    made[layout.SUMMARY] = made[layout.SUMMARY].replace(b"1350000", b"1")
    sums = layout.sums(layout.digests(made))
    assert checked(made | {layout.SUMS: sums}).outcome(Check.SUMMARY) == "failed"


Forgery = Callable[[Files], object]
SUBJECTS: dict[str, bytes] = {
    "another id": b'"id": "uz:D-2"',
    "another kind": b'"id": "uz:D-1", "kind": "entity"',
    "no text": b'"id": 5',
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_bundle_that_says_it_is_about_something_else_is_found(deal: ExportedBundle, name: str) -> None:
    """The subject is a claim too."""
    files = files_of(deal)
    files[layout.MANIFEST] = files[layout.MANIFEST].replace(b'"id": "uz:D-1",\n    "kind": "deal"', SUBJECTS[name])
    files[layout.SUMS] = layout.sums(layout.digests(files))
    assert checked(files).status == "failed"


def test_entity_that_has_no_part_in_the_deal_is_found(ledger: Ledger, deal: ExportedBundle) -> None:
    """Evidence of something else does not get in beside it."""
    other = files_of(export_bundle(ledger, TRUST_NOTE, Subject("entity", "uz:Z-2", "offer")))
    report = checked(remade(files_of(deal) | other, DEAL))
    assert any(f.check is Check.MANIFEST and "no part" in f.detail for f in report.findings)


def test_offer_subject_is_checked_by_its_stream(offer: ExportedBundle) -> None:
    """An id alone is not an entity."""
    assert checked(remade(files_of(offer), replace(OFFER, stream="request"))).status == "failed"


def test_lanes_that_were_numbered_anew_are_found(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("seed", range(15))
def test_manifest_of_any_shape_is_a_finding(offer: ExportedBundle, seed: int) -> None:
    """Whatever JSON stands there, sums made anew: never an exception, never proved."""
    files, chance = files_of(offer), random.Random(seed)
    files[layout.MANIFEST] = orjson.dumps(mutated(orjson.loads(files[layout.MANIFEST]), chance))
    files[layout.SUMS] = layout.sums(layout.digests(files))
    assert checked(files).status == "failed"


def mutated(value: object, chance: random.Random, depth: int = 0) -> object:
    """Return a JSON value with one thing in it changed."""
    if isinstance(value, dict) and value and (depth == 0 or chance.random() < 0.8):
        name = chance.choice(["subject", *value] if "subject" in value else list(value))
        return value | {name: mutated(value[name], chance, depth + 1)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        return [*value[:at], mutated(value[at], chance, depth + 1), *value[at + 1 :]]
    return chance.choice([None, [], {}, [[[]]], "", "x" * 300, 1.5, -1, True, "uz:K-1\n", {"kind": "center"}])
