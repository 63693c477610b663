"""Whom a check believes: HQ's two signatures, witnesses that have seen its log, a trust note that was pinned."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hub.evidence import layout
from hub.evidence.case import take_apart
from hub.evidence.check import examine
from hub.evidence.export import ExportedBundle
from hub.evidence.log import witnesses_of
from hub.evidence.report import Check, Report, Severity
from hub.protocol.keys import Signer
from hub.protocol.note import Note, sign_note
from hub.replay.source import Ledger
from tests.support.center import HUB, NOW
from tests.support.evidence import ROOT, TRUST, remade, witness
from tests.unit.hub.evidence.conftest import DEAL, OFFER, checked, files_of


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
