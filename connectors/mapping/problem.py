"""What a row's outcome is made of: what keeps it from being sent, and what should be true at HQ.

What a code says to people stands in the catalogue of words, `schemas/words/problems.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hub.protocol.value import value_class


class LocalCode(StrEnum):
    """Why the connector refuses a row that could be read; a closed set beside HQ's and the source's."""

    NO_KEY = "NO_KEY"
    DUPLICATE_KEY = "DUPLICATE_KEY"
    LOOK_ALIKE = "LOOK_ALIKE"  # letters of two alphabets in one key, which look the same
    LOOKS_LIKE_TOTAL = "LOOKS_LIKE_TOTAL"
    LOOKS_LIKE_HEADER = "LOOKS_LIKE_HEADER"
    OTHER_HEADER = "OTHER_HEADER"  # below a further header whose columns stand in another order
    LOOKS_LIKE_NOTE = "LOOKS_LIKE_NOTE"  # a signature, a footnote, a page's number
    CHANGED_KEY = "CHANGED_KEY"  # its column tells that a program made something else of it
    EMPTY_WORD = "EMPTY_WORD"  # what programs write where nothing is: NULL, nan, undefined
    NOT_IN_TABLE = "NOT_IN_TABLE"
    BAD_DATE = "BAD_DATE"
    AMBIGUOUS_DATE = "AMBIGUOUS_DATE"  # the day or the month first, and nothing in the column tells
    SHORT_YEAR = "SHORT_YEAR"  # two digits, and no `year_pivot`
    OTHER_CALENDAR = "OTHER_CALENDAR"  # a year that is none of this calendar's near ones
    DATE_AS_NUMBER = "DATE_AS_NUMBER"  # days since 1900, as a spreadsheet counts them
    DAY_BY_ZONE = "DAY_BY_ZONE"  # a moment with an offset, which is another day elsewhere
    BAD_NUMBER = "BAD_NUMBER"
    AMBIGUOUS_NUMBER = "AMBIGUOUS_NUMBER"  # a decimal mark or one of thousands, and nothing in the column tells
    UNIT_IN_NUMBER = (
        "UNIT_IN_NUMBER"  # the cell or the header counts in thousands, percent ..., and no `factor` says so
    )
    OTHER_CURRENCY = "OTHER_CURRENCY"  # the sign in the cell or the header is none of the row's currency
    TOO_MANY_DECIMALS = "TOO_MANY_DECIMALS"
    BAD_YES_NO = "BAD_YES_NO"
    NOT_ONE_VALUE = "NOT_ONE_VALUE"
    BAD_SHAPE = "BAD_SHAPE"
    BAD_WEBSITE = "BAD_WEBSITE"
    BAD_IPC = "BAD_IPC"
    NOT_LATIN = "NOT_LATIN"
    HIDDEN_SIGN = "HIDDEN_SIGN"  # a control that nobody sees, and that is not certain to be another sign misread
    SHOWN_OTHERWISE = "SHOWN_OTHERWISE"  # the sheet shows something else than it stores, and what is not certain
    MADE_A_DATE = "MADE_A_DATE"  # a spreadsheet made a date or a time of it
    FORMULA_TEXT = "FORMULA_TEXT"  # the text of a formula, not its result
    NO_PERSON = "NO_PERSON"
    PERSON_ERASED = "PERSON_ERASED"  # a remark: the row is sent without them
    OWN_TIME = "OWN_TIME"  # HQ rejected a time that the connector itself gave: this computer's clock was wrong
    PERSON_WAITS = "PERSON_WAITS"  # a remark: the row is sent without them


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a row from being sent.

    Shapes: column is what a person sees in the sheet ("" if it is the whole row), field the record's field path, code
            one of hub.protocol.verdict.Code, connectors.source.ProblemCode or LocalCode; params is at most 100 bytes.
    """

    column: str
    field: str
    code: str
    params: str


@value_class
class Wanted:
    """What should be true of one entity at HQ.

    Shapes: record holds plain Avro values and every field of the stream's record that is optional; reason holds what a
            status-only event may say (`reason`, `effective_on`), None if nothing. remarks are for the person in the
            office: the row is sent all the same.
    Units:  occurred_at is UTC, None if the sheet does not say.
    """

    stream: str
    subject: str
    status: str
    record: dict[str, Any]
    occurred_at: datetime | None
    reason: dict[str, Any] | None
    remarks: tuple[Problem, ...] = ()
