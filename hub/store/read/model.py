"""What every model of a read has in common, and how a table's values become those of a model.

Times are datetimes in UTC, bytes are hexadecimal text; `model_dump()` is ready for JSON, and `model_json_schema()` says
of every field what it means, as an API's description wants it.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from hub.protocol.moment import from_us


class ReadModel(BaseModel):
    """One answer of HQ's database. A model is built when the first of it is made: no command needs them all."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def moment(us: int | None) -> datetime | None:
    """Return the moment that a table has in microseconds."""
    return None if us is None else from_us(us)
