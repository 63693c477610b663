"""`python -m schemas.rules`: write rules.json, from which whoever judges in another language can judge again.

Everything in it is read from the models that HQ itself judges by. How it is to be read stands in PROTOCOL.md, "Field
rules"; a test judges random values by the file alone, and finds the verdicts of the models.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.codes import lists
from hub.domain.codes.country import COUNTRIES
from hub.domain.codes.currency import CURRENCIES
from hub.domain.codes.office import OFFICES
from hub.domain.codes.timezone import TIMEZONES
from hub.domain.exact_text import EXACT_LINES, EXACT_TEXT
from hub.domain.fields import MANY_LINES, VERBATIM, FieldRules
from hub.domain.judge import AHEAD_MAX
from hub.domain.stream import EventKind
from hub.protocol.limits import KEY_CHARS_MAX, VALUE_BYTES_MAX
from hub.protocol.rules import RULES
from hub.protocol.verdict import Code

TARGET: Final = Path(__file__).with_name("rules.json")
STANDARDS: Final[Mapping[str, tuple[str, ...]]] = {
    "iso3166": tuple(sorted(COUNTRIES)),
    "iso4217": tuple(sorted(CURRENCIES)),
    "wipo_st3": tuple(sorted(OFFICES)),
    "tz": tuple(sorted(TIMEZONES)),
}
# Unicode's White_Space; for a text that is blank, the four separators of ASCII too.
WHITE_SPACE: Final = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
BLANK: Final = WHITE_SPACE + "\x1c-\x1f"
# What a rule between fields looks at. `field` is the one that a broken rule is told of, `code` its verdict.
CROSSED: Final[Mapping[str, tuple[Code, str]]] = {
    "any_of": (Code.MISSING_FIELD, "one of `fields` is given, or several"),
    "at_most": (Code.INCONSISTENT, "where `field` is given, `other` is too, and is no smaller number"),
    "at_most_one": (Code.INCONSISTENT, "not more than one of `fields` is given"),
    "differ": (Code.INCONSISTENT, "`field` is not equal to `other`"),
    "each_once": (Code.INCONSISTENT, "no two records of the list `field` have one value of `by`"),
    "export_control": (Code.EXPORT_CONTROLLED, "`field` is free, or restricted with `licence` given"),
    "go_together": (Code.INCONSISTENT, "all of `fields` are given, or none"),
    "keys_are_proved": (Code.INCONSISTENT, "PROTOCOL.md, Enrolment: each key's name, kind and proofs"),
    "later_than": (Code.INCONSISTENT, "`field` is a later moment than `other`"),
    "not_before": (Code.INCONSISTENT, "where `field` is given, `other` is too, and is no later day"),
    "required": (Code.MISSING_FIELD, "`field` is given"),
    "required_unless": (Code.MISSING_FIELD, "where `other` is not the code `value`, `field` is given"),
    "required_with": (Code.MISSING_FIELD, "where `other` is given, `field` is too"),
    "schema_id_of": (Code.INCONSISTENT, "`field` is the schema id of the text `other`"),
    "sha256_of": (Code.INCONSISTENT, "`field` is the SHA-256 of the text `other`, in hex"),
    "stands_on": (Code.INCONSISTENT, "where `field` is given, `other` is too"),
    "stands_on_any": (Code.INCONSISTENT, "where `field` is given, one of `fields` is too, or several"),
    "within_days_after": (Code.INCONSISTENT, "where `field` is given, it is 1 to `days` days after `other`"),
    "zero_without": (Code.INCONSISTENT, "where `other` is not given, `field` is 0"),
}
CHECKED: Final[Mapping[str, str]] = {
    "lei": "ISO 17442: letters count from A = 10; the number so written is 1 modulo 97",
    "moment": "PROTOCOL.md, Records, Form of `ce_time`: the day exists, hours go to 23, minutes and seconds to 59",
    "vkey": "PROTOCOL.md, Names and keys: the id is that of the name and the key, which is a canonical one",
}
# What an entity's id is behind its colon, of the streams whose record says it; `center`: in the names of its keys.
ENTITY_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "center": {"is": "center", "field": "keys"},
    "clock": {"is": "text", "text": "clock"},
    "code_list": {"is": "field", "field": "name"},
    "lane": {"is": "epoch", "field": "origin"},
    "rules": {"is": "text", "text": "rules"},
    "schema": {"is": "field", "field": "schema_id"},
}
_ESCAPED: Final = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\[sn]")
_BOUNDS: Final = {"ge": "least", "gt": "above", "le": "most", "lt": "below", "decimal_places": "decimals"}


def document() -> dict[str, Any]:
    """Return all rules that a verdict on an event stands on, as JSON has them."""
    return {
        "format": "cohub-rules/v1",
        "rules": {
            str(rules.number): asdict(rules)
            | {
                "exact_pattern": portable(EXACT_TEXT) if rules.exact_text else None,
                "exact_lines_pattern": portable(EXACT_LINES) if rules.exact_text else None,
            }
            for rules in RULES.values()
        },
        "white_space": portable(f"[{WHITE_SPACE}]"),
        "blank": portable(f"[{BLANK}]"),
        "limits": {
            "ahead_seconds": int(AHEAD_MAX.total_seconds()),
            "key_characters": KEY_CHARS_MAX,
            "value_bytes": VALUE_BYTES_MAX,
        },
        "codes": {name: list(codes) for name, codes in sorted({**STANDARDS, **_own_lists()}.items())},
        "checked": dict(CHECKED),
        "crossed": {name: {"code": code, "says": says} for name, (code, says) in CROSSED.items()},
        "events": {kind.type: _event(kind) for kind in KINDS.values()},
    }


def text() -> str:
    """Return rules.json."""
    return json.dumps(document(), indent=1, default=_plain) + "\n"


def portable(pattern: str) -> str:
    """Return a pattern of ours as any engine reads it: it is for the whole text, and names characters by themselves."""

    def character(found: re.Match[str]) -> str:
        named = {r"\s": WHITE_SPACE, r"\n": "\n"}.get(found[0])
        return chr(int(found[1] or found[2], 16)) if named is None else named

    return _ESCAPED.sub(character, pattern.removeprefix("^").removesuffix("$"))


def _event(kind: EventKind) -> dict[str, Any]:
    stream = STREAMS[kind.stream]
    names = stream if kind.carries_record else None
    return {
        "stream": kind.stream,
        "schema": kind.schema_path,
        "writer": stream.writer,
        "carries_record": kind.carries_record,
        "legal_in": sorted(kind.legal_in, key=lambda status: (status is not None, status)),
        "status_after": kind.status_after,
        "fields": list(_fields(kind.model)),
        "crossed": [{"rule": c.name, "field": c.field, **c.arguments} for c in kind.model.crossed],
        "centers": list(names.network_fields) if names else [],
        "entities": [{"field": field, "stream": of} for field, of in names.references.items()] if names else [],
        "of_others": sorted(names.foreign_fields) if names else [],
        "listed": [{"field": field, "list": of} for field, of in names.code_list_fields.items()] if names else [],
        "growing": list(names.growing_fields) if names else [],
        "entity_key": ENTITY_KEYS[stream.name] if names and names.key_of else None,
    }


def _fields(model: type[FieldRules]) -> Iterator[dict[str, Any]]:
    schema: Any = model.__pydantic_core_schema__
    while schema["type"] != "model":  # the model's own checks stand around it
        schema = schema["schema"]
    yield from _fields_of(schema)


def _fields_of(model: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, field in model["schema"]["fields"].items():
        yield {"name": name, **_value(field["schema"])}


def _value(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules of one value: what pydantic's core checks it by."""
    kind = schema["type"]
    if kind == "default":
        default = schema["default"] if "default" in schema else schema["default_factory"]()
        return {**_value(schema["schema"]), "absent": default}
    if kind == "nullable":
        return {**_value(schema["schema"]), "null": True}
    if kind == "function-after":
        return {**_value(schema["schema"]), "checked": schema["function"]["function"].__name__.removeprefix("_check_")}
    if kind == "literal":
        return {"type": "code", "codes": _name_of(tuple(schema["expected"]))}
    if kind == "str":
        return _text(schema)
    if kind == "list":
        found = {"type": "list", "items": _value(schema["items_schema"])}
        return found | {name: schema[f"{name}_length"] for name in ("min", "max") if f"{name}_length" in schema}
    if kind == "model":
        return {"type": "record", "fields": list(_fields_of(schema))}
    if kind in ("int", "decimal", "date", "bool"):
        return {"type": kind} | {ours: schema[name] for name, ours in _BOUNDS.items() if name in schema}
    raise NotImplementedError(f"a rule of the kind {kind} has no form in rules.json yet")


def _text(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "text"}
    found |= {name: schema[f"{name}_length"] for name in ("min", "max") if f"{name}_length" in schema}
    if schema.get("strip_whitespace"):
        found["trimmed"] = True
    if "pattern" in schema:
        found["pattern"] = portable(schema["pattern"])
        if schema["pattern"] == MANY_LINES:
            found["lines"] = True
    if schema.get("metadata", {}).get(VERBATIM):
        found["verbatim"] = True
    return found


def _own_lists() -> dict[str, tuple[str, ...]]:
    return {name.lower(): codes for name, codes in vars(lists).items() if name.isupper()}


def _name_of(codes: tuple[str, ...]) -> str | list[str]:
    named = {**STANDARDS, **_own_lists()}
    return next((name for name, known in named.items() if known == codes), list(codes))


def _plain(value: object) -> str:
    if isinstance(value, Decimal | dt.date):
        return str(value)
    raise TypeError(f"no form for {type(value).__name__}")


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{TARGET}\n")
