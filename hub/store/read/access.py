"""What each center was given to reach HQ by, and how far Kafka has it; of the credential only that there is one."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field
from sqlalchemy import Connection, select

from hub.store.access_store import stored_access
from hub.store.read.model import ReadModel
from hub.store.tables import ACCESS


class GivenAccess(ReadModel):
    """What one center was given. The defaults are those of one that was given nothing."""

    version: int = Field(default=0, description="The number of its credential, 0 while it has none")
    given_at: datetime | None = Field(default=None, description="When HQ had that credential")
    rate: int | None = Field(default=None, description="Bytes a second that it may write; None: as many as all")
    kept: str = Field(
        default="", description="A digest of what Kafka was brought to last; 'open' where it lets in everybody"
    )
    kept_at: datetime | None = Field(default=None, description="When that was")


def access(db: Connection) -> dict[str, GivenAccess]:
    """Return what each center was given, of those that were given anything. Errors: those of an edited row."""
    query = select(
        ACCESS.c.center,
        ACCESS.c.version,
        ACCESS.c.sealed,
        ACCESS.c.given_at_us,
        ACCESS.c.rate,
        ACCESS.c.kept,
        ACCESS.c.kept_at_us,
    )
    found = {}
    for center, *row in db.execute(query):
        read = stored_access(*row)
        if read is None:
            raise ValueError(f"the access of center {center}")
        found[center] = GivenAccess(
            version=read.version, given_at=read.given_at, rate=read.rate, kept=read.kept, kept_at=read.kept_at
        )
    return found
