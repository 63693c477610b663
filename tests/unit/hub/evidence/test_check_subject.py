"""What a bundle says of itself is a claim too: its subject, its manifest, its page."""

from __future__ import annotations

import random
from dataclasses import replace

import orjson
import pytest

from hub.evidence import layout
from hub.evidence.export import ExportedBundle, export_bundle
from hub.evidence.report import Check
from hub.evidence.subject import Subject
from hub.replay.source import Ledger
from tests.support.evidence import TRUST_NOTE, remade
from tests.unit.hub.evidence.conftest import DEAL, OFFER, checked, files_of

SUBJECTS: dict[str, bytes] = {
    "another id": b'"id": "uz:D-2"',
    "another kind": b'"id": "uz:D-1", "kind": "entity"',
    "no text": b'"id": 5',
}


def test_page_that_was_rewritten_is_found(deal: ExportedBundle) -> None:
    """A page may be forged with all lists; what it says then is not what the evidence gives."""
    files = files_of(deal)
    made = remade(files, DEAL)
    made[layout.SUMMARY] = made[layout.SUMMARY].replace(b"1350000", b"1")
    sums = layout.sums(layout.digests(made))
    assert checked(made | {layout.SUMS: sums}).outcome(Check.SUMMARY) == "failed"


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
