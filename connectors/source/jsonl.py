"""JSON lines as rows: one object a line, numbers exact, nested values kept for the mapping's expressions."""

from __future__ import annotations

import json
import re
from decimal import InvalidOperation
from pathlib import PurePath
from typing import Any

from connectors.source.encoding import UNENCODABLE, decode, detect_encoding, encoding_uncertain
from connectors.source.folding import skeleton
from connectors.source.header import clean_name
from connectors.source.problem import FileCode, FileRefused, ProblemCode, TableWarning, WarningCode
from connectors.source.shown import WrittenNumber
from connectors.source.table import Format, FormatOptions, Limits, Problems, RecordRows, Row, Table

_EXPONENT_MAX = 308  # what a double reaches; beyond it a few characters stand for gigabytes of digits
_RISKY_ESCAPE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")


def read_jsonl(path: PurePath, data: bytes, wanted: FormatOptions, limits: Limits) -> Table:
    """Return the table in these bytes; its header is every key that occurs, in the order of appearance.

    Shapes: cells are JSON values with int and Decimal for numbers; a key that a line lacks is absent from its row.
    Errors: FileRefused.
    """
    names = wanted.columns or frozenset()
    encoding, is_certain = (wanted.encoding, True) if wanted.encoding else detect_encoding(data, names)
    if not is_certain:
        raise encoding_uncertain(data, names, has_persons=wanted.has_persons)
    text, is_clean = decode(data, encoding)
    lines = text.removeprefix("\ufeff").split("\n")
    if lines[-1] == "":
        lines.pop()  # the last line's end begins no line
    decoder = json.JSONDecoder(parse_float=_exact, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    spelled = _Spelling(names)
    rows: list[Row] = []
    header: dict[str, None] = {}
    problems = Problems(limits.problems_max)
    blank_count = 0
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line:
            blank_count += 1
            continue
        if len(line) > limits.cell_chars_max:
            message = f"the line is longer than the limit of {limits.cell_chars_max} characters"
            problems.add(number, None, ProblemCode.CELL_TOO_LONG, message)
            continue
        if not is_clean and UNENCODABLE.search(line):
            message = f"some bytes are no text in {encoding}; write the line again"
            problems.add(number, None, ProblemCode.UNREADABLE_BYTES, message)
            continue
        try:
            value = decoder.decode(line)
            _check(value, line)
            value = spelled.as_wanted(value)
        except (ValueError, RecursionError) as exc:
            problems.add(number, None, ProblemCode.BROKEN_JSON, _explain(exc))
            continue
        if value.keys() - header.keys():
            header.update(dict.fromkeys(value))
            if len(header) > limits.columns_max:
                raise FileRefused(
                    FileCode.TOO_MANY_COLUMNS,
                    f"expected at most {limits.columns_max} keys, line {number} adds more",
                    max=limits.columns_max,
                    row=number,
                )
        rows.append(Row(number, value))
    return _table(
        path,
        RecordRows(rows),
        tuple(header),
        encoding=encoding,
        wanted=wanted,
        problems=problems,
        blank_count=blank_count,
    )


def _table(
    path: PurePath,
    rows: RecordRows,
    header: tuple[str, ...],
    *,
    encoding: str,
    wanted: FormatOptions,
    problems: Problems,
    blank_count: int,
) -> Table:
    detected = {part for part in ("kind", "encoding") if getattr(wanted, part) is None}
    warnings: list[TableWarning] = []
    if not rows and not problems.found:
        warnings.append(TableWarning(WarningCode.EMPTY_FILE, "the file has no rows"))
    return Table(
        path=path,
        header=header,
        rows=rows,
        format=Format(kind="jsonl", encoding=encoding, detected=frozenset(detected)),
        warnings=tuple(warnings),
        problems=tuple(problems.found),
        blank_count=blank_count,
    )


class _Spelling:
    """Spells the keys of objects as the mapping does, where they look the same: a key is never silently another."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = {skeleton(name): name for name in wanted}
        self._known: dict[str, str] = {name: name for name in wanted}

    def as_wanted(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return an object with its own keys so spelled. Errors: ValueError if two of them look the same."""
        known = self._known
        if not self._wanted or all(known.get(key) == key for key in value):
            return value
        for key in value.keys() - known.keys():
            known[key] = self._wanted.get(skeleton(clean_name(key)), key)
        return _unique([(known[key], item) for key, item in value.items()])


def _exact(text: str) -> WrittenNumber:
    try:
        value = WrittenNumber(text)
    except InvalidOperation:  # an exponent of twenty digits, which no Decimal holds
        raise ValueError("a number is out of any sensible range") from None
    if value and abs(value.adjusted()) > _EXPONENT_MAX:
        raise ValueError("a number is out of any sensible range")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _EXPONENT_MAX:
        raise ValueError("a number is out of any sensible range")
    return value


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


def _check(value: Any, line: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object in braces, the line has {type(value).__name__}")  # noqa: TRY004  the line's fault, not the caller's type
    if "\0" in line or _RISKY_ESCAPE.search(line):
        _check_text(value)


def _check_text(value: Any) -> None:
    """Refuse half characters and NULs, which JSON can escape and no store or schema can hold."""
    if isinstance(value, str):
        if UNENCODABLE.search(value) or "\0" in value:
            raise ValueError("a text holds half a character or a NUL")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


def _explain(exc: ValueError | RecursionError) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f"the line is no JSON object: {exc.msg} at character {exc.colno}"
    if isinstance(exc, RecursionError):
        return "the line is nested too deeply"
    if "int string conversion" in str(exc):
        return "a number has too many digits"
    return str(exc)
