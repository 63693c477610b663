"""Inviting an office by one file, hearing it, and confirming it: each as a use case for any shell, none of it Kafka's.

What is true when the process dies behind each step:

    invite    file written        it opens nothing: no invitation of its id is kept. Made again, there is a new one
              invitation kept     it is good for one office, for 72 hours
    take      request kept        the office is told so when it sends the same again
    confirm   stage is confirmed  no other request can be any more; `hub center show` says that it is not finished, and
                                  confirming again goes on: keys that are there are not added twice
              keys added          HQ knows the office's seals
              credential kept     HQ's Kafka learns of it (`hub.worker.access`)
              ended_at is set     the office is told that it is accepted
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hub.base import durable, files
from hub.hq.access import check_name, give
from hub.hq.access_key import AccessKey
from hub.hq.centers import add_keys, check_keys
from hub.hq.folder import HubFolder
from hub.hq.identity import Identity, load_identity
from hub.hq.reception import SECRETS, TRIES, hqs_clock, request_of
from hub.ledger.invitation import STANDING, VALID_FOR, Issued, Stage
from hub.protocol.errors import Conflict, Malformed, NotFound, Retriable, UsageError
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.invitation import SECRET_LENGTH, HttpsWay, Invitation, KafkaWay
from hub.protocol.joining import JoinRequest
from hub.protocol.receipt import one_line
from hub.store.read.centers import RegisteredCenter
from hub.store.read.invitations import InvitationStanding, standing_of
from schemas.words import LANGUAGES

if TYPE_CHECKING:
    from hub.store.invitation_store import InvitationStore


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation that was made."""

    center: str
    id: str
    file: Path
    expires_at: datetime
    root: Fingerprint


@dataclass(frozen=True, slots=True)
class Asked:
    """The newest invitation of a center, HQ's root key in words, and the office's request, where it can be read."""

    standing: InvitationStanding
    root: Fingerprint
    request: JoinRequest | None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """An office that was let in: which keys were added (none where it had them), its credential's number."""

    center: RegisteredCenter
    added: tuple[str, ...]
    version: int
    is_pinned: bool


class WordsDiffer(Conflict):
    """What the office read out is not what HQ has: at these places, from 1."""

    def __init__(self, center: str, places: Sequence[int]) -> None:
        named = ", ".join(map(str, places))
        super().__init__(
            f"the words are not those of the request that came for {center}: word {named} differs. Nothing was "
            "confirmed. Have them read again; if they stay different, somebody else has asked: "
            f"`hub center withdraw {center}`, and invite anew by another way"
        )
        self.places = tuple(places)


def _spoken(tags: Sequence[str]) -> str:
    """Return the first of a center's languages that its connector has words in; '' where there is none."""
    return next((tag for tag in tags if tag.partition("-")[0] in LANGUAGES), "")


async def invite(
    where: HubFolder,
    center: str,
    file: Path,
    kafka: KafkaWay | None,
    https: HttpsWay | None,
    clock: Callable[[], datetime] = hqs_clock,
) -> Invited:
    """Write an enrolment bundle for a registered center. Errors: NotFound, Conflict, UsageError, Fatal (the disk)."""
    identity, now = load_identity(where.keys), clock()
    registered = _registered(where, center)
    if registered.status == "closed":
        raise Conflict(f"center {center} is closed for good: nobody can join as it any more")
    check_name(center)
    if identity.trust is None or not identity.trust.hqs:
        raise UsageError("the trust note does not name the hq key, by which HQ answers: run `hub key renew` first")
    private, secret = X25519PrivateKey.generate(), os.urandom(SECRET_LENGTH)
    bundle = Invitation(
        hub=identity.hub,
        center=center,
        name=one_line(registered.name),
        id=secrets.token_hex(4),
        key=private.public_key().public_bytes_raw(),
        secret=secret,
        expires=now + VALID_FOR,
        trust=identity.note,
        kafka=kafka,
        https=https,
        language=_spoken(registered.languages),
    )
    try:
        bundle.check()
    except Malformed as exc:
        raise UsageError(str(exc)) from exc
    async with where.store() as store:
        await _see_that_none_stands(store.invitations, center, now)
        issued = Issued(bundle.id, center, now, bundle.expires)
        sealed = AccessKey.make(where.keys).seal(secret + private.private_bytes_raw(), SECRETS + bundle.id)
        with durable.disk_errors(file, "nothing was made"):
            durable.create_private(file, bundle.to_bytes().decode())
        try:
            if not await store.invitations.issue(issued, sealed):
                await _see_that_none_stands(store.invitations, center, now)
                raise Retriable(f"center {center} was invited or its invitation ended just now: try again")
        except BaseException:
            files.remove(file)
            raise
    return Invited(center, bundle.id, file, bundle.expires, Fingerprint.of_root(bundle.root))


