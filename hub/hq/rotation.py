"""New trust notes: a key more, a key retired, the witnesses as the hq lane has them. The root key signs each of them.

Where the root key is kept offline, a *request* is the next note's text under the receipts key in use; `sign_request`
makes the note of it on the machine that has the root key, and `install` puts it in force here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from hub.domain.registry import Registry
from hub.hq.identity import KEY_KINDS, Identity, add_key, private_keys, write_trust
from hub.protocol.errors import Conflict, Malformed, NotFound, UsageError
from hub.protocol.keys import COSIGNATURE_ED25519, Signer, Verifier
from hub.protocol.moment import MICROSECOND
from hub.protocol.note import Note, sign_note
from hub.protocol.trust import Trust, open_trust

PURPOSES: Final = ("receipts", "log", "hq")
_ASK_AGAIN: Final = "have HQ make the request again from the note that was signed last"
TAKEN_OVER_S: Final = 30.0  # after which every running worker signs by the keys of the newest note


def current(identity: Identity) -> Trust:
    """Return the trust note in force; of version 1, with the keys that it does not name yet."""
    trust = identity.trust
    assert trust is not None
    if trust.serial:
        return trust
    logs = (identity.log.verifier, identity.log_long.verifier)
    return replace(trust, logs=logs, hqs=(identity.hq.verifier,))


def rotated(identity: Identity, purpose: str) -> Trust:
    """Return the trust note with new keys of `purpose` in use; their files are made, and wait for the note.

    Errors: UsageError, if no key is rotated for that purpose.
    """
    assert identity.folder is not None
    if purpose not in PURPOSES:
        raise UsageError(f"purpose {purpose}: expected one of {', '.join(PURPOSES)}")
    trust = current(identity)
    made = [
        add_key(identity.folder, identity.hub, name).verifier for name, kind in KEY_KINDS.items() if kind[0] == purpose
    ]
    if purpose == "receipts":
        return replace(trust, receipts=(*trust.receipts, *made))
    return replace(trust, logs=(*trust.logs, *made)) if purpose == "log" else replace(trust, hqs=(*trust.hqs, *made))


def retired(identity: Identity, key_ids: Iterable[str], now: datetime, signed_until: datetime | None = None) -> Trust:
    """Return the trust note by which former keys sign nothing new from `now` on.

    Where HQ's clock was ahead they may have signed what names a time to come: then from behind that time,
    `signed_until`, on, or that would not be theirs any more.
    Errors: NotFound, Conflict.
    """
    trust = current(identity)
    gone = [_former(trust, key_id.lower(), now) for key_id in dict.fromkeys(key_ids)]
    moment = now if signed_until is None else max(now, signed_until + MICROSECOND)
    return replace(trust, retired=(*trust.retired, *((moment, key) for key in gone)))


def _former(trust: Trust, key_id: str, now: datetime) -> Verifier:
    """Return the key of that id, if it can be retired. Errors: NotFound, Conflict."""
    found = [(purpose, key) for purpose, keys in trust.keys().items() for key in keys if key.key_id.hex() == key_id]
    if not found:
        raise NotFound(f"there is no key {key_id} in the trust note: `hub key list` has them all")
    purpose, key = found[0]
    if trust.retired_at(key) is not None:
        raise Conflict(f"key {key_id} is retired already")
    if purpose == "witness" and key.name.startswith(f"{trust.hub}/"):
        raise UsageError(f"key {key_id} is a center's: revoke it with `hub center revoke-key`")
    if trust.in_use(purpose, key.algorithm) == key and purpose != "witness":
        raise Conflict(f"key {key_id} is in use: `hub key rotate {purpose}` makes a newer one first")
    if trust.time is not None and (since_s := (now - trust.time).total_seconds()) < TAKEN_OVER_S:
        raise Conflict(
            f"the trust note is {since_s:.0f} s old, and a running worker may still sign by {key_id}: "
            f"wait until it is {TAKEN_OVER_S:.0f} s old"
        )
    return key


def with_witnesses(trust: Trust, registered: Iterable[Verifier], now: datetime) -> Trust:
    """Return the trust note with these witness keys of centers; one that is not among them any more is retired.

    Outside witnesses, whose names do not begin with the hub's, stay as they are. A key that stands in the note already
    under another name is left out: a note names every key once.
    """
    wanted = list(registered)
    gone = [
        key
        for key in trust.witnesses
        if key.name.startswith(f"{trust.hub}/") and key not in wanted and trust.retired_at(key) is None
    ]
    named = {key.public for keys in trust.keys().values() for key in keys} | {trust.root.public}
    added = list({key.public: key for key in wanted if key.public not in named}.values())
    return replace(trust, witnesses=(*trust.witnesses, *added), retired=(*trust.retired, *((now, key) for key in gone)))


def witness_keys(registry: Registry) -> list[Verifier]:
    """Return the active witness keys of the centers that are not closed."""
    return [
        Verifier.from_text(key.vkey)
        for _, center in sorted(registry.centers.items())
        for key in center.keys
        if center.status != "closed"
        and key.purpose == "witness"
        and key.status == "active"
        and key.algorithm == COSIGNATURE_ED25519
    ]


def is_same(new: Trust, old: Trust) -> bool:
    """Return whether a new note would say nothing new of the keys."""
    return (new.keys(), new.retired) == (old.keys(), old.retired) and old.serial > 0


def next_note(trust: Trust, now: datetime, reason: str) -> Trust:
    """Return the note with the next serial. Errors: UsageError."""
    made = replace(trust, serial=trust.serial + 1, time=now, reason=reason)
    try:
        made.check()
    except Malformed as exc:
        raise UsageError(str(exc)) from exc
    return made


def request(trust: Trust, signer: Signer) -> bytes:
    """Return a request for this note, for the machine that has the root key."""
    return sign_note(trust.to_text(), [signer]).to_bytes()


def read_request(data: bytes, previous: Trust | None = None) -> Trust:
    """Return what a request asks for. Errors: UsageError.

    A request says itself which receipts keys are the hub's, so without `previous`, the note that was signed last, it
    proves nothing but that its own key made it: then whoever looks at the keys in it decides.
    """
    try:
        note = Note.from_bytes(data)
        trust = Trust.from_text(note.text)
        note.verify(trust.receipts if previous is None else _in_force(previous))
    except Malformed as exc:
        raise UsageError(f"this is no request: {exc}; make one with `hub key rotate PURPOSE --request FILE`") from exc
    if previous is not None and (why := _differs(trust, previous)):
        raise UsageError(f"this request does not go on from trust note {previous.serial}: {why}")
    return trust


def _in_force(previous: Trust) -> list[Verifier]:
    return [key for key in previous.receipts if previous.retired_at(key) is None]


def _differs(trust: Trust, previous: Trust) -> str:
    """Return why a note can't come next after `previous`, '' if it can: nothing that was signed is taken back."""
    note = f"trust note {previous.serial}"
    if trust.root != previous.root:  # its name begins with the hub's
        return (
            f"the request names the root key {trust.root.to_text()}, and {note} names {previous.root.to_text()}. "
            "A hub's root key never changes: sign nothing before HQ has told you by telephone what it asks for"
        )
    if trust.serial != previous.serial + 1:
        return f"expected the serial {previous.serial + 1}, came {trust.serial}: {_ASK_AGAIN}"
    keys = trust.keys()
    for purpose, before in previous.keys().items():
        gone = [key for key in before if key not in keys[purpose]]
        if gone:
            return (
                f"the {purpose} key {gone[0].key_id.hex()} of {note} is missing in the request, so nobody could check "
                f"any more what it has signed: {_ASK_AGAIN}"
            )
        if keys[purpose][: len(before)] != before:
            return f"the {purpose} keys of {note} stand in another order in the request: {_ASK_AGAIN}"
    if trust.retired[: len(previous.retired)] != previous.retired:
        return f"a key that {note} retires is in use again in the request, or retired at another time: {_ASK_AGAIN}"
    since = previous.time
    if since is not None and any(moment < since for moment, _ in trust.retired[len(previous.retired) :]):
        return (
            f"the request retires a key from before {since:%Y-%m-%d %H:%M} UTC, when {note} was made, so what the key "
            f"has signed since then would not count any more: {_ASK_AGAIN}"
        )
    return ""


