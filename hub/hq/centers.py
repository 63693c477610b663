"""Centers and their keys: what HQ says of them in its own lane. Each change is whole or not at all.

Every use case returns the center as it is after it, and whether the trust note names the witness keys as they are now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hub.domain.catalogue import KINDS
from hub.domain.registry import Registry
from hub.domain.stream import HQ
from hub.hq.access import check_name
from hub.hq.enrolment import check_unshared, id_of, proven, proven_all
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters, HqEvent
from hub.hq.identity import Identity, load_identity
from hub.hq.issuing import pin_witness_keys
from hub.hq.profile import Profile, Record, Revision, checked_streams, plain
from hub.hq.rotation import current
from hub.hq.saying import again, say, say_once
from hub.protocol.control import RESERVED_IDS, is_center_id, open_enrolment
from hub.protocol.errors import Conflict, NotFound, UsageError
from hub.protocol.record import CENTER_REGISTERED
from hub.store.read.centers import RegisteredCenter, center_of_record

REVISED: Final = "net.cohub.center.revised.v1"
KEY_ADDED: Final = "net.cohub.center.key_added.v1"
KEY_REVOKED: Final = "net.cohub.center.key_revoked.v1"
SUSPENDED: Final = "net.cohub.center.suspended.v1"
RESUMED: Final = "net.cohub.center.resumed.v1"
CLOSED: Final = "net.cohub.center.closed.v1"


@dataclass(frozen=True, slots=True)
class Changed:
    """A center after HQ said something of it.

    `is_pinned`: the trust note names the witness keys as they are now. Where it does not, the root key is elsewhere,
    and somebody has to ask for the next note (`issuing.renewal`). `before` is the center as it was, where it was
    revised.
    """

    center: RegisteredCenter
    is_pinned: bool
    before: RegisteredCenter | None = None


async def register(where: HubFolder, center: str, profile: Profile, enrolments: Sequence[bytes]) -> Changed:
    """Register a center with the keys that its enrolment notes prove. Errors: UsageError, Conflict, AgainstRules."""
    if not is_center_id(center):
        raise UsageError(
            f"center {center[:70]!r}: expected an id of 1 to 63 of a-z, 0-9 and -, which begins and ends with a "
            f"letter or a digit, and is none of {', '.join(sorted(RESERVED_IDS))}"
        )
    check_name(center)
    record = {**plain(profile), "streams": checked_streams(profile.streams)}
    async with where.headquarters() as (_, headquarters):
        identity = load_identity(where.keys)
        keys = proven_all(enrolments, identity.hub, center)
        if await _standing(headquarters, center) is not None:
            raise Conflict(f"center {center} is registered already: see `hub center set` and `hub center add-key`")
        check_unshared(keys, center, (await headquarters.basis()).registry, current(identity))
        record["keys"] = keys
        await say(headquarters, [HqEvent(CENTER_REGISTERED, center, record)])
        return Changed(center_of_record(center, "active", record), await pin_witness_keys(where, headquarters))


class TakesAwayError(Conflict):
    """A revision takes streams from a center, and nobody has said that this is meant. Ask, and say so."""

    def __init__(self, center: str, streams: Sequence[str]) -> None:
        named = ", ".join(streams)
        super().__init__(
            f"center {center} could not report {named} any more, and what it has in work would be rejected; "
            "--add-stream adds to what it may report, --yes takes away"
        )
        self.streams = tuple(streams)


async def revise(where: HubFolder, center: str, revision: Revision, *, takes_away: bool = False) -> Changed:
    """Put what is given in the place of what was; streams are taken away only where that is meant.

    Errors: UsageError, NotFound, AgainstRules; TakesAwayError.
    """
    given = revision.given()
    if not revision.says_anything:
        raise UsageError("nothing to change: give at least one of --name, --country, --add-stream …")

    def revised(record: Record) -> Record:
        streams = list(dict.fromkeys(revision.streams_after(record["streams"])))
        gone = [name for name in record["streams"] if name not in streams]
        if gone and not takes_away:
            raise TakesAwayError(center, gone)
        return {**record, **given, "streams": streams}

    return await change(where, center, REVISED, revised)


async def add_key(where: HubFolder, center: str, enrolment: bytes, *, replaces_lost: bool) -> Changed:
    """Add the key of an enrolment note; it is the last of the center's. Errors: UsageError, NotFound, Conflict."""
    identity = load_identity(where.keys)
    async with where.headquarters() as (_, headquarters):
        registry = (await headquarters.basis()).registry

    def added(record: Record) -> Record:
        key = proven(enrolment, identity.hub, center, record["keys"], replaces_lost=replaces_lost)
        if any(key["vkey"] == old["vkey"] for old in record["keys"]):
            raise Conflict(f"center {center} has this key already ({id_of(key)})")
        check_unshared([key], center, registry, current(identity))
        return {**record, "keys": [*record["keys"], key]}

    return await change(where, center, KEY_ADDED, added)


async def check_keys(where: HubFolder, center: str, enrolments: Sequence[bytes], *, replaces_lost: bool) -> None:
    """See that `add_keys` would take these keys, without a word. Errors: as there."""
    async with where.headquarters() as (_, headquarters):
        _, record = await _known(headquarters, center)
        registry = (await headquarters.basis()).registry
        _with_keys(record, enrolments, load_identity(where.keys), center, registry, replaces_lost=replaces_lost)


