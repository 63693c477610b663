"""The kinds of field that streams are made of. Lengths count Unicode code points.

Every check here runs inside pydantic's core, but for the LEI's checksum: the judge is on the hot path.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from hub.domain.codes import lists
from hub.domain.codes.country import COUNTRIES
from hub.domain.codes.currency import CURRENCIES
from hub.domain.codes.office import OFFICES
from hub.domain.codes.timezone import TIMEZONES
from hub.domain.sealed import SEALED_LENGTH_MAX, SEALED_PATTERN, Personal

# No control characters: a NUL breaks SQL text, a line break in a title breaks every list it is shown in.
ONE_LINE: Final = r"^[^\x00-\x1f\x7f\u2028\u2029]*$"
MANY_LINES: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"

# RFC 5646: language, extended, script, region, variants, extensions, private use
_LANGUAGE: Final = (
    r"^[A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?"
    r"(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(-[A-WY-Za-wy-z0-9](-[A-Za-z0-9]{2,8})+)*(-[Xx](-[A-Za-z0-9]{1,8})+)?$"
)

VERBATIM: Final = "cohub_verbatim"
CENTER_ID_PATTERN: Final = r"^[a-z0-9-]{1,63}$"
ENTITY_ID_PATTERN: Final = r"^[a-z0-9-]{1,63}:[^\x00-\x1f\x7f\u2028\u2029]{1,120}$"


@dataclass(frozen=True, slots=True)
class Crossed:
    """A rule between fields, told by its name: what `schemas/rules.json` says to whoever judges in another language.

    Shapes: `field` is the one that a broken rule is told of; what the names mean stands in `schemas/rules.py`.
    """

    name: str
    field: str
    arguments: Mapping[str, Any]


class FieldRules(BaseModel):
    """What every event's model has in common: exact types, no field beyond the schema's, no change afterwards.

    `crossed` says by name what the model's own checks look at, in their order; a property test holds them to it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    crossed: ClassVar[tuple[Crossed, ...]] = ()


@dataclass(frozen=True, slots=True)
class OneOf:
    """A string out of a fixed list, checked by a hash look-up in pydantic's core.

    The codes are the network's own unless `is_ours` says that a standard made them (ISO 3166, ISO 4217, …).
    """

    codes: tuple[str, ...]
    is_ours: bool = True

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.codes))


@dataclass(frozen=True, slots=True)
class NamesStream:
    """Marks a field that holds the name of a stream, for those who read a model's fields."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Marks a text that is a file's exact content: rules for what people write are not for it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        return cast("CoreSchema", {**schema, "metadata": {**schema.get("metadata", {}), VERBATIM: True}})


def one_of(codes: Iterable[str]) -> OneOf:
    """Return the annotation for a field that holds one of the network's own `codes`."""
    return OneOf(tuple(codes))


def one_of_standard(codes: Iterable[str]) -> OneOf:
    """Return the annotation for a field that holds one of the `codes` of a standard."""
    return OneOf(tuple(sorted(codes)), is_ours=False)


def one_line(length_max: int, length_min: int = 1) -> StringConstraints:
    """Return the annotation for a text without line breaks."""
    return StringConstraints(strip_whitespace=True, min_length=length_min, max_length=length_max, pattern=ONE_LINE)


def many_lines(length_max: int) -> StringConstraints:
    """Return the annotation for a text that may have paragraphs."""
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=length_max, pattern=MANY_LINES)


def crossed(name: str, field: str, **arguments: Any) -> Crossed:
    """Return a rule between fields by its name."""
    return Crossed(name, field, arguments)


def inconsistent(field: str, detail: str) -> PydanticCustomError:
    """Return the error for a value that contradicts another one; `detail` is short and language-neutral."""
    return PydanticCustomError("inconsistent", "{detail}", {"field": field, "detail": detail})


def missing(field: str, detail: str) -> PydanticCustomError:
    """Return the error for a value that another value makes necessary."""
    return PydanticCustomError("missing_because", "{detail}", {"field": field, "detail": detail})


def _check_lei(value: str) -> str:
    # ISO 17442: letters count from A=10, and the number modulo 97 is 1 (ISO/IEC 7064, MOD 97-10).
    if int("".join(str(int(character, 36)) for character in value)) % 97 != 1:
        raise PydanticCustomError("lei_checksum", "ISO 17442 check digits", {})
    return value


Title = Annotated[str, one_line(256)]
Summary = Annotated[str, many_lines(500)]
Description = Annotated[str, many_lines(4000)]
Advantages = Annotated[str, many_lines(2000)]
Reason = Annotated[str, many_lines(500)]
Number = Annotated[str, one_line(64)]
Latin = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=256, pattern=r"^[\x20-\x7e\u00a0-\u024f\u0300-\u036f\u1e00-\u1eff\u2010-\u2027]+$"
    ),
]
Web = Annotated[str, StringConstraints(max_length=256, pattern=r"^https?://[^\s/$.?#][^\s\x00-\x1f\x7f]*$")]

Country = Annotated[str, one_of_standard(COUNTRIES)]
Currency = Annotated[str, one_of_standard(CURRENCIES)]
Office = Annotated[str, one_of_standard(OFFICES)]
Timezone = Annotated[str, one_of_standard(TIMEZONES)]
Zone = Annotated[str, one_of(lists.ZONES)]
LanguageTag = Annotated[str, StringConstraints(max_length=35, pattern=_LANGUAGE)]
Ipc = Annotated[str, StringConstraints(pattern=r"^[A-H]([0-9]{2}([A-Z]( ?[0-9]{1,4}/[0-9]{2,6})?)?)?$")]
Lei = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{18}[0-9]{2}$"), AfterValidator(_check_lei)]

# A code of a list that HQ publishes: its shape here, its membership in hub.domain.registry.
ListedCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Keywords = Annotated[list[ListedCode], Field(max_length=5)]
Countries = Annotated[list[Country], Field(max_length=60)]

StreamName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$"), NamesStream()]
CenterId = Annotated[str, StringConstraints(pattern=CENTER_ID_PATTERN)]
EntityId = Annotated[str, StringConstraints(pattern=ENTITY_ID_PATTERN)]
Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# What a center says of a person. Its shape is all that can be checked here: nobody but that center can read it.
Sealed = Annotated[str, StringConstraints(max_length=SEALED_LENGTH_MAX, pattern=SEALED_PATTERN), Personal()]
Base64 = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]

Trl = Annotated[int, Field(ge=1, le=9)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]  # RFC 8785 numbers are exact up to here
Year = Annotated[int, Field(ge=1900, le=2200)]
Heads = Annotated[int, Field(ge=0, le=1_000_000_000)]  # of people and organisations: a sheet keeps such a number whole
Day = Annotated[dt.date, Field(ge=dt.date(1900, 1, 1), le=dt.date(2200, 1, 1))]

# On the wire: Avro decimal, precision 20. One digit less, so that nothing there is ever rounded.
Amount = Annotated[Decimal, Field(ge=0, lt=Decimal(10) ** 15, decimal_places=4)]
Hours = Annotated[Decimal, Field(ge=0, lt=Decimal(10) ** 6, decimal_places=2)]
Rate = Annotated[Decimal, Field(gt=0, lt=Decimal(10) ** 8, decimal_places=8)]  # no currency is worth less than that
