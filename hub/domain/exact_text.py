"""Text measured as it is kept: the field rules of a model once more, without trimming.

Rules 1 trim a text before they measure it, and keep it as it came. From rules 2 on a text that would have to be trimmed
is refused, and so is any control character; a line feed alone may stand within a text that has paragraphs. A model's
rules are data for pydantic's core, so the stricter ones are the same data with another text rule, and cost the judge
nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, cast

from pydantic import BaseModel, create_model
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from hub.domain.fields import MANY_LINES, ONE_LINE, VERBATIM
from hub.protocol.rules import Rules

# C0, DEL, C1; the line and paragraph separators; the marks that embed, override or isolate a direction.
CONTROLS: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_BUT_LINE_FEED: Final = CONTROLS.replace(r"\x00-\x1f", r"\x00-\x09\x0b-\x1f")
# At least one character, and white space (Unicode's White_Space) at neither end.
EXACT_TEXT: Final = rf"^[^\s{CONTROLS}]([^{CONTROLS}]*[^\s{CONTROLS}])?$"
# The same of a text that may have paragraphs.
EXACT_LINES: Final = rf"^[^\s{CONTROLS}]([^{_BUT_LINE_FEED}]*[^\s{CONTROLS}])?$"
# What these parts of a schema hold is no schema.
_OPAQUE: Final = frozenset({"config", "default", "default_factory", "function", "metadata", "serialization"})


def validator(model: type[BaseModel], rules: Rules) -> SchemaValidator:
    """Return what checks a record of `model` under `rules`."""
    if rules.exact_text:
        return _exact_validator(model)
    return cast("SchemaValidator", model.__pydantic_validator__)


@cache
def _exact_validator(model: type[BaseModel]) -> SchemaValidator:
    return SchemaValidator(cast("CoreSchema", _exact(model.__pydantic_core_schema__)))


def _exact(schema: Any) -> Any:
    """Return a schema of pydantic's core with every text in it exact, but for those that are verbatim."""
    if isinstance(schema, list | tuple):
        return [_exact(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "str":
        return schema if schema.get("metadata", {}).get(VERBATIM) else _exact_text(schema)
    return {name: _exact_part(name, part) for name, part in schema.items()}


def _exact_part(name: str, part: Any) -> Any:
    if name == "fields":
        return {field: _exact(rule) for field, rule in part.items()}
    if name == "cls":
        # pydantic's core would take the validator that a finished class has already: this one is never finished.
        return create_model(part.__name__, __base__=part, __cls_kwargs__={"defer_build": True})
    return part if name in _OPAQUE else _exact(part)


def _exact_text(schema: dict[str, Any]) -> CoreSchema:
    kept = {name: part for name, part in schema.items() if name not in ("strip_whitespace", "pattern")}
    own = schema.get("pattern")
    exact = cast("CoreSchema", kept | {"pattern": EXACT_LINES if own == MANY_LINES else EXACT_TEXT})
    if own is None or own in (ONE_LINE, MANY_LINES):
        return exact
    return core_schema.chain_schema([cast("CoreSchema", kept | {"pattern": own}), exact])
