"""A foreign judge of fields: it knows nothing of ours but what stands in schemas/rules.json."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import schemas

Broken = tuple[str, str]  # the verdict's code, the field's path
Value = Mapping[str, Any]


@cache
def rules() -> dict[str, Any]:
    """Return the file."""
    found: dict[str, Any] = json.loads(schemas.read("rules.json"))
    return found


def judge_fields(event_type: str, value: Value, number: int) -> Broken | None:
    """Return the first rule that a value breaks under the rules of that number, None where it keeps them all."""
    event = rules()["events"][event_type]
    found = next(_record(event["fields"], value, rules()["rules"][str(number)], ""), None)
    if found is not None:
        return found
    for rule in event["crossed"]:
        if not CROSSED[rule["rule"]](value, rule):
            return rules()["crossed"][rule["rule"]]["code"], rule["field"]
    return None


def entity_key(event_type: str, value: Value) -> str | None:
    """Return what the record says that its entity's id is behind the colon, None where it says nothing of it."""
    rule = rules()["events"][event_type]["entity_key"]
    if rule is None:
        return None
    return _KEYS[rule["is"]](value, rule)


def _center_of(value: Value, rule: Mapping[str, Any]) -> str | None:
    names = [key["vkey"].partition("+")[0].split("/") for key in value[rule["field"]]]
    return names[0][1] if names else None


_KEYS: dict[str, Callable[[Value, Mapping[str, Any]], str | None]] = {
    "center": _center_of,
    "epoch": lambda v, r: str(v[r["field"]].rpartition("/")[2]),
    "field": lambda v, r: str(v[r["field"]]),
    "text": lambda _, r: str(r["text"]),
}


def _record(
    fields: Sequence[Mapping[str, Any]], value: Value, number: Mapping[str, Any], path: str
) -> Iterator[Broken]:
    for rule in fields:
        name = rule["name"]
        if name in value:
            yield from _value(rule, value[name], number, path + name)
        elif "absent" not in rule:
            yield "MISSING_FIELD", path + name
    for name in value:
        if name not in {rule["name"] for rule in fields}:
            yield "BAD_FIELD", path + name


def _value(rule: Mapping[str, Any], given: Any, number: Mapping[str, Any], path: str) -> Iterator[Broken]:
    if given is None:
        if not rule.get("null"):
            yield "MISSING_FIELD", path
        return
    code = ""
    if rule["type"] == "record":
        yield from _record(rule["fields"], given, number, f"{path}.")
        return
    if rule["type"] == "list":
        if len(given) > rule.get("max", len(given)):
            yield "TOO_LONG", path
            return
        before = 0
        for at, item in enumerate(given):
            for found in _value(rule["items"], item, number, f"{path}.{at}"):
                before += 1
                yield found
        if not before and len(given) < rule.get("min", 0):
            yield "BAD_FIELD", path
        return
    if rule["type"] == "text":
        code = _text(rule, given, number)
    elif rule["type"] == "code":
        codes = rule["codes"] if isinstance(rule["codes"], list) else rules()["codes"][rule["codes"]]
        code = "" if given in codes else "UNKNOWN_CODE"
    elif rule["type"] != "bool":
        code = _bounds(rule, given)
    if code:
        yield ("MISSING_FIELD" if isinstance(given, str) and not trim(given, "blank") else code), path


def trim(text: str, what: str) -> str:
    """Return a text without white space at its ends."""
    ends = rules()[what]
    return re.sub(f"^{ends}+|{ends}+\\Z", "", text)


def _text(rule: Mapping[str, Any], given: str, number: Mapping[str, Any]) -> str:
    text = trim(given, "white_space") if rule.get("trimmed") and not number["exact_text"] else given
    if len(text) > rule.get("max", len(text)):
        return "TOO_LONG"
    if len(text) < rule.get("min", 0):
        return "BAD_FIELD"
    if "pattern" in rule and not re.fullmatch(rule["pattern"], text):
        return "BAD_FIELD"
    exact = number["exact_lines_pattern" if rule.get("lines") else "exact_pattern"]
    if number["exact_text"] and not rule.get("verbatim") and not re.fullmatch(exact, text):
        return "BAD_FIELD"
    return "" if "checked" not in rule or CHECKED[rule["checked"]](text) else "BAD_FIELD"


