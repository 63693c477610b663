"""The closed list of verdicts. What each says to people stands in schemas/words/verdicts.toml.

A verdict is final. ACCEPTED is not listed in a receipt; every other code is. Adding a code is a protocol change:
schemas/PROTOCOL.md lists them, and a connector that does not know one shows the code itself.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """What HQ decided about one event."""

    ACCEPTED = "ACCEPTED"
    # The record itself
    BAD_HEADERS = "BAD_HEADERS"
    BAD_KEY = "BAD_KEY"
    WRONG_CENTER = "WRONG_CENTER"
    NO_VALUE = "NO_VALUE"
    TOO_LARGE = "TOO_LARGE"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    UNKNOWN_SCHEMA = "UNKNOWN_SCHEMA"
    BAD_VALUE = "BAD_VALUE"
    TIME_IN_FUTURE = "TIME_IN_FUTURE"
    # The field rules
    MISSING_FIELD = "MISSING_FIELD"
    BAD_FIELD = "BAD_FIELD"
    TOO_LONG = "TOO_LONG"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNKNOWN_CODE = "UNKNOWN_CODE"
    INCONSISTENT = "INCONSISTENT"
    EXPORT_CONTROLLED = "EXPORT_CONTROLLED"
    # The entity's life
    UNKNOWN_ENTITY = "UNKNOWN_ENTITY"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    ILLEGAL_TRANSITION = "ILLEGAL_TRANSITION"
    ALREADY_SAID = "ALREADY_SAID"  # no legal next step, and yet what the entity already is: nothing is to be mended
    # The network's rules, as HQ's own lane has them
    STREAM_NOT_ALLOWED = "STREAM_NOT_ALLOWED"
    UNKNOWN_CENTER = "UNKNOWN_CENTER"
    CODE_NOT_LISTED = "CODE_NOT_LISTED"
