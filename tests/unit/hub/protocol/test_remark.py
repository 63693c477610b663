"""What an audit found about a center's events is one short line, read back only where it is exactly that."""

from __future__ import annotations

import pytest

from hub.protocol.receipt import is_line
from hub.protocol.remark import RepeatedIds

LARGEST = RepeatedIds(2**63 - 1, "ffffffff", 2**63 - 1)


@pytest.mark.parametrize("remark", [RepeatedIds(1, "0a1b2c3d", 4), LARGEST])
def test_remark_is_read_as_it_was_written(remark: RepeatedIds) -> None:
    """Whatever its numbers are, it is one line of a status note."""
    assert is_line(remark.to_text())
    assert RepeatedIds.read(remark.to_text()) == remark


@pytest.mark.parametrize(
    "why",
    [
        "",
        "REPEATED_ID",
        "REPEATED_ID 0 0a1b2c3d 4",
        "REPEATED_ID 1 0a1b2c3d 04",
        "REPEATED_ID 1 0A1B2C3D 4",
        "REPEATED_ID 1 0a1b2c3d 4 more",
        "REPEATED_ID 1 0a1b2c3d 4\n",
        "REPEATED_ID ١ 0a1b2c3d 4",
        "a key that HQ does not know",
    ],
)
def test_other_reasons_are_no_remark(why: str) -> None:
    """They are shown as HQ said them."""
    assert RepeatedIds.read(why) is None