def install(identity: Identity, data: bytes) -> Trust:
    """Put a trust note in force that was signed elsewhere; return it. Errors: UsageError, Conflict, Retriable."""
    assert identity.folder is not None
    assert identity.trust is not None
    try:
        trust = open_trust(data, identity.trust.root)
        there = private_keys(identity.folder)
    except Malformed as exc:
        raise UsageError(f"this is no trust note of {identity.hub}: {exc}") from exc
    if trust.serial <= identity.trust.serial:
        raise Conflict(
            f"the note has the serial {trust.serial}, and {identity.trust.serial} is in force: make the request again"
        )
    wanted = [trust.in_use(purpose, algorithm) for purpose, algorithm, _ in KEY_KINDS.values()]
    missing = [key.to_text()[:100] for key in wanted if key not in there and key is not None]
    if missing:
        raise UsageError(f"{identity.folder} lacks the private half of {', '.join(missing)}")
    write_trust(identity.folder, data, after=identity.trust.serial)
    return trust


def put(folder: Path, trust: Trust, root: Signer) -> None:
    """Sign a trust note and put it in the place of the one that it goes on from. Errors: Retriable, if that is gone."""
    write_trust(folder, sign_note(trust.to_text(), [root]).to_bytes(), after=trust.serial - 1)