def _bounds(rule: Mapping[str, Any], given: Any) -> str:
    def bound(name: str) -> Any:
        found = rule[name]
        if rule["type"] == "date":
            return dt.date.fromisoformat(found)
        return Decimal(found)

    if rule["type"] == "decimal" and -given.as_tuple().exponent > rule["decimals"]:
        return "BAD_FIELD"
    within = (
        ("most" not in rule or given <= bound("most"))
        and ("below" not in rule or given < bound("below"))
        and ("least" not in rule or given >= bound("least"))
        and ("above" not in rule or given > bound("above"))
    )
    return "" if within else "OUT_OF_RANGE"


def _lei(text: str) -> bool:
    return int("".join(str(int(character, 36)) for character in text)) % 97 == 1


def _given(value: Value, name: str) -> Any:
    return value.get(name)


def _within_days(value: Value, rule: Mapping[str, Any]) -> bool:
    end, begin = _given(value, rule["field"]), _given(value, rule["other"])
    return end is None or begin < end <= begin + dt.timedelta(days=rule["days"])


def _not_before(value: Value, rule: Mapping[str, Any]) -> bool:
    end, begin = _given(value, rule["field"]), _given(value, rule["other"])
    return end is None or (begin is not None and end >= begin)


def _export_control(value: Value, rule: Mapping[str, Any]) -> bool:
    said = value[rule["field"]]
    return bool(said == "free" or (said == "restricted" and _given(value, rule["licence"]) is not None))


def _keys_are_proved(value: Value, _rule: Mapping[str, Any]) -> bool:
    if value["keys"]:
        raise NotImplementedError("who judges a center's keys needs more than this file: PROTOCOL.md, Enrolment")
    return True


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _moment(text: str) -> bool:
    try:
        return text[:4] != "0000" and dt.datetime.fromisoformat(text).second < 60
    except ValueError:
        return False


def _at_most(value: Value, rule: Mapping[str, Any]) -> bool:
    part, whole = _given(value, rule["field"]), _given(value, rule["other"])
    return part is None or (whole is not None and part <= whole)


def _count(value: Value, rule: Mapping[str, Any]) -> int:
    return sum(_given(value, name) is not None for name in rule["fields"])


CHECKED: dict[str, Callable[[str], bool]] = {"lei": _lei, "moment": _moment}
CROSSED: dict[str, Callable[[Value, Mapping[str, Any]], bool]] = {
    "any_of": lambda v, r: _count(v, r) > 0,
    "at_most": _at_most,
    "at_most_one": lambda v, r: _count(v, r) <= 1,
    "differ": lambda v, r: _given(v, r["field"]) != v[r["other"]],
    "each_once": lambda v, r: len({item[r["by"]] for item in v[r["field"]]}) == len(v[r["field"]]),
    "export_control": _export_control,
    "go_together": lambda v, r: len({_given(v, name) is None for name in r["fields"]}) == 1,
    "keys_are_proved": _keys_are_proved,
    "later_than": lambda v, r: v[r["field"]] > v[r["other"]],
    "not_before": _not_before,
    "required": lambda v, r: _given(v, r["field"]) is not None,
    "required_unless": lambda v, r: v[r["other"]] == r["value"] or _given(v, r["field"]) is not None,
    "required_with": lambda v, r: _given(v, r["other"]) is None or _given(v, r["field"]) is not None,
    "schema_id_of": lambda v, r: v[r["field"]] == int.from_bytes(_hash(v[r["other"]])[:4], "big") & 0x7FFFFFFF,
    "sha256_of": lambda v, r: v[r["field"]] == _hash(v[r["other"]]).hex(),
    "stands_on": lambda v, r: _given(v, r["field"]) is None or _given(v, r["other"]) is not None,
    "stands_on_any": lambda v, r: _given(v, r["field"]) is None or _count(v, r) > 0,
    "within_days_after": _within_days,
    "zero_without": lambda v, r: _given(v, r["other"]) is not None or not _given(v, r["field"]),
}
