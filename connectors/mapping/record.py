"""The record of one row: the stream's fields, each with what reads it; records inside it likewise."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel

from connectors.mapping.cell import BLANK, Cells, Read, remembered
from connectors.mapping.column import Priced
from connectors.mapping.convert import Unfit, is_record, unwrap
from connectors.mapping.fault import Faults
from connectors.mapping.formed import Write, formed
from connectors.mapping.model import Source
from connectors.mapping.problem import LocalCode, Problem
from connectors.mapping.reading import Setting, read_entity, read_value
from hub.domain.sealed import sealed_fields
from hub.domain.stream import Stream


class RecordReader:
    """Reads the fields of one model, and through `inner` those of the records in it."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.model = model
        self.reads: list[tuple[str, str, str, Read]] = []  # field, path, column, closure
        self.inner: dict[str, RecordReader] = {}
        self.tried: set[str] = set()  # fields whose source is wrong: they are not missing besides
        self.base = {
            name: field.get_default(call_default_factory=True)
            for name, field in model.model_fields.items()
            if not field.is_required()
        }

    def add(self, path: str, source: Source, stream: Stream, setting: Setting) -> None:
        """Add the source of one field; a dotted path goes down into records.

        Errors: WrongMapping for a field that is not there, or that no cell can hold.
        """
        place = f"fields.{path}"
        *outer, last = path.split(".")
        reader = self
        for name in outer:
            if not is_record(reader.annotation(name, setting, place)):
                raise setting.wrong(f"{place}: {name} has no parts")
            reader = reader.down(name)
        annotation = reader.annotation(last, setting, place)
        reader.tried.add(last)
        if last in sealed_fields(reader.model):
            raise setting.wrong(f"{place}: is sealed by the connector; say under `persons` who it is")
        is_entity = path in stream.references
        read = read_entity(source, setting, place) if is_entity else read_value(source, annotation, setting, place)
        write = None if is_entity else formed(annotation)
        read = remembered(source, read if write is None else _writing(read, write))
        reader.reads.append((last, path, source.label, read))

    def annotation(self, name: str, setting: Setting, place: str) -> Any:
        """Return a field's annotation. Errors: WrongMapping if there is no such field."""
        field = self.model.model_fields.get(name)
        if field is None:
            known = ", ".join(self.model.model_fields)
            raise setting.wrong(f"{place}: there is no such field; the fields are: {known}")
        return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation

    def down(self, name: str) -> RecordReader:
        """Return the reader of the record in a field."""
        if name not in self.inner:
            self.inner[name] = RecordReader(unwrap(self.model.model_fields[name].annotation))
        return self.inner[name]

    def read(self, cells: Cells, problems: list[Problem]) -> dict[str, Any]:
        """Return the record; a blank cell leaves the field's default, or no field where one is required."""
        record = self.base.copy()
        priced: list[tuple[str, str, str, Priced]] = []
        for name, path, column, read in self.reads:
            try:
                value = read(cells)
            except Unfit as exc:
                problems.append(Problem(column, path, exc.code, exc.params))
                continue
            if value.__class__ is Priced:
                priced.append((name, path, column, value))
                value = Decimal(value)
            if value is not BLANK:
                record[name] = value
        for one in priced:
            self._check_currency(*one, record, problems)
        for name, reader in self.inner.items():
            inner = reader.read(cells, problems)
            if inner != reader.base or name not in self.base:
                record[name] = inner
        return record

    def _check_currency(
        self, name: str, path: str, column: str, value: Priced, record: dict[str, Any], problems: list[Problem]
    ) -> None:
        """Add a problem if the sign beside a number is not that of the currency which the row is said to have."""
        mate = next((field for field in (f"{name}_currency", "currency") if field in self.model.model_fields), "")
        mapped = record.get(mate)
        if mapped in value.currencies or any(problem.field == path.removesuffix(name) + mate for problem in problems):
            return
        allowed = ", ".join(sorted(value.currencies)[:6])
        problems.append(Problem(column, path, LocalCode.OTHER_CURRENCY, f"value={mapped or '-'} allowed={allowed}"))

    def check_required(self, setting: Setting, prefix: str = "") -> None:
        """Errors: WrongMapping if a required field has no source at all: every row would be refused."""
        mapped = {name for name, *_ in self.reads} | set(self.inner) | self.tried
        faults = Faults(setting.name)
        for name, field in self.model.model_fields.items():
            if field.is_required() and name not in mapped:
                faults.note(f"fields.{prefix}{name}: is required by the stream and has no source")
        for name, reader in self.inner.items():
            with faults.gather():
                reader.check_required(setting, f"{prefix}{name}.")
        faults.raise_all()


def _writing(read: Read, write: Write) -> Read:
    """Return the same, with each text in the form that the field has."""

    def read_written(cells: Cells) -> Any:
        value = read(cells)
        if value.__class__ is str:
            return write(value)
        if value.__class__ is list:
            return list(dict.fromkeys(write(item) if item.__class__ is str else item for item in value))
        return value

    return read_written