async def withdraw(where: HubFolder, center: str, clock: Callable[[], datetime] = hqs_clock) -> InvitationStanding:
    """Take a center's newest invitation back; of one that is confirmed, take note of who came later.

    Errors: NotFound where there is none; Conflict where there is nothing to take back, or its office may be in already.
    """
    async with where.store() as store:
        for _ in range(TRIES):
            now = clock()
            issued = await _newest(where, store.invitations, center)
            is_done = issued.stage is Stage.CONFIRMED and not issued.is_unfinished
            if is_done and not issued.is_alarming:
                raise Conflict(
                    f"the invitation of {center} is confirmed and was used by nobody else: "
                    f"`hub center suspend {center} --reason REASON` takes from its office what it may do"
                )
            if issued.is_unfinished and _registered(where, center).status != "closed":
                raise Conflict(
                    f"the request of {center} is confirmed, and its office may be let in already: "
                    f"`hub center confirm {center}` goes on with it, "
                    f"`hub center suspend {center} --reason REASON` takes from its office what it may do"
                )
            if issued.stage is Stage.WITHDRAWN:
                raise Conflict(f"the invitation {issued.id} of {center} is withdrawn already")
            after = replace(issued, heeded_at=now) if is_done else replace(issued, stage=Stage.WITHDRAWN, ended_at=now)
            if await store.invitations.move(issued, after):
                return standing_of(after)
    raise Retriable(f"the invitation of {center} changes all the time: try again")


async def look(where: HubFolder, center: str, clock: Callable[[], datetime] = hqs_clock) -> Asked:
    """Return a center's newest invitation, with what its office has asked. Errors: NotFound; UsageError."""
    identity = load_identity(where.keys)
    async with where.store() as store:
        issued = await _newest(where, store.invitations, center)
        stored = await store.invitations.find(issued.id)
        request = None
        if stored is not None and stored.request is not None:
            request = request_of(AccessKey.load(where.keys), stored)
    return Asked(standing_of(issued.at(clock())), root_of(identity), request)


def root_of(identity: Identity) -> Fingerprint:
    """Return HQ's root key in words."""
    assert identity.trust is not None
    return Fingerprint.of_root(identity.trust.root)


