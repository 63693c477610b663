"""May a reader with one schema decode what a writer with another wrote? Avro's schema resolution, as findings.

Source: Apache Avro 1.12 specification, "Schema Resolution" and "Aliases". Where the specification lets a reader guess
(a logical type that only one side has), we say no: an amount that silently loses its scale is not readable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

# writer's type -> the wider types that a reader may have instead
PROMOTIONS: Final[Mapping[str, frozenset[str]]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}

LOGICAL_ATTRIBUTES: Final = ("logicalType", "precision", "scale")

Named = dict[str, dict[str, Any]]


def differences(reader: Any, writer: Any) -> list[str]:
    """Return every reason why `reader` cannot read what `writer` wrote; an empty list means that it can.

    Shapes: both are schemas as JSON has them (before fastavro's parsing), self-contained.
    """
    resolution = _Resolution(_names(reader, ""), _names(writer, ""))
    return list(resolution.compare(reader, writer, "", "", ""))


class _Resolution:
    """One comparison of two schemas: their named types, and the pairs that are being compared already."""

    def __init__(self, reader_names: Named, writer_names: Named) -> None:
        self._reader_names = reader_names
        self._writer_names = writer_names
        self._seen: set[tuple[str, str]] = set()

    def compare(self, reader: Any, writer: Any, reader_space: str, writer_space: str, place: str) -> Iterator[str]:
        reader, reader_space = _resolve(reader, reader_space, self._reader_names)
        writer, writer_space = _resolve(writer, writer_space, self._writer_names)
        if isinstance(writer, list):
            for branch in writer:
                yield from self.compare(reader, branch, reader_space, writer_space, place)
            return
        if isinstance(reader, list):
            if not any(not self._fresh(branch, writer, reader_space, writer_space) for branch in reader):
                yield f"{place or '/'}: no branch of the reader's union takes {_kind(writer)}"
            return
        yield from self._compare_types(reader, writer, reader_space, writer_space, place)

    def _fresh(self, reader: Any, writer: Any, reader_space: str, writer_space: str) -> list[str]:
        # A union branch is tried, not taken: pairs noted during a try that fails must not count as compared.
        attempt = _Resolution(self._reader_names, self._writer_names)
        attempt._seen = set(self._seen)
        return list(attempt.compare(reader, writer, reader_space, writer_space, ""))

    def _compare_types(self, reader: Any, writer: Any, rs: str, ws: str, place: str) -> Iterator[str]:
        have, need = _kind(writer), _kind(reader)
        if have != need:
            if need not in PROMOTIONS.get(have, ()) or _logical(reader) or _logical(writer):
                yield f"{place or '/'}: {have} is not readable as {need}"
            return
        if _logical(reader) != _logical(writer):
            yield f"{place or '/'}: logical type {_logical(writer)} is not {_logical(reader)}"
        if need == "array":
            yield from self.compare(reader["items"], writer["items"], rs, ws, f"{place}[]")
        elif need == "map":
            yield from self.compare(reader["values"], writer["values"], rs, ws, f"{place}{{}}")
        elif need in {"record", "enum", "fixed"}:
            yield from self._compare_named(reader, writer, rs, ws, place)

    def _compare_named(self, reader: Any, writer: Any, rs: str, ws: str, place: str) -> Iterator[str]:
        theirs = _full_name(writer, ws)
        pair = (_full_name(reader, rs), theirs)
        if pair in self._seen:
            return
        self._seen.add(pair)
        if theirs not in {pair[0], *_aliases(reader, rs)}:
            yield f"{place or '/'}: {theirs} is neither {pair[0]} nor an alias of it"
        if reader["type"] == "fixed" and reader["size"] != writer["size"]:
            yield f"{place or '/'}: fixed of {writer['size']} bytes is not {reader['size']}"
        if reader["type"] == "enum" and "default" not in reader:
            for symbol in writer["symbols"]:
                if symbol not in reader["symbols"]:
                    yield f"{place or '/'}: symbol {symbol} is unknown to the reader, which has no default"
        if reader["type"] == "record":
            yield from self._compare_fields(reader, writer, _space(reader, rs), _space(writer, ws), place)

    def _compare_fields(self, reader: Any, writer: Any, rs: str, ws: str, place: str) -> Iterator[str]:
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            names = [field["name"], *field.get("aliases", ())]
            found = next((written[name] for name in names if name in written), None)
            here = f"{place}/{field['name']}"
            if found is not None:
                yield from self.compare(field["type"], found["type"], rs, ws, here)
            elif "default" not in field:
                yield f"{here}: the writer has no such field, and it has no default"


def _kind(schema: Any) -> str:
    if isinstance(schema, str):
        return schema
    return "union" if isinstance(schema, list) else _kind(schema["type"])


def _logical(schema: Any) -> tuple[Any, ...]:
    if not isinstance(schema, dict) or "logicalType" not in schema:
        return ()
    scale = 0 if schema["logicalType"] == "decimal" else None
    return tuple(schema.get(name, scale if name == "scale" else None) for name in LOGICAL_ATTRIBUTES)


def _space(schema: Any, enclosing: str) -> str:
    return _full_name(schema, enclosing).rpartition(".")[0]


def _full_name(schema: Any, enclosing: str) -> str:
    return _qualified(schema["name"], schema.get("namespace", enclosing))


def _qualified(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _aliases(schema: Any, enclosing: str) -> list[str]:
    space = _space(schema, enclosing)
    return [_qualified(alias, space) for alias in schema.get("aliases", ())]


def _resolve(schema: Any, space: str, names: Named) -> tuple[Any, str]:
    if isinstance(schema, dict) and not isinstance(schema["type"], str):
        return _resolve(schema["type"], space, names)  # {"type": {"type": ...}} wraps a type and adds nothing
    if isinstance(schema, str) and schema not in PRIMITIVES:
        full = _qualified(schema, space)
        return names[full], full.rpartition(".")[0]
    return schema, space


def _names(schema: Any, space: str) -> Named:
    if isinstance(schema, list):
        return {name: found for branch in schema for name, found in _names(branch, space).items()}
    if not isinstance(schema, dict):
        return {}
    if schema["type"] in ("array", "map"):
        return _names(schema["items" if schema["type"] == "array" else "values"], space)
    if schema["type"] not in ("record", "enum", "fixed"):
        return _names(schema["type"], space)
    names: Named = {_full_name(schema, space): schema}
    for field in schema.get("fields", ()):
        names |= _names(field["type"], _space(schema, space))
    return names
