"""The vectors of judging again: the check of bundles finds what follows, and finds each thing that does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.domain.stream import HQ
from hub.evidence import layout
from hub.evidence.case import Case, take_apart
from hub.evidence.judging import fold_hq, judge_subject
from hub.evidence.lanes import check_order
from hub.evidence.report import Check, Report, Severity
from hub.evidence.subject import Subject
from hub.protocol.receipt import Receipt
from hub.protocol.trust import Trust
from schemas.vectors.judged import HQ_KEY, RELEASED
from schemas.vectors.keys import RECEIPTS, ROOT
from schemas.vectors.make import HERE

FILE: dict[str, Any] = json.loads((HERE / "judged.json").read_text("utf-8"))
TRUST = Trust(FILE["hub"], ROOT.verifier, (RECEIPTS.verifier,), hqs=(HQ_KEY,))


def judged(row: dict[str, Any]) -> Case:
    """Return a row's receipts as a bundle would have them, judged; seals and signatures are not looked at here."""
    files: dict[str, bytes] = {}
    said: dict[str, Receipt] = {}
    lanes: dict[str, int] = {}
    for name in row["receipts"]:
        part = FILE["receipts"][name]
        receipt = Receipt.from_text(part["text"])
        _, center, epoch = receipt.origin.split("/")
        number = 1 if center == HQ else lanes.setdefault(receipt.origin, len(lanes) + 2)
        folder = layout.range_folder(number, center, epoch, receipt.first, receipt.last)
        said[folder] = receipt
        for place in part["events"]:
            sequence = int(place.rpartition("/")[2])
            files[layout.event_path(folder, sequence)] = bytes.fromhex(FILE["events"][place])
    case = take_apart(files, Subject("entity", "uz:K-1", "offer"), Report())
    case.trust = TRUST
    for _, span in case.spans():
        span.receipt = said[span.folder]
        for decision in span.receipt.decisions:
            if decision.sequence in span.events:
                span.events[decision.sequence].decision = decision
    fold_hq(case, RELEASED)
    check_order(case)
    judge_subject(case)
    return case


def wrong_in(case: Case) -> list[str]:
    """Return what does not follow."""
    return [f.detail for f in case.report.findings if f.severity is Severity.ERROR and f.check is not Check.SEALS]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in FILE["good"]])
def test_entities_follow(row: dict[str, Any]) -> None:
    """Every verdict is the one that HQ signed, and the entities are those of the file."""
    case = judged(row)
    assert wrong_in(case) == []
    known = {**case.hq_entities, **case.states}
    assert sorted(k.document.decode() for (stream, _), k in known.items() if stream != "schema") == row["entities"]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in FILE["bad"]])
def test_what_does_not_follow_is_found(row: dict[str, Any]) -> None:
    """A verdict, a basis, a time or a range that HQ could not have signed."""
    assert wrong_in(judged(row))
