"""The field rules of an event, and the verdict that a broken one gets: the same at both ends of a lane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hub.domain.exact_text import validator
from hub.domain.quick_look import quick_look
from hub.domain.sealed import SEALED_PATTERN
from hub.domain.stream import EventKind
from hub.protocol.errors import Rejected
from hub.protocol.rules import FIRST, Rules
from hub.protocol.verdict import Code

PARAMS_BYTES_MAX: Final = 100
SHOWN_CHARACTERS_MAX: Final = 40
LISTED_CODES_MAX: Final = 8

# pydantic's error type -> verdict; whatever is not here is BAD_FIELD
CODES: Final[Mapping[str, Code]] = {
    "missing": Code.MISSING_FIELD,
    "missing_because": Code.MISSING_FIELD,
    "string_too_long": Code.TOO_LONG,
    "too_long": Code.TOO_LONG,
    "greater_than": Code.OUT_OF_RANGE,
    "greater_than_equal": Code.OUT_OF_RANGE,
    "less_than": Code.OUT_OF_RANGE,
    "less_than_equal": Code.OUT_OF_RANGE,
    "literal_error": Code.UNKNOWN_CODE,
    "inconsistent": Code.INCONSISTENT,
    "export_controlled": Code.EXPORT_CONTROLLED,
}
_BOUNDS: Final = ("gt", "ge", "lt", "le", "decimal_places", "min_length")


def check(kind: EventKind, value: Mapping[str, Any], rules: Rules = FIRST) -> None:
    """Return nothing if `value` keeps all field rules of `kind` under `rules`.

    Shapes: value is what Avro decodes to: str, int, bool, date, datetime, Decimal, list, dict.
    Errors: Rejected(MISSING_FIELD | TOO_LONG | OUT_OF_RANGE | UNKNOWN_CODE | INCONSISTENT | EXPORT_CONTROLLED |
            BAD_FIELD, field path, params); of several broken rules, the first field's.
    """
    if broken := broken_by(kind, (value,), rules):
        raise broken.pop(0)  # and held by nobody here: an error that its own stack holds would stay


def broken_by(kind: EventKind, values: Iterable[Mapping[str, Any]], rules: Rules = FIRST) -> dict[int, Rejected]:
    """Return what those of `values` get, by their number, that break a field rule of `kind` under `rules`.

    Shapes: as `check`; of each value the first rule that is broken.
    """
    look = quick_look(kind.model)
    broken = {}
    for number, value in enumerate(values):
        if look is None or not look(value):
            try:
                validator(kind.model, rules).validate_python(value)
            except ValidationError as exc:
                broken[number] = verdict_of(exc)
    return broken


def verdict_of(error: ValidationError) -> Rejected:
    """Return the verdict for the first thing that pydantic found."""
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    path = ".".join(str(part) for part in (*first["loc"], context.get("field", ""))).strip(".")
    return Rejected(_code_of(first), path, _params_of(first, context))


def complete(kind: EventKind, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return `value` with every optional field that it lacks: encoding wants all of them, none invented."""
    optional = {name: field for name, field in kind.model.model_fields.items() if not field.is_required()}
    return {name: field.get_default(call_default_factory=True) for name, field in optional.items()} | dict(value)


def _code_of(error: ErrorDetails) -> Code:
    # A cell that is empty is missing, not of the wrong type: that is what its author has to be told.
    given = error["input"]
    if given is None or (isinstance(given, str) and not given.strip()):
        return Code.MISSING_FIELD
    return CODES.get(error["type"], Code.BAD_FIELD)


def _params_of(error: ErrorDetails, context: Mapping[str, Any]) -> str:
    """Return `name=value` pairs: the limit, then what came; never a whole text, never a line break."""
    given = error["input"]
    if error["type"] in ("missing_because", "inconsistent", "export_controlled"):
        return _cut(str(context["detail"]))
    if error["type"] == "missing":
        return ""
    if error["type"] == "string_too_long":
        return f"max={context['max_length']} length={len(given)}"
    if error["type"] == "too_long":
        return f"max={context['max_length']} length={context['actual_length']}"
    if error["type"] == "literal_error":
        allowed = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        shown = f"value={_show(given)}"
        return _cut(shown if len(allowed) > LISTED_CODES_MAX else f"{shown} allowed={'|'.join(allowed)}")
    if context.get("pattern") == SEALED_PATTERN:
        return "expected a sealed value"  # what came may be the plaintext: a receipt must not repeat it
    bounds = [f"{name}={context[name]}" for name in _BOUNDS if name in context]
    return _cut(" ".join([*bounds, f"value={_show(given)}"]))


def _show(given: Any) -> str:
    if isinstance(given, str):
        return given if len(given) <= SHOWN_CHARACTERS_MAX else f"{given[:SHOWN_CHARACTERS_MAX]}…"
    if isinstance(given, int | Decimal) or hasattr(given, "isoformat"):
        return str(given)[:SHOWN_CHARACTERS_MAX]
    return type(given).__name__


def _cut(text: str) -> str:
    """Return `text` on one line and in at most 100 bytes: a receipt's line has no room for more."""
    line = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    encoded = line.encode("utf-8", "replace")
    return line if len(encoded) <= PARAMS_BYTES_MAX else encoded[:PARAMS_BYTES_MAX].decode("utf-8", "ignore")
