"""PROTOCOL.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import schemas
from hub.domain.catalogue import KINDS
from hub.ledger.control import BAD_CONTROL, BAD_COSIGNATURE
from hub.ledger.take import RESEND_BACKOFF_S
from hub.ledger.witness import OTHER_ROOT, UNKNOWN_CHECKPOINT
from hub.protocol.control import RESERVED_IDS
from hub.protocol.limits import ATTRIBUTE_BYTES_MAX, TAIL_BYTES_MAX, TAIL_EVENTS_MAX, VALUE_BYTES_MAX
from hub.protocol.note import NOTE_BYTES_MAX, SIGNATURES_MAX
from hub.protocol.receipt import LINE_BYTES_MAX
from hub.protocol.record import REQUIRED
from hub.protocol.verdict import Code
from schemas.spec import TARGET, filled
from schemas.vectors.make import FILES

TEXT = TARGET.read_text("utf-8")
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


def test_limits_are_those_of_the_code() -> None:
    """A number in the text is the number in the code."""
    for number in (VALUE_BYTES_MAX, ATTRIBUTE_BYTES_MAX, NOTE_BYTES_MAX):
        assert f"{number:,} bytes" in TEXT
    assert f"{SIGNATURES_MAX} signatures" in TEXT
    assert f"| {LINE_BYTES_MAX} bytes |" in TEXT
    assert f"{TAIL_EVENTS_MAX} events, {TAIL_BYTES_MAX // 2**20} MiB" in TEXT
    first, second, third = (f"{seconds:g}" for seconds in RESEND_BACKOFF_S)
    assert f"after {first}, {second} and {third} s" in TEXT
    assert all(f"`{name}`" in TEXT for name in RESERVED_IDS)


def test_every_reason_of_quarantine_is_named() -> None:
    """Whoever sees a record in quarantine finds its reason in the text."""
    source = "".join(path.read_text("utf-8") for path in sorted(LEDGER.glob("*.py")))
    reasons = set(re.findall(r'_quarantine(?:_tail)?\(\s*"([A-Z_]+)"', source))
    reasons |= set(re.findall(r'"([A-Z_]{5,}): ', source))
    reasons |= {BAD_CONTROL, BAD_COSIGNATURE, UNKNOWN_CHECKPOINT, OTHER_ROOT}
    assert len(reasons) >= 11
    assert all(f"`{reason}`" in TEXT for reason in reasons)
