"""The words that a row's outcome is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a row from being sent.

    Shapes: column is what a person sees in the sheet ("" if it is the whole row), field the record's field path, code
            one of hub.protocol.verdict.Code, connectors.source.ProblemCode or LocalCode; params is at most 100 bytes.
    """

    column: str
    field: str
    code: str
    params: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should be true of one entity at HQ.

    Shapes: record holds plain Avro values and every field of the stream's record that is optional; reason holds what a
            status-only event may say (`reason`, `effective_on`), None if nothing. remarks are for the person at the
            desk: the row is sent all the same.
    Units:  occurred_at is UTC, None if the sheet does not say.
    """

    stream: str
    subject: str
    status: str
    record: dict[str, Any]
    occurred_at: datetime | None
    reason: dict[str, Any] | None
    remarks: tuple[Problem, ...] = ()
