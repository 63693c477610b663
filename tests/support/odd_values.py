"""Values near the borders of what the rules of a field allow, as an Avro body can hold them: by rules.json."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final

from hub.domain.stream import EventKind
from schemas.vectors.samples import sample_of
from tests.support.by_rules import rules

LEI: Final = "25340077S9WKUJJ9YT95"
ODD: Final = " \n\t\x7f\x85\xa0\u2028\u202e\u200b\x1cя青A1"
WHOLE: Final = (
    "",
    " ",
    "\x1c",
    "a b",
    "uz",
    "qd",
    "zz",
    "uz:K-1",
    "qd:X-1",
    "zz:X-1",
    LEI,
    LEI[:-1] + "6",
    "en",
    "002",
)
DAYS: Final = tuple(map(dt.date.fromisoformat, ("1899-12-31", "1900-01-01", "2026-02-01", "2027-06-01", "2200-01-02")))
NUMBERS: Final = (-1, 0, 1, 2, 3, 9, 10, 999, 1000, 2200, 2201)
AMOUNTS: Final = ("0", "-0.0001", "0.0001", "1", "99999999", "100000000", "1200000.5")


def odd_value(kind: EventKind, draw: random.Random) -> tuple[str, Any]:
    """Return one field of an event with another value, of its type, good or bad."""
    rule = draw.choice(rules()["events"][kind.type]["fields"])
    return rule["name"], _odd(rule, _sample(kind.type).get(rule["name"]), draw)


@cache
def _sample(event_type: str) -> Mapping[str, Any]:
    return sample_of(event_type)


def _odd(rule: Mapping[str, Any], good: Any, draw: random.Random) -> Any:
    if rule.get("null") and draw.random() < 0.25:
        return None
    return VALUES[rule["type"]](rule, good, draw)


def _code(rule: Mapping[str, Any], _: Any, draw: random.Random) -> str:
    codes = rule["codes"] if isinstance(rule["codes"], list) else rules()["codes"][rule["codes"]]
    return str(draw.choice([codes[0], codes[-1], draw.choice(codes), "", " ", "nothing", codes[0].swapcase()]))


def _record(rule: Mapping[str, Any], good: Any, draw: random.Random) -> dict[str, Any]:
    return {inner["name"]: (good or {}).get(inner["name"], _odd(inner, None, draw)) for inner in rule["fields"]}


def _list(rule: Mapping[str, Any], good: Any, draw: random.Random) -> list[Any]:
    items = list(good or ())
    if items and draw.random() < 0.3:
        return items * draw.choice((0, 2, min(rule.get("max", 1), 100) + 1))
    return [*items, _odd(rule["items"], items[0] if items else None, draw)]


def _text(rule: Mapping[str, Any], good: Any, draw: random.Random) -> str:
    whole = good if isinstance(good, str) else "a"
    longest = min(rule.get("max", 300), 4000)
    return draw.choice((
        whole,
        draw.choice(WHOLE),
        draw.choice(ODD) + whole,
        whole + draw.choice(ODD),
        whole[:1] + draw.choice(ODD) + whole[1:],
        "置" * longest,
        "x" * (longest + 1),
        " " + "x" * longest,
    ))  # fmt: skip


VALUES: Final[Mapping[str, Callable[[Mapping[str, Any], Any, random.Random], Any]]] = {
    "text": _text,
    "code": _code,
    "int": lambda _rule, _good, draw: draw.choice(NUMBERS),
    "decimal": lambda _rule, _good, draw: Decimal(draw.choice(AMOUNTS)),
    "date": lambda _rule, _good, draw: draw.choice(DAYS),
    "bool": lambda _rule, _good, draw: draw.random() < 0.5,
    "record": _record,
    "list": _list,
}