async def confirm(
    where: HubFolder,
    center: str,
    spoken: Fingerprint,
    *,
    replaces_lost: bool = False,
    clock: Callable[[], datetime] = hqs_clock,
) -> Confirmed:
    """Let in the office that asked, whose words are those that it read out: its keys, its credential.

    Errors: NotFound; Conflict, WordsDiffer; UsageError where its keys can't be taken, or replace others unasked.
    """
    if _registered(where, center).status == "closed":
        raise Conflict(f"center {center} is closed for good: `hub center withdraw {center}` takes its invitation back")
    async with where.store() as store:
        before = await _newest(where, store.invitations, center)
        issued = before.at(clock())
        _see_that_it_can_be_confirmed(issued)
        stored = await store.invitations.find(issued.id)
        key = AccessKey.load(where.keys)
        request = None if stored is None else request_of(key, stored)
        if stored is None or stored.issued != before or request is None or request.digest != issued.request:
            raise Conflict(f"the request that came for {center} can't be read any more: withdraw it, and invite anew")
        if request.fingerprint != spoken:
            pairs = zip(request.fingerprint.numbers, spoken.numbers, strict=True)
            raise WordsDiffer(center, [place for place, (ours, theirs) in enumerate(pairs, 1) if ours != theirs])
        await check_keys(where, center, request.notes, replaces_lost=replaces_lost)
        decided = replace(issued, stage=Stage.CONFIRMED)
        if decided != before and not await store.invitations.move(before, decided):
            raise Conflict(f"another request came for {center} at this moment: see `hub center show {center}`")
        changed, added = await add_keys(where, center, request.notes, replaces_lost=replaces_lost)
        version = await give(store.access, key, center, request.credential)
        # What came meanwhile is kept: it is the finished one that is put in the place of whatever stands there.
        for _ in range(TRIES):
            now_kept = await store.invitations.find(issued.id)
            if now_kept is None or now_kept.issued.stage is not Stage.CONFIRMED:
                raise Conflict(
                    f"the invitation of {center} was taken back while it was confirmed, and its office is let in: "
                    f"`hub center suspend {center} --reason REASON` takes from it what it may do"
                )
            ended = replace(now_kept.issued, ended_at=clock())
            if now_kept.issued.ended_at is not None or await store.invitations.move(now_kept.issued, ended):
                break
        else:
            raise Retriable(f"the invitation of {center} changes all the time: confirm it again, which goes on")
    return Confirmed(changed.center, added, version, changed.is_pinned)


# -- what is kept -----------------------------------------------------------------------------------------------------


def _registered(where: HubFolder, center: str) -> RegisteredCenter:
    with where.snapshot() as now:
        centers = {registered.id: registered for registered in now.centers()}
    if center not in centers:
        raise NotFound(f"there is no center {center}; known are {', '.join(centers) or 'none'}: `hub center add` first")
    return centers[center]


async def _newest(where: HubFolder, store: InvitationStore, center: str) -> Issued:
    found = [issued for issued in await store.every() if issued.center == center]
    if not found:
        _registered(where, center)
        raise NotFound(f"center {center} was never invited: `hub center invite {center} FILE` makes its file")
    return found[-1]


async def _see_that_none_stands(store: InvitationStore, center: str, now: datetime) -> None:
    for issued in await store.every():
        if issued.center != center:
            continue
        after = issued.at(now)
        if after != issued:
            await store.move(issued, after)
        if after.stage in STANDING:
            until = (
                f"until {after.expires_at:%Y-%m-%d %H:%M} UTC" if after.stage is not Stage.CONTESTED else "contested"
            )
            raise Conflict(
                f"center {center} has the invitation {after.id} already ({after.stage}, {until}): "
                f"`hub center withdraw {center}` takes it back first"
            )


def _see_that_it_can_be_confirmed(issued: Issued) -> None:
    center = issued.center
    told = {
        Stage.INVITED: f"nobody has asked to join as {center} yet: its office runs `connector join FILE`",
        Stage.CONTESTED: f"two different requests came for {center} by one file, so neither can be confirmed: "
        f"`hub center withdraw {center}`, then invite anew and hand the file over by another way",
        Stage.WITHDRAWN: f"the invitation of {center} was withdrawn: `hub center invite {center} FILE` makes another",
        Stage.EXPIRED: f"the invitation of {center} expired at {issued.expires_at:%Y-%m-%d %H:%M} UTC: "
        f"`hub center invite {center} FILE` makes another",
    }
    if issued.stage in told:
        raise Conflict(told[issued.stage])
    if issued.stage is Stage.CONFIRMED and not issued.is_unfinished:
        raise Conflict(f"the request of {center} is confirmed already")
