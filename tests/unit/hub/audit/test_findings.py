"""Findings: a closed list that the docs have, places that a person finds, neighbours told as one."""

from __future__ import annotations

import re
from pathlib import Path

import orjson

from hub.audit.findings import Findings, What, readable
from schemas.words import words

DOCS = Path(__file__).parents[4] / "docs" / "audit.md"


def test_every_finding_stands_in_the_docs_with_its_text() -> None:
    """The list in docs/audit.md is the product's, word for word and in its order: what is wrong, meant, to be done."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+) \| (.+) \| (.+) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    texts, parts = words("findings"), ("message", "meaning", "remedy")
    assert rows == [(str(what), *(texts.say(f"{what}.{part}", "en") for part in parts)) for what in What]


def test_neighbours_that_differ_in_their_number_alone_become_one() -> None:
    """A thousand missing events are one finding, a thousand and one other are two."""
    findings = Findings()
    for number in (*range(5, 1005), 1006):
        findings.add(What.LEDGER_GAP, "ledger", "hub.example/uz/00000001", number)
    assert [(f.first, f.last) for f in findings.sorted()] == [(5, 1004), (1006, None)]
    assert findings.sorted()[0].where == "ledger hub.example/uz/00000001 5-1004"


def test_anything_found_can_be_shown_and_written_as_json() -> None:
    """Lone surrogates, control characters and endless texts come out as text."""
    findings = Findings()
    findings.add(What.ENTITY, "entity", key="\udcff\x1b[2J", detail="x" * 10_000)
    (found,) = findings.sorted()
    assert orjson.loads(orjson.dumps(found.to_json()))["key"] == "\N{REPLACEMENT CHARACTER}" * 2 + "[2J"
    assert len(found.detail) == 300
    assert readable(b"\xff") == "b'\\xff'"
