"""Brings it about that everybody may do on Kafka what HQ says, and keeps it so. One of several workers does it.

What should be is `hub.kafka.desired`'s to say; here it is compared with what is there, and changed. Where other things
are said of a few centers than before, Kafka is asked for these alone; all is compared seldom, for strangers change it,
too. What is true when the process dies behind each change: that one is done, those before it are, and the next look
finds the others. What a broker was given of credentials can't be asked of it, so whoever begins to do this gives all of
them once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final, NamedTuple

import structlog

from hub.base.clients import close
from hub.base.kafka import Admin
from hub.domain.catalogue import STREAMS
from hub.hq.access import mark, members, opened
from hub.hq.access_key import AccessKey
from hub.kafka.administration import Administration, Unguarded
from hub.kafka.cluster import Cluster
from hub.kafka.desired import (
    FIRST,
    WEB,
    WORKER,
    Change,
    DeleteUsers,
    Desired,
    DropStrays,
    Found,
    GiveRights,
    GuardUsers,
    Invited,
    MakeTopics,
    Member,
    SetQuotas,
    SetUsers,
    TakeRights,
    changes,
    desired,
)
from hub.kafka.rights import SCRAM_SHA_256, SCRAM_SHA_512
from hub.kafka.topics import TopicSpec, ensure_topics, invitation_topics, standard_topics
from hub.protocol.errors import CohubError, Fatal, Malformed, Retriable, UsageError
from hub.protocol.scram import DIGEST_LENGTH, ITERATIONS, SALT_LENGTH, Credential
from hub.store.access_store import OPEN, StoredAccess
from hub.store.store import Store
from hub.worker.lease import Lease

LOOK_EVERY_S: Final = 2.0
PAUSE_S: Final = 1.0
DEADLINE_S: Final = 60.0
OPEN_FOR_S: Final = 60.0  # a cluster that lets in everybody is looked at again after so long
REFUSED_FOR_S: Final = 10.0
SHARE: Final = 50  # looks that take long are rare: one part in so many of the time
NOTHING: Final = StoredAccess()[:4]
PART_MAX: Final = 64  # of more users all is compared: each takes four questions

log = structlog.get_logger(__name__)


class Seen(Enum):
    """How a cluster was found."""

    OPEN = auto()  # it lets in everybody
    CHANGED = auto()  # something was not as it should be
    KEPT = auto()


class Invitation(NamedTuple):
    """Who was invited, and what it logs in by."""

    invited: Invited
    credential: Credential


class Inputs(NamedTuple):
    """All that it follows from what should be: the centers' statuses, what they were given, who was invited."""

    statuses: Mapping[str, str]
    given: Mapping[str, tuple[object, ...]]
    invited: Sequence[Invitation] | None

    def changed(self, before: Inputs) -> frozenset[str] | None:
        """Return the users of whom something else was said before; None where it may be anybody."""
        if self.invited is None or before.invited is None:
            return None if self.invited is not before.invited else self._centers(before)
        centers = self._centers(before)
        invited, invited_before = set(self.invited), set(before.invited)
        centers |= {one.invited.center for one in invited ^ invited_before}
        return centers | {one.invited.name for one in invited | invited_before if one.invited.center in centers}

    def _centers(self, before: Inputs) -> frozenset[str]:
        return frozenset(
            center
            for now, then in ((self.statuses, before.statuses), (self.given, before.given))
            for center in now.keys() | then.keys()
            if now.get(center) != then.get(center)
        )