async def add_keys(
    where: HubFolder, center: str, enrolments: Sequence[bytes], *, replaces_lost: bool
) -> tuple[Changed, tuple[str, ...]]:
    """Add the keys of several enrolment notes, all of them or none; return their ids.

    A key that the center has as active is no news. Errors: UsageError, NotFound, Conflict, AgainstRules.
    """
    identity = load_identity(where.keys)
    async with where.headquarters() as (_, headquarters):

        async def attempt() -> tuple[RegisteredCenter, tuple[str, ...]]:
            basis = await headquarters.basis()
            status, record = await _known(headquarters, center)
            steps = _with_keys(record, enrolments, identity, center, basis.registry, replaces_lost=replaces_lost)
            if steps:
                await say_once(headquarters, [HqEvent(KEY_ADDED, center, step) for step in steps], basis.size)
            after = steps[-1] if steps else record
            return center_of_record(center, status, after), tuple(id_of(step["keys"][-1]) for step in steps)

        found, added = await again(attempt)
        return Changed(found, await pin_witness_keys(where, headquarters)), added


def _with_keys(
    record: Record,
    enrolments: Sequence[bytes],
    identity: Identity,
    center: str,
    registry: Registry,
    *,
    replaces_lost: bool,
) -> list[Record]:
    """Return a center's record with one key more, and one more, for each that it does not have. Errors: as `proven`."""
    steps: list[Record] = []
    for note in enrolments:
        vkey = open_enrolment(note).key.to_text()
        same = next((old for old in record["keys"] if old["vkey"] == vkey), None)
        if same is not None:
            if same["status"] != "active":
                remedy = "have its office make another: `connector key new`"
                raise Conflict(f"the key {id_of(same)} of {center} was revoked: {remedy}")
            continue
        before = steps[-1] if steps else record
        key = proven(note, identity.hub, center, before["keys"], replaces_lost=replaces_lost)
        check_unshared([key], center, registry, current(identity))
        steps.append({**before, "keys": [*before["keys"], key]})
    return steps


async def revoke_key(where: HubFolder, center: str, key_id: str, reason: str) -> Changed:
    """Revoke a key: what it sealed before stays valid. Errors: NotFound, Conflict, AgainstRules."""

    def revoked(record: Record) -> Record:
        found = next((key for key in record["keys"] if id_of(key) == key_id), None)
        if found is None:
            known = ", ".join(map(id_of, record["keys"])) or "none"
            raise NotFound(f"center {center} has no key {key_id}; it has {known}")
        if found["status"] == "revoked":
            raise Conflict(f"key {key_id} of {center} is revoked already")
        turned = {**found, "status": "revoked", "status_reason": reason}
        return {**record, "keys": [turned if key is found else key for key in record["keys"]]}

    return await change(where, center, KEY_REVOKED, revoked)


async def suspend(where: HubFolder, center: str, reason: str) -> Changed:
    """Suspend a center: its lane waits, nothing is lost. Errors: NotFound, AgainstRules."""
    return await _turn(where, center, SUSPENDED, reason)


async def resume(where: HubFolder, center: str, reason: str) -> Changed:
    """Let a suspended center go on. Errors: NotFound, AgainstRules."""
    return await _turn(where, center, RESUMED, reason)


async def close(where: HubFolder, center: str, reason: str) -> Changed:
    """Close a center for good; what it reported stays. Errors: NotFound, AgainstRules."""
    return await _turn(where, center, CLOSED, reason)


async def change(where: HubFolder, center: str, kind: str, changed: Callable[[Record], Record]) -> Changed:
    """Say the record that `changed` makes of a center's. Another's change meanwhile is not undone.

    Errors: NotFound, AgainstRules, Retriable, and those of `changed`.
    """
    async with where.headquarters() as (_, headquarters):

        async def attempt() -> tuple[RegisteredCenter, RegisteredCenter]:
            # The size before the record: what is said between the two is noticed, too.
            size = (await headquarters.basis()).size
            status, record = await _known(headquarters, center)
            before, record = record, changed(record)
            if record != before:
                await say_once(headquarters, [HqEvent(kind, center, record)], size)
            return center_of_record(center, status, before), center_of_record(center, status, record)

        before, found = await again(attempt)
        return Changed(found, await pin_witness_keys(where, headquarters), before)


async def _turn(where: HubFolder, center: str, kind: str, reason: str) -> Changed:
    async with where.headquarters() as (_, headquarters):
        _, record = await _known(headquarters, center)
        await say(headquarters, [HqEvent(kind, center, {"reason": reason, "effective_on": None})])
        found = center_of_record(center, str(KINDS[kind].status_after), record)
        return Changed(found, await pin_witness_keys(where, headquarters))


async def _standing(headquarters: Headquarters, center: str) -> tuple[str, Record] | None:
    """Return a center's status and record as the sealed hq lane has them; what HQ says next is made of it."""
    found = await headquarters.lane.entity("center", center)
    return None if found is None else (found.status, found.record)


async def _known(headquarters: Headquarters, center: str) -> tuple[str, Record]:
    found = await _standing(headquarters, center)
    if found is None or center == HQ:
        raise NotFound(f"there is no center {center}; `hub center list` has them all")
    return found
