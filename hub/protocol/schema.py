"""Released Avro schemas: content-addressed ids, the frozen list, and what may change from version to version.

A schema's id is the top 31 bits of what its bytes hash to, so every center computes it offline and no registry is
asked. A released file is never edited: a change is a new file `<event>.v<N+1>.avsc`, readable by every earlier
version and able to read every earlier version (`hub.protocol.compatibility`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from itertools import combinations
from typing import Any, Final

import fastavro
import orjson

from hub.protocol.compatibility import differences
from hub.protocol.errors import Malformed

DATASCHEMA: Final = "urn:sha256:"  # ce_dataschema is this and the SHA-256 of the schema file, as hex
SCHEMA_PATH: Final = re.compile(r"(?P<family>[a-z0-9_]+/[a-z0-9_.]+)\.v(?P<version>[1-9][0-9]{0,3})\.avsc")

# Not in any released schema: a map has keys that sort differently under RFC 8785, a float is no amount, a list of codes
# grows, which an Avro enum cannot do under FULL_TRANSITIVE, and a fixed is a hash, which we write in hex.
FORBIDDEN_TYPES: Final = frozenset({"enum", "map", "fixed", "float", "double"})


def schema_id(exact: bytes) -> int:
    """Return the id of the schema file with these exact bytes.

    Units:  31 bits: the first four bytes of the file's SHA-256, big-endian, with the top bit cleared, because the
            Confluent framing's readers take the id for a signed 32-bit number.
    """
    return int.from_bytes(sha256(exact).digest()[:4], "big") & 0x7FFF_FFFF


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema: its id, the SHA-256 (hex) of its exact text, that text, and what fastavro parsed of it."""

    id: int
    sha256: str
    text: str
    parsed: Any


@dataclass(frozen=True, slots=True)
class Released:
    """One line of `released.json`: this file was released, with these bytes, under this version tag."""

    path: str
    schema_id: int
    sha256: str
    released_in: str


class FaultKind(StrEnum):
    """What can be wrong with a set of schema files."""

    UNREADABLE = "unreadable"
    FORBIDDEN = "forbidden"
    EDITED = "edited"
    MISSING = "missing"
    UNRELEASED = "unreleased"
    COLLISION = "collision"
    INCOMPATIBLE = "incompatible"


@dataclass(frozen=True, slots=True)
class SchemaFault:
    """One fault of one file, in words."""

    fault: FaultKind
    path: str
    detail: str


def parse_schema(exact: bytes) -> Schema:
    """Return the schema in these bytes. Errors: Malformed, if they are not UTF-8, JSON and an Avro record."""
    try:
        text = exact.decode("utf-8")
        parsed = fastavro.parse_schema(json.loads(text), named_schemas={}, _force=True)
    except Exception as exc:
        # fastavro has no error tree of its own: it lets KeyError, TypeError and RecursionError through.
        raise Malformed(f"not an Avro schema: {type(exc).__name__}: {exc}") from exc
    if not isinstance(parsed, dict) or parsed["type"] != "record" or not parsed["fields"]:
        raise Malformed("not an event's schema: expected one record with fields")
    return Schema(schema_id(exact), sha256(exact).hexdigest(), text, parsed)


def parse_released(text: bytes) -> tuple[Released, ...]:
    """Return the lines of `released.json`. Errors: Malformed, saying which line is not as expected."""
    try:
        rows = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise Malformed(f"released.json is not JSON: {exc}") from exc
    if not isinstance(rows, list):
        raise Malformed(f"released.json: expected a list, came {type(rows).__name__}")
    kinds = {"path": str, "schema_id": int, "sha256": str, "released_in": str}
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or {name: type(value) for name, value in row.items()} != kinds:
            raise Malformed(f"released.json: entry {number} does not have exactly {', '.join(kinds)}")
    return tuple(Released(**row) for row in rows)


def dump_released(entries: tuple[Released, ...]) -> bytes:
    """Return the text of `released.json`: one entry a line, by path, so that a diff shows what was released."""
    rows = [
        {"path": e.path, "schema_id": e.schema_id, "sha256": e.sha256, "released_in": e.released_in}
        for e in sorted(entries, key=lambda e: e.path)
    ]
    return ("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n").encode()