class AccessKeeper:
    """Keeps the access of one hub's centers.

    Shapes: `statuses` tells the centers as the hq lane has them, `load_key` the key that their credentials are sealed
            by. None of `invitations`: somebody else sees to them.
    """

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        statuses: Callable[[], Mapping[str, str]],
        load_key: Callable[[], AccessKey],
        owner: str,
        invitations: Callable[[], Awaitable[Sequence[Invitation]]] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        look_every_s: float = LOOK_EVERY_S,
        share: float = SHARE,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._statuses = statuses
        self._load_key = load_key
        self._owner = owner
        self._invitations = invitations
        self._clock = clock
        self._look_every_s = look_every_s
        self._share = share
        self._next_s = float("-inf")
        self._inputs: Inputs | None = None  # what was said when it was last compared
        self._kept: Inputs | None = None  # what was said when all was last found to be as it should be
        self._full_s = float("-inf")  # from when on all is to be compared
        self._client: Admin | None = None
        self._given: dict[str, int] = {}  # which credential each user was given, by this process
        self._told = ""
        self._key_told = ""  # why the access key can't be read: it is no reason to bring nothing about
        self._users_told = ""  # why the cluster does not tell who its users are; rights and quotas are kept then
        self._unreadable: set[str] = set()

    async def run(self) -> None:
        """Keep it until cancelled. Errors: faults of the store, which end the process."""
        lease = Lease(self._store.access, self._owner, self._clock)
        try:
            while True:
                try:
                    if await lease.is_ours():
                        await self.look()
                    else:
                        await self.forget()
                except Retriable as exc:  # the store's
                    self._tell(exc)
                await asyncio.sleep(PAUSE_S)
        finally:
            await self._drop_client()
            await lease.end()

    async def forget(self) -> None:
        """Begin anew: somebody else may have done it meanwhile."""
        self._inputs, self._kept, self._given, self._next_s = None, None, {}, float("-inf")
        await self._drop_client()

    async def look(self) -> None:
        """Compare, where it is time or something is to be otherwise, and change what is not as it should be.

        Kafka that is away, or refuses, is tried again later; it is said once. Errors: those of the store.
        """
        stored = await self._store.access.every()
        invited = await self._invited()
        given = {center: has[:4] for center, has in stored.items() if has[:4] != NOTHING}  # what is noted is no input
        inputs = Inputs(dict(self._statuses()), given, invited)
        if inputs == self._inputs and self._now_s() < self._next_s:
            return
        began_s, self._inputs = self._now_s(), inputs
        names = self._part(inputs)
        if names is not None:
            stored = {center: has for center, has in stored.items() if center in names}
            invited = None if invited is None else [one for one in invited if one.invited.name in names]
        statuses = [(center, status) for center, status in inputs.statuses.items() if names is None or center in names]
        credentials = self._credentials(stored) | {one.invited.name: one.credential for one in invited or ()}
        centers = [self._readable(member, credentials) for member in members(statuses, stored)]
        try:
            wanted = self._desired(centers, invited)
            wanted = wanted if names is None else wanted.part(names)
            async with asyncio.timeout(DEADLINE_S):
                found = await self._bring_about(await self._access(), wanted, credentials, names)
        except (CohubError, TimeoutError) as exc:
            await self._drop_client()
            self._tell(exc)
            self._next_s = self._now_s() + (self._look_every_s if isinstance(exc, Retriable) else REFUSED_FOR_S)
            return
        if found is Seen.CHANGED:
            self._next_s = self._now_s()  # a broker says what it was told a moment later: then it is so
            return
        is_kept, self._kept = found is Seen.KEPT, inputs
        if names is None:
            took_s = self._now_s() - began_s
            self._full_s = self._now_s() + (max(self._look_every_s, took_s * self._share) if is_kept else OPEN_FOR_S)
        self._next_s = self._full_s
        if is_kept:
            self._told = ""
        if self._users_told:  # no credential is in force by us
            centers = [self._readable(member, {}) for member in centers]
        await self._note({m.id: mark(m) if is_kept else OPEN for m in centers if wanted.owns(m.id)}, stored)

    def _part(self, inputs: Inputs) -> frozenset[str] | None:
        """Return the users that are to be compared; None where all are to be."""
        if self._kept is None or self._now_s() >= self._full_s:
            return None
        names = inputs.changed(self._kept)
        return None if names is None or not names or len(names) > PART_MAX else names

    async def _invited(self) -> Sequence[Invitation] | None:
        """Return who was invited; None while that can't be read: nothing of theirs is changed then, as if not ours."""
        if self._invitations is None:
            return None
        try:
            found = await self._invitations()
        except UsageError as exc:
            self._tell_of_key(exc)
            return None
        if found:
            self._key_told = ""
        return found

    async def _note(self, marks: Mapping[str, str], stored: Mapping[str, StoredAccess]) -> None:
        news = {center: kept for center, kept in marks.items() if stored.get(center, StoredAccess()).kept != kept}
        if news:
            await self._store.access.keep(news, self._clock())

    async def _access(self) -> Administration:
        if self._client is None:
            self._client = await self._cluster.admin("cohub-access")
        return Administration(self._client, self._cluster.bootstrap)

    async def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await close(client)

    def _desired(self, centers: Sequence[Member], invited: Sequence[Invitation] | None) -> Desired:
        cluster = self._cluster
        topics = [spec.name for spec in standard_topics([member.id for member in centers], list(STREAMS))]
        return desired(
            centers,
            topics,
            worker=cluster.user,
            web=WEB if cluster.web is None else cluster.web_user,
            invited=None if invited is None else [one.invited for one in invited],
            spared=cluster.logins - {WORKER, WEB},
        )

    async def _bring_about(
        self,
        access: Administration,
        wanted: Desired,
        credentials: Mapping[str, Credential],
        names: frozenset[str] | None,
    ) -> Seen:
        """Change what is not as it should be, of these users (None: of all); return how it was."""
        try:
            rights = await access.rights(names)
        except Unguarded as exc:
            self._tell(exc)
            return Seen.OPEN
        users = await self._users(access, names)
        if users is None:
            users, wanted = {}, replace(wanted, users={}, gone=frozenset())
        quotas = await access.quotas(names)
        by_ours = {name for name, mechanisms in users.items() if SCRAM_SHA_512 in mechanisms}
        strays = {name for name, mechanisms in users.items() if mechanisms - {SCRAM_SHA_512}}
        topics = await access.topics(None if names is None else wanted.topics)
        found = Found(topics, by_ours, self._given, rights, quotas, strays)
        needed = changes(wanted, found)
        for change in needed:
            log.info("access_changed", change=type(change).__name__, what=_in_short(change))
            await self._apply(access, change, wanted, credentials)
        return Seen.CHANGED if needed else Seen.KEPT

    async def _users(self, access: Administration, names: frozenset[str] | None) -> Mapping[str, frozenset[int]] | None:
        """Return who logs in by which mechanisms; None where the cluster has its users elsewhere, and is told none."""
        try:
            users = await access.users(None if names is None else names | {FIRST})
        except Fatal as exc:
            if str(exc) != self._users_told:
                self._users_told = str(exc)
                log.warning("access_waits", error=self._users_told, meaning="rights and quotas are kept, users are not")
            return None
        self._users_told = ""
        return users

    async def _apply(
        self, access: Administration, change: Change, wanted: Desired, credentials: Mapping[str, Credential]
    ) -> None:
        match change:
            case TakeRights(rights):
                await access.revoke(rights)
            case GuardUsers(mechanisms):
                for mechanism in mechanisms:
                    await access.set_users({FIRST: _nobodys()}, mechanism)
            case DeleteUsers(names):
                await access.delete_users(names)
                for name in names:
                    self._given.pop(name, None)
            case DropStrays(names):
                await access.delete_users(names, SCRAM_SHA_256)
            case MakeTopics(names):
                await ensure_topics(self._cluster, self._specs(names))
            case SetQuotas(quotas):
                await access.set_quotas(quotas)
            case SetUsers(names):
                await access.set_users({name: credentials[name] for name in names})
                self._given |= {name: wanted.users[name] for name in names}
            case GiveRights(rights):
                await access.grant(rights)

    def _specs(self, names: Sequence[str]) -> list[TopicSpec]:
        known, wanted = [*standard_topics(list(self._statuses()), list(STREAMS)), *invitation_topics(names)], set(names)
        return [spec for spec in known if spec.name in wanted]

    def _credentials(self, stored: Mapping[str, StoredAccess]) -> dict[str, Credential]:
        """Return the credentials that can be read. Of another center nothing is known, and its user is left alone."""
        sealed = {center: has.sealed for center, has in stored.items() if has.sealed is not None}
        if not sealed:
            return {}
        found: dict[str, Credential] = {}
        try:
            key = self._load_key()
        except UsageError as exc:
            self._tell_of_key(exc)
            return {}
        self._key_told = ""
        for center, kept in sealed.items():
            try:
                found[center] = opened(key, center, kept)
                self._unreadable.discard(center)
            except Malformed as exc:
                if center not in self._unreadable:
                    remedy = f"`hub center rotate {center} --to FILE` gives it a new one"
                    log.warning("credential_unreadable", center=center, error=str(exc), remedy=remedy)
                self._unreadable.add(center)
        return found

    @staticmethod
    def _readable(member: Member, credentials: Mapping[str, Credential]) -> Member:
        return member if member.id in credentials else Member(member.id, member.status, 0, member.rate)

    def _tell(self, exc: BaseException) -> None:
        """Say why nothing is brought about, once for each reason."""
        why = str(exc) or type(exc).__name__
        if why == self._told:
            return
        self._told = why
        if isinstance(exc, Unguarded):
            log.info("cluster_lets_in_everybody", why=why, meaning="no rights, users or quotas are kept there")
        else:
            log.warning("access_waits", error=why)

    def _tell_of_key(self, exc: UsageError) -> None:
        """Say that what was sealed can't be read, once for each reason, whatever else is told meanwhile."""
        if str(exc) != self._key_told:
            self._key_told = str(exc)
            log.warning("access_waits", error=self._key_told)

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()


def _nobodys() -> Credential:
    """Return a credential of which nobody has the password."""
    return Credential(os.urandom(SALT_LENGTH), ITERATIONS, os.urandom(DIGEST_LENGTH))


def _in_short(change: Change) -> str:
    match change:
        case GuardUsers():
            what: Sequence[object] = [FIRST]
        case TakeRights(rights) | GiveRights(rights):
            what = rights
        case DeleteUsers(names) | DropStrays(names) | MakeTopics(names) | SetUsers(names):
            what = names
        case SetQuotas(quotas):
            what = [dict(entity) for entity in quotas]
    return f"{', '.join(map(str, what[:3]))}{f' and {len(what) - 3} more' if len(what) > 3 else ''}"
