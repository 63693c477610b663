"""A quick look at a record: one Python function per model, which says yes, or that pydantic is to be asked. Pure.

Nearly every event that HQ judges keeps all field rules, and the usual form of a text or a code is cheap to recognise.
So the function is written from the model's own core schema, and says yes only to what is certain: a printable text
without white space at its ends, a listed code, a day within its bounds. To anything else, and to whatever in a schema
it does not know, it says nothing: pydantic decides, and names the rule that is broken. A model with a part that is
never certain, such as a list of records, has no quick look.

A model's own checks (`model_validator(mode="after")`) run on the record itself: its fields are the attributes of what
they are given, and what was looked at is what pydantic would have made of it. Nothing of a schema gets into the text
but names of fields and numbers, as literals.

Source: pydantic-core's schemas (`pydantic_core.core_schema`). A property test holds the two to each other.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Final, cast

from pydantic import BaseModel

from hub.domain.fields import MANY_LINES, ONE_LINE

Look = Callable[[Mapping[str, Any]], bool]

CODES_KEPT: Final = 4096  # texts that have passed a pattern, of each pattern: languages, keywords, classes repeat
_NOTHING: Final = frozenset({"type", "metadata", "ref", "serialization"})  # parts of a schema that allow nothing
_BOUNDS: Final = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


class _Unsure(Exception):
    """A part of a schema that a quick look is never certain of."""


@cache
def quick_look(model: type[BaseModel]) -> Look | None:
    """Return what looks at a record of this model, under whatever rules; None where it would never say yes.

    Shapes: what it is given is what Avro decodes to. True means that the record keeps all field rules, whether texts
            are trimmed before they are measured or not; False that it may keep them, or not.
    """
    writer = _Writer(model)
    try:
        writer.model(model.__pydantic_core_schema__)
    except _Unsure:
        return None
    exec(compile("\n".join(writer.lines), f"<quick look at {model.__name__}>", "exec"), writer.names)  # noqa: S102 - our own text, see above
    return cast("Look", writer.names["look"])


class _Writer:
    """The text of one function. In it: `value` is the record, `v` one field, `names` what the text refers to."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.lines = ["def look(value):", "    if type(value) is not dict: return False", "    try:"]
        # What a model's own checks are called with: its methods, and the record's fields as attributes.
        view = type(model.__name__, (), {n: part for base in reversed(model.__mro__) for n, part in _own(base)})
        self.names: dict[str, Any] = {"View": view, "date": dt.date, "Decimal": Decimal}

    def model(self, schema: Mapping[str, Any]) -> None:
        """Write the look at a whole record."""
        checks = []
        while schema["type"] == "function-after":
            _expect(schema, "function", "schema")
            if schema["function"]["type"] != "no-info":
                raise _Unsure
            checks.append(schema["function"]["function"])
            schema = schema["schema"]
        if schema["type"] != "model" or schema["schema"]["type"] != "model-fields":
            raise _Unsure
        _expect(schema, "cls", "schema", "custom_init", "root_model", "config", "extra_behavior")
        config = schema.get("config", {})
        if schema["custom_init"] or schema["root_model"] or config.get("extra_fields_behavior") != "forbid":
            raise _Unsure
        if not config.get("strict") or config.keys() - {"title", "strict", "extra_fields_behavior"}:
            raise _Unsure
        fields = schema["schema"]["fields"]
        _expect(schema["schema"], "fields", "model_name", "computed_fields")
        for name, field in fields.items():
            if field["type"] != "model-field":
                raise _Unsure
            _expect(field, "schema")
            self.lines.append(f"        v = value[{name!r}]")
            self._value(field["schema"], "v", 2)
        self.lines += [
            "    except (AttributeError, KeyError, TypeError):",
            "        return False",
            f"    if len(value) != {len(fields)}: return False",
        ]
        if checks:
            self.lines += ["    view = View()", "    view.__dict__ = value", "    try:"]
            # The innermost is the first that pydantic asks.
            self.lines += [f"        {self._name(check)}(view)" for check in reversed(checks)]
            self.lines += ["    except (ValueError, AssertionError):", "        return False"]
        self.lines.append("    return True")

    def _name(self, thing: Any) -> str:
        name = f"n{len(self.names)}"
        self.names[name] = thing
        return name

    def _unless(self, condition: str, depth: int) -> None:
        self.lines.append(f"{'    ' * depth}if not ({condition}): return False")

    def _value(self, schema: Mapping[str, Any], v: str, depth: int) -> None:
        """Write what leaves the function where a value is not certain."""
        match schema["type"]:
            case "default":  # what is not there is not looked at
                _expect(schema, "schema", "default", "default_factory", "default_factory_takes_data")
                self._value(schema["schema"], v, depth)
            case "nullable":
                _expect(schema, "schema")
                self._nullable(schema["schema"], v, depth)
            case "list":
                self._list(schema, v, depth)
            case kind if kind in _CONDITIONS:
                self._unless(_CONDITIONS[kind](self, schema, v), depth)
            case _:
                raise _Unsure

    def _nullable(self, schema: Mapping[str, Any], v: str, depth: int) -> None:
        self.lines.append(f"{'    ' * depth}if {v} is not None:")
        written = len(self.lines)
        try:
            self._value(schema, v, depth + 1)
        except _Unsure:  # whatever is there is pydantic's to say
            del self.lines[written:]
            self.lines.append(f"{'    ' * (depth + 1)}return False")

    def _list(self, schema: Mapping[str, Any], v: str, depth: int) -> None:
        _expect(schema, "items_schema", "min_length", "max_length", "strict")
        least, most = schema.get("min_length", 0), schema.get("max_length")
        size = (
            f" and {least} <= len({v})" + ("" if most is None else f" <= {most}") if least or most is not None else ""
        )
        self._unless(f"type({v}) is list{size}", depth)
        item = f"{v}i"
        self.lines.append(f"{'    ' * depth}for {item} in {v}:")
        self._value(schema["items_schema"], item, depth + 1)

    def text(self, schema: Mapping[str, Any], v: str) -> str:
        """A text that is the same whether it is trimmed or not, and that no rule for what people write refuses."""
        _expect(schema, "strip_whitespace", "min_length", "max_length", "pattern", "strict")
        least, most, pattern = max(1, schema.get("min_length", 0)), schema.get("max_length"), schema.get("pattern")
        size = f" and {least} <= len({v})" + ("" if most is None else f" <= {most}") if least > 1 or most else ""
        # Of what is white space, only " " is printable; no control character is, no separator, no mark of direction.
        # A text that has nothing to strip comes back itself; nothing but a text can be asked all of this.
        plain, printable = f"{v} and {v}.strip() is {v}{size}", f"{v}.isprintable()"
        if pattern in (None, ONE_LINE):
            return f"{plain} and {printable}"
        if pattern == MANY_LINES:
            return f"{plain} and ({printable} or {v}.replace('\\n', '').isprintable())"
        if not isinstance(pattern, str):
            raise _Unsure
        return f"{plain} and {self._name(_matcher(pattern))}({v})"

    def code(self, schema: Mapping[str, Any], v: str) -> str:
        """One of a list of codes."""
        _expect(schema, "expected")
        if not all(type(code) is str for code in schema["expected"]):
            raise _Unsure
        return f"{v} in {self._name(frozenset(schema['expected']))}"

    def whole_number(self, schema: Mapping[str, Any], v: str) -> str:
        """A number within its bounds."""
        _expect(schema, *_BOUNDS, "strict")
        return f"type({v}) is int{self._bounds(schema, v)}"

    def day(self, schema: Mapping[str, Any], v: str) -> str:
        """A day within its bounds."""
        _expect(schema, *_BOUNDS, "strict")
        return f"type({v}) is date{self._bounds(schema, v)}"

    def amount(self, schema: Mapping[str, Any], v: str) -> str:
        """A decimal within its bounds, written with no more places than it may have."""
        _expect(schema, *_BOUNDS, "decimal_places", "strict")
        places = schema.get("decimal_places")
        few = "" if places is None else f" and {v}.as_tuple().exponent >= {-places}"
        return f"type({v}) is Decimal and {v}.is_finite(){self._bounds(schema, v)}{few}"

    def truth(self, schema: Mapping[str, Any], v: str) -> str:
        """True or false."""
        _expect(schema, "strict")
        return f"type({v}) is bool"

    def _bounds(self, schema: Mapping[str, Any], v: str) -> str:
        found = [(sign, schema[name]) for name, sign in _BOUNDS.items() if schema.get(name) is not None]
        return "".join(f" and {v} {sign} {self._name(bound)}" for sign, bound in found)


_CONDITIONS: Final[Mapping[str, Callable[[_Writer, Mapping[str, Any], str], str]]] = {
    "str": _Writer.text,
    "literal": _Writer.code,
    "int": _Writer.whole_number,
    "date": _Writer.day,
    "decimal": _Writer.amount,
    "bool": _Writer.truth,
}


def _expect(schema: Mapping[str, Any], *names: str) -> None:
    """Errors: _Unsure, for a schema that says more than is looked at."""
    if schema.keys() - _NOTHING - set(names):
        raise _Unsure


def _own(base: type) -> list[tuple[str, Any]]:
    """Return what a model's own checks may use beside its fields: its methods and class variables, not pydantic's."""
    if base is object or base is BaseModel:
        return []
    return [(name, part) for name, part in vars(base).items() if not name.startswith(("__", "model_"))]


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a text is ASCII and matches: Python's and pydantic's expressions agree on those."""
    match = re.compile(pattern, re.ASCII).fullmatch

    @lru_cache(CODES_KEPT)
    def matches(text: str) -> bool:
        return text.isascii() and text.isprintable() and match(text) is not None

    return matches
