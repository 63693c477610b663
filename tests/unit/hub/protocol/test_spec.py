"""PROTOCOL.md says what the code does."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

import schemas
from hub.domain.catalogue import KINDS
from hub.domain.judge import AHEAD_MAX
from hub.evidence.layout import COSIGNATURES, SCHEMA, state_path
from hub.ledger.control import BAD_CONTROL, BAD_COSIGNATURE
from hub.ledger.gap import RESEND_BACKOFF_S
from hub.ledger.reading import Reason
from hub.ledger.witness import OTHER_ROOT, UNKNOWN_CHECKPOINT
from hub.protocol.cause import Cause, is_coded
from hub.protocol.control import HUB, RESERVED_IDS, VERSION_CHARS_MAX, Presence
from hub.protocol.envelope import read_envelope
from hub.protocol.errors import Malformed, Rejected
from hub.protocol.forms import read_forms
from hub.protocol.record import ID, REQUIRED, is_signed
from hub.protocol.rules import NEWEST
from hub.protocol.schema import SCHEMA_PATH
from hub.protocol.verdict import Code
from schemas.limits import (
    AHEAD_HOURS_MAX,
    CAUSE_KEYS_MAX,
    CENTER_CHARACTERS_MAX,
    CODE_CHARACTERS_MAX,
    COSIGNATURES_MAX,
    FIELD_CHARACTERS_MAX,
    FORM_CHARACTERS_MAX,
    HUB_CHARACTERS_MAX,
    LIMITS,
    NAME_CHARACTERS_MAX,
    REASON_CHARACTERS_MAX,
    SCHEMA_CHARACTERS_MAX,
    STATE_CHARACTERS_MAX,
    STREAM_CHARACTERS_MAX,
    VERSION_DIGITS_MAX,
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


def test_limits_of_names_are_those_of_the_table() -> None:
    """What is within a limit is read, and one character more is not."""
    code = "C" * CODE_CHARACTERS_MAX
    for longer in ("", "C"):
        assert is_coded(f"{code}{longer}") is not bool(longer)
    with pytest.raises(Rejected) as refused:
        read_envelope("uz", None, {"ce_" + "A" * 100: b"1"}, 1, NEWEST)
    assert refused.value.field == "ce_" + "A" * (FIELD_CHARACTERS_MAX - 3)
    keys = ",".join(["0badcafe"] * CAUSE_KEYS_MAX)
    assert Cause.read(f"UNKNOWN_KEY {keys} 0000abcd")
    assert Cause.read(f"UNKNOWN_KEY {keys},0badcafe 0000abcd") is None
    form = f"{'f' * FORM_CHARACTERS_MAX}/v{'1' * VERSION_DIGITS_MAX}"
    assert read_forms(form) == (form,)
    for longer in (f"f{form}", f"{form}1"):
        with pytest.raises(Malformed):
            read_forms(longer)
    path = f"schemas/{'s' * STREAM_CHARACTERS_MAX}/{'n' * SCHEMA_CHARACTERS_MAX}.avsc"
    assert SCHEMA.fullmatch(path)
    assert not SCHEMA.fullmatch(path.replace("schemas/", "schemas/s"))
    assert not SCHEMA.fullmatch(path.replace(".avsc", "n.avsc"))
    assert SCHEMA_PATH.fullmatch(f"s/s.n.v{'1' * VERSION_DIGITS_MAX}.avsc")
    assert not SCHEMA_PATH.fullmatch(f"s/s.n.v{'1' * (VERSION_DIGITS_MAX + 1)}.avsc")
    assert COSIGNATURES.fullmatch(f"log/cosignatures-{COSIGNATURES_MAX}.note")
    assert not COSIGNATURES.fullmatch(f"log/cosignatures-{COSIGNATURES_MAX + 1}.note")
    assert f"/offer.{'k' * STATE_CHARACTERS_MAX}." in state_path("before", "offer", "k" * 100)


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
