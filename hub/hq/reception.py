"""Hearing who asks to join, and answering: for any way in, each of which hands over the bytes that came.

What becomes of an invitation is `hub.ledger.invitation`'s to say; what is kept of it, sealed by `keys/access.key`, is
opened here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog

from hub.base.seldom import Seldom
from hub.hq.access_key import AccessKey
from hub.hq.identity import Identity
from hub.ledger.invitation import Issued
from hub.protocol.errors import Malformed, NotFound, Retriable, UsageError
from hub.protocol.invitation import SECRET_LENGTH
from hub.protocol.joining import Answer, JoinRequest, State, Why, digest_of, unseal_request
from hub.protocol.topics import topic_join

if TYPE_CHECKING:
    from hub.store.invitation_store import InvitationStore, StoredInvitation

TRIES: Final = 5
SECRETS: Final = "invitation "  # what is sealed by the access key, an invitation's id behind it
REQUEST: Final = "join request "

log = structlog.get_logger(__name__)


def hqs_clock() -> datetime:
    """Return what time HQ has."""
    return datetime.now(UTC)


class Reception:
    """Hears join requests, whichever way they come, and answers them.

    Shapes: `key` returns the key that seals what is kept of them, when it is needed. `seldom` bounds what is said of
            requests that are none; whoever makes a reception for each request has one for all of them.
    """

    def __init__(
        self,
        store: InvitationStore,
        identity: Identity,
        key: Callable[[], AccessKey],
        clock: Callable[[], datetime] = hqs_clock,
        seldom: Seldom | None = None,
    ) -> None:
        self._seldom = seldom or Seldom(log)
        self._store = store
        self._identity = identity
        self._key = key
        self._clock = clock

    async def open(self) -> list[Issued]:
        """Return the invitations by which somebody may still ask and is answered; what is over is noted as that."""
        now, found = self._clock(), []
        for issued in await self._store.every():
            after = issued.at(now)
            if after != issued:
                await self._store.move(issued, after)
            if after.is_answered(now):
                found.append(after)
        return found

    async def let_in(self) -> dict[str, tuple[str, bytes]]:
        """Return by id whom the brokers let in by an invitation: as which center, and its secret.

        One whose secret can't be read lets nobody in. Errors: UsageError where the key is not there.
        """
        now, found = self._clock(), {}
        for issued in await self._store.every():
            stored = await self._store.find(issued.id) if issued.at(now).lets_in(now) else None
            if stored is not None:
                with suppress(Malformed):
                    found[issued.id] = issued.center, secrets_of(self._access_key(), stored)[0]
        return found

    async def take(self, invitation: str, data: bytes) -> Answer:
        """Take an encrypted request that came by this invitation; return what HQ says to it now.

        The same request again is no second use. A different one is an alarm, see `hub.ledger.invitation`.
        Errors: NotFound where there is no such invitation; Malformed for what was not made with its bundle; Retriable.
        """
        for _ in range(TRIES):
            stored = await self._store.find(invitation)
            if stored is None:
                raise NotFound(f"there is no invitation {invitation[:20]}")
            issued, now = stored.issued, self._clock()
            plain = self._opened(stored, data)
            digest, wrong = digest_of(plain), self._wrong_with(issued, plain)
            if wrong is Why.UNREADABLE:
                return self._said(issued, digest, State.REFUSED, wrong)
            after = issued.doubted(digest, now) if wrong else issued.asked(digest, now)
            is_new = after.request == digest and issued.request != digest
            sealed = self._access_key().seal(plain, REQUEST + issued.id) if is_new else None
            if after != issued and not await self._store.move(issued, after, sealed):
                continue  # another came at this moment
            if is_new:
                log.info("join_requested", center=issued.center, invitation=issued.id)
            if after.other is not None and issued.other is None:
                log.warning("invitation_used_twice", center=issued.center, invitation=issued.id, stage=after.stage)
            if wrong:
                return self._said(after, digest, State.REFUSED, wrong)
            return self._said(after, digest, *after.answer(digest, now))
        raise Retriable(f"several requests come by invitation {invitation} at once: try again")

    async def answered(self, invitation: str, data: bytes) -> bytes:
        """Take a request, and return HQ's answer as a signed note: what a web shell needs. Errors: as of `take`."""
        return self.signed(await self.take(invitation, data))

    def answer(self, issued: Issued, request: str) -> Answer:
        """Return what HQ says now to whoever sent this request by this invitation."""
        return self._said(issued, request, *issued.answer(request, self._clock()))

    def signed(self, answer: Answer) -> bytes:
        """Return an answer as a note."""
        return answer.signed(self._identity.hq)

    def _said(self, issued: Issued, request: str, state: State, why: str) -> Answer:
        return Answer(self._identity.hub, issued.center, issued.id, request, self._clock(), state, why)

    def _opened(self, stored: StoredInvitation, data: bytes) -> bytes:
        try:
            secret, private = secrets_of(self._access_key(), stored)
        except Malformed as exc:
            raise UsageError(f"what HQ keeps of invitation {stored.issued.id} can't be read: {exc}") from exc
        return unseal_request(self._identity.hub, stored.issued.center, stored.issued.id, secret, private, data)

    def _access_key(self) -> AccessKey:
        try:
            return self._key()
        except NotFound as exc:  # of an invitation that is not there it would be another word
            raise UsageError(str(exc)) from exc

    def _wrong_with(self, issued: Issued, plain: bytes) -> Why | None:
        try:
            request = JoinRequest.from_bytes(plain)
        except Malformed as exc:
            self._seldom.warning(
                "join_request_unreadable",
                topic=topic_join(issued.center),
                center=issued.center,
                invitation=issued.id,
                reason=str(exc),
            )
            return Why.UNREADABLE
        if (request.hub, request.center, request.invitation) != (self._identity.hub, issued.center, issued.id):
            return Why.UNREADABLE
        assert self._identity.trust is not None
        return None if request.root == self._identity.trust.root else Why.OTHER_ROOT


def secrets_of(key: AccessKey, stored: StoredInvitation) -> tuple[bytes, bytes]:
    """Return the bundle's secret and its private key. Errors: Malformed."""
    opened = key.open(stored.sealed, SECRETS + stored.issued.id)
    return opened[:SECRET_LENGTH], opened[SECRET_LENGTH:]


def request_of(key: AccessKey, stored: StoredInvitation) -> JoinRequest | None:
    """Return the request that came, None where there is none that can be read."""
    if stored.request is None:
        return None
    try:
        return JoinRequest.from_bytes(key.open(stored.request, REQUEST + stored.issued.id))
    except Malformed:
        return None
