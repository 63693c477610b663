"""Where an event stands in a trace: `ce_traceparent`, which anybody may write anything into.

It is a signed header like any other, and no verdict asks what is in it: what is not of this form is of no trace.
Source: CloudEvents' distributed tracing extension; W3C Trace Context, "traceparent Header".
"""

from __future__ import annotations

import re
from typing import Final

from hub.protocol.value import value_class

TRACEPARENT: Final = "ce_traceparent"
# What a later version adds stands behind a hyphen; version ff is none.
_FORM: Final = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_FIRST: Final = b"00"
_SAMPLED: Final = 1


@value_class
class Traceparent:
    """A span of a trace. Shapes: numbers of 128 and of 64 bits, neither of them 0."""

    trace: int
    span: int
    is_sampled: bool = True

    def to_text(self) -> str:
        """Return it as version 00 has it."""
        return f"00-{self.trace:032x}-{self.span:016x}-{int(self.is_sampled):02x}"


def read_traceparent(content: bytes | None) -> Traceparent | None:
    """Return the span that a header names; None where it names none, whatever it holds."""
    found = None if content is None else _FORM.fullmatch(content)
    if found is None or (found[1] == _FIRST and found[5] is not None):
        return None
    trace, span = int(found[2], 16), int(found[3], 16)
    return Traceparent(trace, span, bool(int(found[4], 16) & _SAMPLED)) if trace and span else None
