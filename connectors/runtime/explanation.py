"""What is wrong with a row, and what a person does about it, in their words: HQ's codes, the source's and our own."""

from __future__ import annotations

import re
from typing import Final

from connectors.mapping.problem import Problem
from hub.protocol.verdict import Code
from schemas.words import NO_WORDS, Language, stream_words, verdict_text, words

# What the connector writes by itself: no cell of a sheet can mend it.
NOT_THE_SHEETS_FAULT: Final = frozenset(
    {
        Code.BAD_HEADERS,
        Code.BAD_KEY,
        Code.WRONG_CENTER,
        Code.NO_VALUE,
        Code.UNKNOWN_TYPE,
        Code.UNKNOWN_SCHEMA,
        Code.BAD_VALUE,
    }
)
# The names that a problem's parameters may begin with: those that have a word, and bounds, which have a sign.
PARAMS: Final = (
    "value",
    "max",
    "length",
    "allowed",
    "rows",
    "status",
    "event",
    "list",
    "file",
    "stream",
    "letter",
    "sign",
    "at",
    "readings",
    "unit",
)
_BOUND_SIGNS: Final = {"ge": "≥ ", "gt": "> ", "le": "≤ ", "lt": "< "}
_GROUPS: Final = {"status": "statuses", "event": "events"}  # of a stream's words
_CODED: Final = re.compile(r"(?:(?<=^)|(?<= ))(status|event|stream)=([a-z_]+)(?= |$)")
_BETWEEN: Final = {"zh": "；", "en": "; ", "ru": "; "}  # one value that is told and the next
_PARAM: Final = re.compile(rf"(^| )({'|'.join((*PARAMS, *_BOUND_SIGNS))})=")


def message(code: str, language: Language) -> str:
    """Return the sentence for a code of HQ's, the source's or the connector's; the code itself if it is unknown."""
    return words("problems").find(f"{code}.message", language) or verdict_text(code, language)


def remedy(code: str, language: Language) -> str:
    """Return what to do about a code, nothing about ACCEPTED; for one we do not know, to ask HQ."""
    if code == Code.ACCEPTED:
        return ""
    if code in NOT_THE_SHEETS_FAULT:
        return words("sheets").say("remedies.tell_support", language)
    name = f"{code}.remedy"
    found = words("problems").find(name, language) or words("verdicts").find(name, language)
    return found or words("sheets").say("remedies.ask_hq", language)


def explain(problem: Problem, language: Language, stream: str = "") -> str:
    """Return one problem as a person reads it: where, what, and what stood there.

    Shapes: `stream` is that of the row, whose fields, statuses and events have words; what has none stays as it is.
    """
    where = problem.column or _field_word(stream, problem.field, language)
    said = message(problem.code, language)
    params = _CODED.sub(lambda found: f"{found[1]}={_coded(stream, found[1], found[2], language)}", problem.params)
    params = _PARAM.sub(lambda found: (found[1] and _BETWEEN[language]) + _param(found[2], language), params)
    return (f"{where}: " if where else "") + said + (f" ({params})" if params else "")


def _field_word(stream: str, field: str, language: Language) -> str:
    """Return what a field is called; of a part of it, such as `countries[2]`, the place within it as it is."""
    name = re.split(r"[.\[]", field, maxsplit=1)[0]
    return (_word(stream, f"fields.{name}", language) or name) + field[len(name) :]


def _coded(stream: str, param: str, code: str, language: Language) -> str:
    found = _word(code, "title", language) if param == "stream" else _word(stream, f"{_GROUPS[param]}.{code}", language)
    return found or code


def _word(stream: str, name: str, language: Language) -> str | None:
    return stream_words().get(stream, NO_WORDS).find(name, language)


def _param(name: str, language: Language) -> str:
    return _BOUND_SIGNS.get(name) or words("sheets").say(f"params.{name}", language)
