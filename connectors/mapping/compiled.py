"""A mapping made ready for one table: names checked once against the sheet and the stream, then one call a row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from connectors.mapping.cell import BLANK, Cells, Read, read_cell, remembered
from connectors.mapping.convert import Unfit, as_key_text
from connectors.mapping.fault import Faults, NoSuchColumn, WrongMapping
from connectors.mapping.hint import hint_at
from connectors.mapping.model import Mapping, Source
from connectors.mapping.path import changes_to, mapped_streams, path_to, statuses, strictest
from connectors.mapping.person import PersonField, PersonReader, PersonSaid, SealPerson
from connectors.mapping.problem import LocalCode, Problem, Wanted
from connectors.mapping.reading import Setting, read_moment, read_status, read_value
from connectors.mapping.record import RecordReader
from connectors.source.problem import ProblemCode
from connectors.source.table import Format, Row
from hub.domain.entity import canonical_json
from hub.domain.key import join_parts, key_part
from hub.domain.rules import check
from hub.domain.stream import EventKind, StatusChange, Stream
from hub.protocol.errors import Rejected, UsageError
from hub.protocol.record import ID
from hub.protocol.rules import NEWEST
from hub.protocol.verdict import Code

RowResult = tuple[int, str, Wanted | None, tuple[Problem, ...], bool, bytes]
_PLAIN_FORMAT: Final = Format(kind="csv")


class OpenQuestions(UsageError):
    """A mapping has questions that nobody has answered: nothing is read by it, so that nothing is guessed."""

    def __init__(self, name: str, questions: Sequence[str]) -> None:
        more = f" (and {len(questions) - 1} more)" if len(questions) > 1 else ""
        super().__init__(
            f"{name}: questions: {questions[0]}{more}; answer them by `connector mapping propose FILE --ask`, or "
            "in the mapping, and delete `questions`"
        )


def compile_mapping(
    mapping: Mapping,
    center: str,
    form: Format = _PLAIN_FORMAT,
    header: Sequence[str] | None = None,
    seal: SealPerson | None = None,
) -> RowReader:
    """Return what turns a row into its outcome's parts.

    Shapes: header None, or a table of JSON lines, means that any column may be there. Without `seal`, rows of a
            mapping that names persons can't be read.
    Errors: WrongMapping with everything that is wrong: an unknown stream, field, status or column, a required field
            without a source. NoSuchColumn if it is columns only that the sheet does not have.
    """
    if mapping.questions:
        raise OpenQuestions(mapping.name, mapping.questions)
    if not ID.fullmatch(center):
        raise UsageError(f"expected a center's id of a-z, 0-9 and -, came {center!r}")
    faults = Faults(mapping.name)
    if header is not None and form.kind != "jsonl":
        with faults.gather():
            _check_columns(mapping, header)
    is_zone_named = "utc_offset" in mapping.model_fields_set
    setting = Setting(mapping.name, center, mapping.format, _zone(mapping.utc_offset), is_zone_named=is_zone_named)
    reader = None
    with faults.gather():
        reader = RowReader(mapping, _stream(mapping), setting, seal)
    faults.raise_all()
    assert reader is not None
    return reader


class RowReader:
    """One mapping, compiled: call `scan` for each row, then `read`. Errors: WrongMapping on construction."""

    def __init__(self, mapping: Mapping, stream: Stream, setting: Setting, seal: SealPerson | None) -> None:
        self._stream = stream.name
        self._subject_start = f"{setting.center}:"
        self._key_prefix = mapping.key_prefix
        self._keys = [(source.label, read_cell(source)) for source in mapping.key]
        self.key_label = " + ".join(source.label for source in mapping.key)
        self._used = [read_cell(source) for _, source in mapping.sources() if source.value is None]
        self._fields = RecordReader(stream.record)
        faults = Faults(setting.name)
        for path, source in mapping.fields.items():
            with faults.gather():
                self._fields.add(path, source, stream, setting)
        with faults.gather():
            self._fields.check_required(setting)
        self._persons = []
        for field, person in mapping.persons.items():
            with faults.gather():
                self._persons.append(PersonReader(field, person, stream, setting))
        self._seal = seal
        self._columns = {path: source.label for path, source in mapping.fields.items()}
        known = statuses(stream)
        self._first_status = known[0]
        self._status: Read = lambda _: known[0]
        with faults.gather():
            if mapping.status:
                self._status = remembered(mapping.status, read_status(mapping.status, known, setting))
        self._status_column = mapping.status.label if mapping.status else ""
        self._extras: list[tuple[str, str, Read]] = []
        for extra, extra_source in _extra_sources(mapping):
            with faults.gather():
                read = remembered(extra_source, _read_extra(extra, extra_source, stream, setting))
                self._extras.append((extra, extra_source.label, read))
        faults.raise_all()
        self._extra_columns = {field: label for field, label, _ in self._extras}
        self._records = {status: strictest(path_to(stream, status)) for status in known}
        self._changes = {status: changes_to(stream, status) for status in known}
        self._looks = tuple(setting.looks)

    def scan(self, row: Row) -> str:
        """Let a row tell how its columns are written: all rows first, then `read`.

        Returns the key that `read` finds in it, "" if there is none or it can't be read.
        """
        for look in self._looks:
            look(row[1])
        return self._read_key(row[1], [])

    def read(self, row: Row, key: str = "") -> RowResult:
        """Return row number, key, wanted state, problems, whether it is blank, and the wanted state's digest.

        Shapes: `key` is what `scan` has found in the row, so that it need not be read again.
        """
        number, cells = row
        problems: list[Problem] = []
        key = key or self._read_key(cells, problems)
        if not key and self._is_blank(cells):
            return number, "", None, (), True, b""
        record = self._fields.read(cells, problems)
        extras = self._read_extras(cells, problems)
        status = self._read_status(cells, problems)
        persons = [(reader, reader.read(cells, problems)) for reader in self._persons]
        occurred_at = extras.pop("occurred_at", None)
        _judge(self._records[status], record, self._columns, problems)
        changes = self._changes[status]
        if changes:
            _judge(changes, extras, self._extra_columns, problems)
        if problems:
            return number, key, None, tuple(problems), False, b""
        subject = self._subject_start + key
        remarks = self._seal_persons(subject, persons, record) if persons else ()
        wanted = Wanted(self._stream, subject, status, record, occurred_at, extras or None, remarks)
        try:
            canonical = canonical_json([self._stream, subject, status, record, occurred_at, wanted.reason])
        except TypeError:  # a lone surrogate, which JSON can spell and UTF-8 cannot
            return number, key, None, (Problem("", "", ProblemCode.UNREADABLE_BYTES, ""),), False, b""
        return number, key, wanted, (), False, sha256(canonical).digest()

    def _seal_persons(
        self, subject: str, persons: list[tuple[PersonReader, PersonSaid | None]], record: dict[str, Any]
    ) -> tuple[Problem, ...]:
        """Put into `record` what stands for its persons; return what the office is to be told."""
        remarks = []
        for reader, person in persons:
            if person is None:
                continue
            assert self._seal is not None
            instead = self._seal(PersonField(self._stream, subject, reader.field), person)
            record[reader.field] = instead.text
            if instead.remark is not None:
                remarks.append(reader.remark(instead.remark))
        return tuple(remarks)

    def _is_blank(self, cells: Cells) -> bool:
        try:
            return all(read(cells) is BLANK for read in self._used)
        except Unfit:
            return False

    def _read_key(self, cells: Cells, problems: list[Problem]) -> str:
        parts = []
        for label, read in self._keys:
            try:
                cell = read(cells)
                part = "" if cell is BLANK else key_part(as_key_text(cell))
            except (Unfit, UnicodeEncodeError) as exc:
                code = exc.code if isinstance(exc, Unfit) else ProblemCode.UNREADABLE_BYTES
                problems.append(Problem(label, "", code, exc.params if isinstance(exc, Unfit) else ""))
                return ""
            if not part:
                problems.append(Problem(label, "", LocalCode.NO_KEY, ""))
                return ""
            parts.append(part)
        return join_parts(parts, self._key_prefix)

    def _read_extras(self, cells: Cells, problems: list[Problem]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field, label, read in self._extras:
            try:
                value = read(cells)
            except Unfit as exc:
                problems.append(Problem(label, field, exc.code, exc.params))
                continue
            if value is not BLANK:
                found[field] = value
        return found

    def _read_status(self, cells: Cells, problems: list[Problem]) -> str:
        try:
            status = self._status(cells)
        except Unfit as exc:
            problems.append(Problem(self._status_column, "status", exc.code, exc.params))
            return self._first_status
        if status is BLANK:
            problems.append(Problem(self._status_column, "status", Code.MISSING_FIELD, ""))
            return self._first_status
        return str(status)


def _stream(mapping: Mapping) -> Stream:
    known = {stream.name: stream for stream in mapped_streams()}
    if mapping.stream not in known:
        raise WrongMapping(mapping.name, [f"stream: expected one of {', '.join(known)}; came {mapping.stream!r}"])
    return known[mapping.stream]


def _check_columns(mapping: Mapping, header: Sequence[str]) -> None:
    # A column that somebody renamed must not read as empty cells: that would revise every entity.
    there = set(header)
    missing = [
        (place, name)
        for place, source in mapping.sources()
        for name in source.used_columns
        if name not in there and not source.optional
    ]
    missing += [("skip or keep", name) for name in sorted(mapping.picking_columns - there)]
    if not missing:
        return
    shown = ", ".join(header[:12]) + (", …" if len(header) > 12 else "")
    known = {name for _, source in mapping.sources() for name in source.used_columns}
    near = [name for name in header if not mapping.persons or name in known]
    if mapping.persons:
        # Where the header was deleted, a row stands in its place: a person's must not be shown.
        shown = ", ".join(near) or "none that the mapping names"
    reasons = [f"{place}: the sheet has no column {name!r}{hint_at(name, near, known)}" for place, name in missing]
    reasons[-1] += f"; it has: {shown}"
    raise NoSuchColumn(mapping.name, reasons, [name for _, name in missing])


def _zone(offset: str) -> dt.tzinfo:
    minutes = int(offset[1:3]) * 60 + int(offset[4:])
    return dt.timezone(dt.timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def _extra_sources(mapping: Mapping) -> list[tuple[str, Source]]:
    named = (("occurred_at", mapping.occurred_at), ("reason", mapping.reason), ("effective_on", mapping.effective_on))
    return [(field, source) for field, source in named if source is not None]


def _read_extra(field: str, source: Source, stream: Stream, setting: Setting) -> Read:
    if field == "occurred_at":
        return read_moment(source, setting)
    if all(kind.carries_record for kind in stream.events):
        raise setting.wrong(f"{field}: no event of {stream.name} has one; map it under fields")
    return read_value(source, StatusChange.model_fields[field].annotation, setting, field)


def _judge(kinds: Sequence[EventKind], value: dict[str, Any], columns: dict[str, str], problems: list[Problem]) -> None:
    """Add the first broken rule of each kind, unless that field has a problem already.

    A contradiction is not reported beside a cell that could not be read: most often it is only the gap left by that.
    """
    unread = bool(problems)
    for kind in kinds:
        try:
            check(kind, value, NEWEST)  # what these accept, older rules accept too: the hub may have any
        except Rejected as exc:
            if unread and exc.code is Code.INCONSISTENT:
                continue
            path = exc.field
            while path and path not in columns:
                path = path.rpartition(".")[0]
            if not any(problem.field in (path, exc.field) for problem in problems if problem.field):
                problems.append(Problem(columns.get(path, ""), exc.field, str(exc.code), exc.params))
