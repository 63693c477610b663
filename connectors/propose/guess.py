"""What a proposal is made of: guesses with their reasons, questions with their choices. Pure.

Sentences are not here but in `schemas/words/propose.toml`: a `Told` names one, with what is filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Sure = Literal["certain", "likely", "answered", "open"]
NOTHING: Final = "-"  # the answer that a field has no column, or a column no field
# Every sentence that a proposal or who shows it may say, by group: the catalogue of words has to have them.
SENTENCES: Final[Mapping[str, tuple[str, ...]]] = {
    "why": (
        "stream", "name", "name_leaf", "name_part", "name_within", "name_but_cells", "key", "person",
        "answered", "every_row", "total",
    ),
    "questions": (
        "stream", "encoding", "key", "key_counting", "key_pair", "field_likely", "field_rivals", "field_required",
        "status", "word", "split", "no_codes", "decimal", "date_order", "year_pivot", "factor", "person", "more",
        "column", "center", "key_prefix", "rows_total", "rows_lone",
        "sample", "needs", "no_address",
    ),
    "options": (
        "every_row", "no_column", "no_person", "blank", "refuse", "leave_out", "use_all_the_same", "happened",
        "same_things", "no_stream", "skip_rows", "keep_rows", "replace_sample", "keep_sample",
        "leave_field",
    ),
    "readings": (
        "point", "comma", "dmy", "mdy", "ymd", "year_pivot", "factor", "no_factor",
    ),
    "headers": (
        "setting", "source", "sure", "why",
    ),
    "told": (
        "sheet", "file", "left_out", "unused", "personal", "empty", "questions", "ask", "write", "written",
        "unfinished", "good", "more_refused", "none_good", "next", "put",
    ),
    "asking": (
        "how", "number", "numbers", "text", "examples", "wrong", "not_allowed", "none", "stays",
    ),
    "mapping": (
        "made", "change", "todo",
    ),
}  # fmt: skip
COLUMN: Final = "column:"  # an answer that names a column
VALUE: Final = "value:"  # an answer that is the same for every row


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence by its name in the catalogue of words, with what is filled in."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Guess:
    """One setting of a mapping: what it was taken from, how sure that is, and why."""

    place: str
    source: str
    sure: Sure
    why: Told


@dataclass(frozen=True, slots=True)
class Option:
    """One answer to a question; `label` is shown: a text in the office's language, or a sentence."""

    answer: str
    label: str | Told


@dataclass(frozen=True, slots=True)
class Question:
    """Something that the sheet does not tell.

    Shapes: id is the same whenever the same is asked of the same sheet; `free` takes a text beside the options: by
            `accepts`, from folded words to codes, or by `pattern`; `several` takes more than one of the options;
            suggested is the answer that is likely. One that is not `needed` is asked of a person who is there, and
            leaves nothing open.
    """

    id: str
    text: Told
    options: tuple[Option, ...] = ()
    free: bool = False
    several: bool = False
    needed: bool = True
    suggested: str | None = None
    examples: tuple[str, ...] = ()
    accepts: Mapping[str, str] | None = None
    pattern: str | None = None


Answers = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Labels:
    """What people call streams, fields, statuses and codes, in the office's language."""

    streams: Mapping[str, str]
    fields: Mapping[str, Mapping[str, str]]
    statuses: Mapping[str, Mapping[str, str]]
    codes: Mapping[str, Mapping[str, Mapping[str, str]]]
