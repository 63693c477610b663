"""The vectors of derived records: by the topic of schemas alone every state reads, and no other record does."""

from __future__ import annotations

import json
from typing import Any

import pytest

import schemas
from hub.protocol.avro import PREFIX_SIZE, Codec, schema_id_of
from hub.protocol.errors import Malformed
from hub.protocol.record import CONTENT_TYPE, SCHEMA_HEADER
from hub.protocol.schema import DATASCHEMA, Schema, parse_schema
from schemas.vectors.events import plain_body
from schemas.vectors.keys import bytes_of
from schemas.vectors.make import HERE

FILE: dict[str, Any] = json.loads((HERE / "states.json").read_text("utf-8"))


def said_schema(row: dict[str, Any]) -> Schema:
    """Return the schema in a record of hub.schemas. Errors: Malformed."""
    data = schemas.read(row["path"]) if "path" in row else bytes.fromhex(row["value"] or "")
    found = parse_schema(data)
    if str(found.id) != row["key"]:
        raise Malformed("the key is not the schema's id")
    return found


SAID = {schema.id: schema for schema in (said_schema(row) for row in FILE["good"] if row["topic"] == "hub.schemas")}


def said_state(row: dict[str, Any]) -> tuple[Schema, bytes]:
    """Return the schema and the value of a record of state.*. Errors: Malformed."""
    value, headers = bytes.fromhex(row["value"] or ""), {h["name"]: bytes_of(h) for h in row["headers"]}
    schema = SAID.get(schema_id_of(value))
    if schema is None or headers.get(SCHEMA_HEADER) != (DATASCHEMA + schema.sha256).encode():
        raise Malformed("header, id and schema do not belong together")
    if headers.get("content-type") != CONTENT_TYPE:
        raise Malformed("another content type")
    if Codec(schema).decode(value, PREFIX_SIZE)["id"] != row["key"]:
        raise Malformed("the key is another entity's")
    return schema, value


STATES = {row["name"]: row for kind in ("good", "bad") for row in FILE[kind] if row["topic"] != "hub.schemas"}


@pytest.mark.parametrize("row", [pytest.param(r, id=r["name"]) for r in FILE["good"] if r["topic"] != "hub.schemas"])
def test_state_reads(row: dict[str, Any]) -> None:
    """Its schema is found by the id in the value, and gives what the file says."""
    assert plain_body(*said_state(row)) == row["content"]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in FILE["bad"]])
def test_record_that_is_passed_over_does_not_read(row: dict[str, Any]) -> None:
    """One thing is wrong with each."""
    with pytest.raises(Malformed):
        said_schema(row) if row["topic"] == "hub.schemas" else said_state(row)


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in FILE["sequences"]])
def test_highest_version_stays(row: dict[str, Any]) -> None:
    """In whatever order they come, and whatever else comes between."""
    held: dict[str, list[Any]] = {}
    for name in row["records"]:
        said = STATES[name].get("content")
        if said is not None and said["version"] > held.get(said["id"], [0])[0]:
            held[said["id"]] = [said["version"], said["status"], said["changed_by"]]
    assert held == row["outcome"]
