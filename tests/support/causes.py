"""One cause of each code, with a value for each place."""

from __future__ import annotations

from hub.protocol.cause import VALUES, Cause, CauseCode

EXAMPLES = {"keys": "1f2e3d4c,00000000", "epoch": "0a1b2c3d"}


def example(code: CauseCode, text: str = "", number: int = 7) -> Cause:
    """Return a cause of that code."""
    return Cause.of(code, *(EXAMPLES.get(name, number) for name in VALUES[code]), text=text)