def load_released(released: bytes, files: Mapping[str, bytes]) -> dict[str, Schema]:
    """Return every released schema by its path.

    Shapes: files maps a path such as `offer/offer.published.v1.avsc` to the exact bytes of that file.
    Errors: Malformed, if a file is missing or is not what was released (a damaged installation).
    """
    schemas: dict[str, Schema] = {}
    for entry in parse_released(released):
        exact = files.get(entry.path)
        if exact is None:
            raise Malformed(f"schema {entry.path} was released in {entry.released_in} and is missing: install again")
        schema = parse_schema(exact)
        if (schema.sha256, schema.id) != (entry.sha256, entry.schema_id):
            raise Malformed(f"schema {entry.path} is not as released in {entry.released_in}: install again")
        schemas[entry.path] = schema
    return schemas


def check_released(files: Mapping[str, bytes], released: bytes) -> list[SchemaFault]:
    """Return everything that is wrong with these files and their list; an empty list is a pass.

    Shapes: files has every `.avsc` there is, by path; released is the text of `released.json`.
    Errors: Malformed, if `released.json` itself does not parse.
    """
    entries = parse_released(released)
    findings: list[SchemaFault] = []
    schemas: dict[str, Schema] = {}
    for path, exact in sorted(files.items()):
        if SCHEMA_PATH.fullmatch(path) is None:
            findings.append(SchemaFault(FaultKind.UNREADABLE, path, "expected the name <stream>/<event>.v<N>.avsc"))
            continue
        try:
            schemas[path] = parse_schema(exact)
        except Malformed as exc:
            findings.append(SchemaFault(FaultKind.UNREADABLE, path, str(exc)))
            continue
        findings += [SchemaFault(FaultKind.FORBIDDEN, path, place) for place in _forbidden(schemas[path].parsed, "")]
    findings += _against_list(schemas, entries)
    findings += _collisions(schemas)
    findings += _incompatible(schemas)
    return findings


def check_frozen(before: bytes, now: bytes) -> list[SchemaFault]:
    """Return what an earlier tag's `released.json` has and the present one lost or changed."""
    present = {entry.path: entry for entry in parse_released(now)}
    return [
        SchemaFault(FaultKind.EDITED, entry.path, f"released in {entry.released_in}, and its entry has changed since")
        for entry in parse_released(before)
        if present.get(entry.path) != entry
    ]


def _against_list(schemas: Mapping[str, Schema], entries: tuple[Released, ...]) -> list[SchemaFault]:
    findings = []
    for entry in entries:
        schema = schemas.get(entry.path)
        if schema is None:
            findings.append(SchemaFault(FaultKind.MISSING, entry.path, f"released in {entry.released_in}, not here"))
        elif (schema.sha256, schema.id) != (entry.sha256, entry.schema_id):
            detail = f"released in {entry.released_in} as {entry.sha256[:12]}, now {schema.sha256[:12]}: add a version"
            findings.append(SchemaFault(FaultKind.EDITED, entry.path, detail))
    known = {entry.path for entry in entries}
    findings += [
        SchemaFault(FaultKind.UNRELEASED, path, f"not in released.json: run `python -m schemas` (id {schema.id})")
        for path, schema in schemas.items()
        if path not in known
    ]
    return findings


def _collisions(schemas: Mapping[str, Schema]) -> list[SchemaFault]:
    first: dict[int, str] = {}
    findings = []
    for path, schema in schemas.items():
        if first.setdefault(schema.id, path) != path:
            detail = f"id {schema.id} is also that of {first[schema.id]}: change a doc text"
            findings.append(SchemaFault(FaultKind.COLLISION, path, detail))
    return findings


def _incompatible(schemas: Mapping[str, Schema]) -> list[SchemaFault]:
    families: dict[str, list[tuple[int, str]]] = {}
    for path in schemas:
        match = SCHEMA_PATH.fullmatch(path)
        assert match is not None
        families.setdefault(match["family"], []).append((int(match["version"]), path))
    findings = []
    for versions in families.values():
        for (_, old), (_, new) in combinations(sorted(versions), 2):
            for reader, writer in ((new, old), (old, new)):
                found = differences(json.loads(schemas[reader].text), json.loads(schemas[writer].text))
                findings += [
                    SchemaFault(FaultKind.INCOMPATIBLE, new, f"{reader} cannot read {writer}: {d}") for d in found
                ]
    return findings


def _forbidden(parsed: Any, place: str) -> list[str]:
    if isinstance(parsed, list):
        return [found for branch in parsed for found in _forbidden(branch, place)]
    if isinstance(parsed, str):
        return [f"{place}: {parsed}"] if parsed in FORBIDDEN_TYPES else []
    kind = parsed["type"]
    if kind == "record":
        return [found for field in parsed["fields"] for found in _forbidden(field["type"], f"{place}/{field['name']}")]
    if kind == "array":
        return _forbidden(parsed["items"], f"{place}[]")
    return [f"{place}: {kind}"] if kind in FORBIDDEN_TYPES else []
