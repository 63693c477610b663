"""Schemas that HQ reads: a connector writes only what was announced here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from hub.domain.fields import FieldRules, Sha256Hex, Verbatim, crossed, inconsistent
from hub.domain.stream import EventKind, Stream
from hub.protocol.schema import schema_id

Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class AnnouncedSchema(FieldRules):
    """A released schema with its exact text; its id and its hash follow from that text."""

    schema_id: Annotated[int, Field(ge=0, le=2**31 - 1)]
    sha256: Sha256Hex
    stream: Word
    event: Word
    version: Annotated[int, Field(ge=1, le=9999)]
    definition: Annotated[str, StringConstraints(min_length=2, max_length=200_000), Verbatim()]
    crossed = (
        crossed("schema_id_of", "schema_id", other="definition"),
        crossed("sha256_of", "sha256", other="definition"),
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        exact = self.definition.encode()
        if schema_id(exact) != self.schema_id:
            raise inconsistent("schema_id", f"the definition has {schema_id(exact)}")
        if hashlib.sha256(exact).hexdigest() != self.sha256:
            raise inconsistent("sha256", "is not that of the definition")
        return self


def key_of(value: Mapping[str, Any]) -> str:
    """Return the schema id in decimal: a schema's entity id is `hq:<schema id>`."""
    return str(value["schema_id"])


SCHEMA = Stream(
    name="schema",
    record=AnnouncedSchema,
    writer="hq",
    events=(EventKind("schema", "announced", AnnouncedSchema, True, frozenset({None}), "announced"),),
    key_of=key_of,
)
