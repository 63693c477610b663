"""Invitations."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from hub.ledger.invitation import STANDING, Issued
from hub.protocol.moment import to_us
from hub.store.database import OnDatabase, suspends
from hub.store.invitation_store import COLUMNS, StoredInvitation, issued_of

_NAMES: Final = ", ".join(COLUMNS)
_STANDING: Final = ", ".join(f"'{stage}'" for stage in sorted(STANDING))
_MOVED: Final = COLUMNS[4:]  # what moves; the others never change


class SqlInvitations(OnDatabase):
    """An InvitationStore on the connection of a SqlStore."""

    @suspends
    async def every(self) -> list[Issued]:
        """See InvitationStore."""
        rows = self._database.lenient(f"SELECT {_NAMES} FROM invitation ORDER BY made_at_us, id")  # noqa: S608
        read = [issued_of(*row) for row in rows]
        return [issued for issued in read if issued is not None]

    @suspends
    async def find(self, invitation: str) -> StoredInvitation | None:
        """See InvitationStore."""
        rows = self._database.lenient(
            f"SELECT sealed, sealed_request, {_NAMES} FROM invitation WHERE id = ?",  # noqa: S608
            (invitation,),
        )
        for sealed, request, *row in rows:
            issued = issued_of(*row)
            if issued is not None and isinstance(sealed, bytes) and (request is None or isinstance(request, bytes)):
                return StoredInvitation(issued, sealed, request)
        return None

    @suspends
    async def issue(self, issued: Issued, sealed: bytes) -> bool:
        """See InvitationStore. If we crash before COMMIT returns, there is none: its file opens nothing."""
        with self._database.writing() as db:
            self._database.alone(db, "invitation")
            standing = f"SELECT 1 FROM invitation WHERE center = ? AND stage IN ({_STANDING})"  # noqa: S608
            if db.execute(standing, (issued.center,)).fetchone():
                return False
            db.execute(
                f"INSERT INTO invitation({_NAMES}, sealed) VALUES ({', '.join('?' * len(COLUMNS))}, ?)",  # noqa: S608
                (*_row(issued), sealed),
            )
            return True

    @suspends
    async def move(self, before: Issued, after: Issued, request: bytes | None = None) -> bool:
        """See InvitationStore."""
        sets = ", ".join(f"{name} = ?" for name in _MOVED)
        same = " AND ".join(f"{name} IS ?" for name in _MOVED)
        with self._database.writing() as db:
            done = db.execute(
                f"UPDATE invitation SET {sets}, sealed_request = coalesce(?, sealed_request)"  # noqa: S608
                f" WHERE id = ? AND {same}",
                (*_row(after)[4:], request, before.id, *_row(before)[4:]),
            )
            return done.rowcount == 1


def _row(issued: Issued) -> tuple[Any, ...]:
    return (
        issued.id, issued.center, to_us(issued.made_at), to_us(issued.expires_at), str(issued.stage), issued.request,
        _us(issued.asked_at), issued.other, _us(issued.other_at), _us(issued.ended_at), _us(issued.heeded_at),
    )  # fmt: skip


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else to_us(moment)
