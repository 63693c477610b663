"""What a store keeps of invitations: how far each is, and what only `keys/access.key` opens."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple, Protocol

from hub.ledger.invitation import Issued, Stage
from hub.protocol.control import is_center_id
from hub.protocol.invitation import INVITATION_ID
from hub.protocol.moment import from_us
from hub.store.rows import UNREADABLE, is_text

COLUMNS: Final = (
    "id", "center", "made_at_us", "expires_at_us", "stage", "request", "asked_at_us", "other", "other_at_us",
    "ended_at_us", "heeded_at_us",
)  # fmt: skip
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class StoredInvitation(NamedTuple):
    """An invitation, its secrets as they were sealed, and the request that is to be confirmed, sealed too."""

    issued: Issued
    sealed: bytes
    request: bytes | None


class InvitationStore(Protocol):
    """Invitations, in the same database. Errors: as Store's."""

    async def every(self) -> list[Issued]:
        """Return all invitations, the oldest first. A row that can't be read is none."""

    async def find(self, invitation: str) -> StoredInvitation | None:
        """Return one with what is sealed of it, None where there is none."""

    async def issue(self, issued: Issued, sealed: bytes) -> bool:
        """Keep a new one; return False where one of its center's still stands."""

    async def move(self, before: Issued, after: Issued, request: bytes | None = None) -> bool:
        """Put `after` in the place of `before`, with the sealed request if there is a new one; all of it or nothing.

        Return False where it is not as it was before any more: then somebody was faster.
        """


def issued_of(*row: Any) -> Issued | None:
    """Return what the COLUMNS of a row say, None for one that no release of ours has written."""
    invitation, center, made, expires, stage, request, asked, other, other_at, ended, heeded = row
    if not (is_text(invitation) and is_text(center) and INVITATION_ID.fullmatch(invitation) and is_center_id(center)):
        return None
    if not all(each is None or (is_text(each) and _DIGEST.fullmatch(each)) for each in (request, other)):
        return None
    if stage not in set(Stage) or not all(isinstance(each, int) for each in (made, expires)):
        return None
    if not all(each is None or isinstance(each, int) for each in (asked, other_at, ended, heeded)):
        return None
    try:
        return Issued(
            invitation, center, from_us(made), from_us(expires), Stage(stage), request,
            *(None if asked is None else from_us(asked), other, None if other_at is None else from_us(other_at)),
            *(None if each is None else from_us(each) for each in (ended, heeded)),
        )  # fmt: skip
    except UNREADABLE:
        return None
