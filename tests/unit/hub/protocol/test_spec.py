"""PROTOCOL.md says what the code does."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import schemas
from hub.domain.catalogue import KINDS
from hub.domain.judge import AHEAD_MAX
from hub.ledger.control import BAD_CONTROL, BAD_COSIGNATURE
from hub.ledger.gap import RESEND_BACKOFF_S
from hub.ledger.reading import Reason
from hub.ledger.witness import OTHER_ROOT, UNKNOWN_CHECKPOINT
from hub.protocol.control import HUB, RESERVED_IDS, VERSION_CHARS_MAX, Presence
from hub.protocol.record import ID, REQUIRED, is_signed
from hub.protocol.verdict import Code
from schemas.limits import (
    AHEAD_HOURS_MAX,
    CENTER_CHARACTERS_MAX,
    HUB_CHARACTERS_MAX,
    LIMITS,
    NAME_CHARACTERS_MAX,
    REASON_CHARACTERS_MAX,
)
from schemas.spec import TARGET, filled
from schemas.vectors.make import FILES, HERE
from schemas.vectors.records import START

TEXT = TARGET.read_text("utf-8")
GENERATED = re.compile(r"<!-- (\w+): generated -->\n.*?<!-- end -->\n", re.DOTALL)
LEDGER = Path(__file__).parents[4] / "hub" / "ledger"


def test_generated_parts_are_up_to_date() -> None:
    """Verdicts, events and the worked example are made from the code."""
    assert filled(TEXT) == TEXT, "run `python -m schemas.spec`"


def test_every_verdict_event_header_and_vector_is_named() -> None:
    """Nothing that an implementer meets is missing."""
    assert all(f"| `{code}` |" in TEXT for code in Code)
    assert all(f"({kind.schema_path})" in TEXT and kind.schema_path in schemas.paths() for kind in KINDS.values())
    assert all(f"`{name}`" in TEXT for name in REQUIRED)
    assert all(f"`{name}.json`" in TEXT for name in FILES)
    named = set(re.findall(r"(?:[Vv]ectors: |, |and )`(\w+)\.json`", TEXT)) - {"manifest"}
    assert named <= set(FILES)


def test_limits_stand_in_their_table_alone() -> None:
    """Two numbers for one thing can't come to differ: whatever else speaks of a limit refers to section 12."""
    text = GENERATED.sub("", TEXT)
    for limit in LIMITS:
        assert f"| {limit.of} | {limit.said} |" in TEXT
        unit = limit.unit.split(" ")[0].removesuffix("s")
        found = re.search(rf"(?<![\w,.]){limit.number:,} {unit}", text)
        assert not found, f"{found and found[0]} stands outside the table of section 12"


def test_limits_in_patterns_are_those_of_the_table() -> None:
    """What no constant says is what the readers take and refuse."""
    assert HUB.fullmatch("h" * HUB_CHARACTERS_MAX)
    assert not HUB.fullmatch("h" * (HUB_CHARACTERS_MAX + 1))
    assert ID.fullmatch("c" * CENTER_CHARACTERS_MAX)
    assert not ID.fullmatch("c" * (CENTER_CHARACTERS_MAX + 1))
    vectors = json.loads((HERE / "records.json").read_text("utf-8"))
    names = {kind: {h["name"] for row in vectors[kind] for h in row["headers"]} for kind in ("good", "bad")}
    assert max(len(name.removeprefix("ce_")) for name in names["good"] if is_signed(name)) == NAME_CHARACTERS_MAX
    assert any(len(name.removeprefix("ce_")) == NAME_CHARACTERS_MAX + 1 for name in names["bad"])
    said = Presence("uz", "", START, 0, 0, "v" * 1000).to_text()
    assert f"\nversion {'v' * VERSION_CHARS_MAX}\n" in said
    reasons = [row for row in json.loads((HERE / "trust.json").read_text("utf-8"))["good"] if "ы" in row["text"]]
    assert f"\nreason {'ы' * REASON_CHARACTERS_MAX}\n" in reasons[0]["text"]
    assert timedelta(hours=AHEAD_HOURS_MAX) == AHEAD_MAX


def test_resends_are_spaced_as_the_code_spaces_them() -> None:
    """What is waited for before a lane is parked, and the ids that no center may have."""
    first, second, third = (f"{seconds:g}" for seconds in RESEND_BACKOFF_S)
    text = " ".join(TEXT.split())
    assert f"at once, {first} s later, and {second} s after that" in text
    assert f"{third} s after the third request" in text
    assert all(f"`{name}`" in TEXT for name in RESERVED_IDS)


def test_every_reason_of_quarantine_is_named() -> None:
    """Whoever sees a record in quarantine finds its reason in the text."""
    source = "".join(path.read_text("utf-8") for path in sorted(LEDGER.glob("*.py")))
    reasons = set(re.findall(r'_quarantine(?:_tail)?\(\s*"([A-Z_]+)"', source))
    reasons |= set(re.findall(r'"([A-Z_]{5,}): ', source))
    reasons |= {BAD_CONTROL, BAD_COSIGNATURE, UNKNOWN_CHECKPOINT, OTHER_ROOT}
    reasons |= set(Reason)
    assert len(reasons) >= 11
    assert all(f"`{reason}`" in TEXT for reason in reasons)
