"""What an office keeps while it joins a hub by one file, and how it waits for HQ's answer.

keys/kafka.password   the password that HQ's brokers are to know the office by, made here; HQ never sees it
keys/join.request     what the office asks HQ for: made once for each enrolment bundle, and sent again as it is
keys/kafka-ca.pem     the authority that the brokers' certificates are by, where the bundle has one
keys/joined           the invitation by which the office has joined

What is true when the process dies behind each step:
  keys made             the next start has them: a key that is there is never made anew
  password made         likewise
  request kept          the same request is sent by the next start, which is no second use of the bundle
  request sent          the answer waits on HQ's side, for this request and no other
  settings written      the office has joined; `joined` says by which file
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from connectors.runtime.link import Backoff
from connectors.runtime.pin import read_pin
from connectors.runtime.settings import FILE, read_settings
from connectors.runtime.told import OfficeError, os_reason
from hub.base import durable, files
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.invitation import BUNDLE_BYTES_MAX, Invitation
from hub.protocol.joining import Answer, JoinRequest, State
from hub.protocol.scram import SALT_LENGTH, Credential

KEYS: Final = "keys"
REQUEST: Final = "keys/join.request"
PASSWORD: Final = "keys/kafka.password"  # noqa: S105 - a file's name
KAFKA_CA: Final = "keys/kafka-ca.pem"
HTTPS_CA: Final = "keys/https-ca.pem"
JOINED: Final = "keys/joined"
PASSWORD_BYTES: Final = 32
WAIT_MAX_S: Final = 10.0


def read_bundle(path: Path) -> Invitation:
    """Return what an enrolment bundle says. Errors: UsageError with what to do."""
    try:
        return Invitation.from_bytes(files.read_named(path, BUNDLE_BYTES_MAX + 1))
    except OSError as exc:
        raise OfficeError("join.unreadable", path=path, reason=os_reason(exc)) from exc
    except Malformed as exc:
        raise OfficeError("join.broken", path=path, detail=exc) from exc


def has_joined(office: Path, bundle: Invitation) -> bool:
    """Return whether the office in a folder has joined by this bundle already, False where none is there.

    Errors: UsageError where the folder is another office, or this one by other means: nothing is put over it.
    """
    pinned = read_pin(office)
    if pinned is not None and pinned != bundle.root:
        raise OfficeError("join.other_root", office=office, found=pinned.to_text(), came=bundle.root.to_text())
    if files.kind_at(office / FILE) is None:
        return False
    settings = read_settings(office)
    if (settings.hub, settings.center) != (bundle.hub, bundle.center):
        there = f"{settings.hub}/{settings.center}"
        raise OfficeError("join.other_office", office=office, found=there, came=f"{bundle.hub}/{bundle.center}")
    if _joined_by(office) == bundle.id:
        return True
    kept = _kept_request(office)
    if kept is not None and kept.invitation == bundle.id:  # killed behind the settings: they are written last
        return True
    raise OfficeError("join.is_office", office=office, center=bundle.center)


def make_request(office: Path, bundle: Invitation, notes: Sequence[bytes]) -> tuple[JoinRequest, str]:
    """Return what the office asks for by this bundle, and its password; both are made once. Errors: UsageError."""
    try:
        password = _password(office)
        kept = _kept_request(office)
        if kept is not None and _is_for(kept, bundle, notes, password):
            return kept, password
        request = JoinRequest(
            hub=bundle.hub,
            center=bundle.center,
            invitation=bundle.id,
            root=bundle.root,
            notes=tuple(notes),
            credential=Credential.of(password, os.urandom(SALT_LENGTH)),
        )
        durable.write(office / REQUEST, request.to_bytes(), under=office, mode=files.PRIVATE)
        if bundle.kafka is not None and bundle.kafka.ca:
            durable.write(office / KAFKA_CA, bundle.kafka.ca.encode(), under=office)
        if bundle.https is not None and bundle.https.ca:
            durable.write(office / HTTPS_CA, bundle.https.ca.encode(), under=office)
    except OSError as exc:
        raise OfficeError("errors.unwritable", path=exc.filename or office, reason=os_reason(exc)) from exc
    return request, password


def finish(office: Path, bundle: Invitation, settings: str) -> None:
    """Write the office's settings, which make it one. Errors: UsageError."""
    try:
        durable.write(office / FILE, settings.encode())
    except OSError as exc:
        raise OfficeError("errors.unwritable", path=exc.filename or office, reason=os_reason(exc)) from exc
    settle(office, bundle)


def settle(office: Path, bundle: Invitation) -> None:
    """Note by which bundle the office has joined, and let its request go: what stands for its password is in it.

    Errors: UsageError.
    """
    try:
        if _joined_by(office) != bundle.id:
            durable.write(office / JOINED, f"{bundle.id}\n".encode(), under=office, mode=files.PRIVATE)
        tidy(office)
    except OSError as exc:
        raise OfficeError("errors.unwritable", path=exc.filename or office, reason=os_reason(exc)) from exc


def tidy(office: Path) -> None:
    """Remove what nobody needs any more of the office's keys: parts of new files, a request that was answered.

    Errors: OSError.
    """
    durable.remove_parts(office / KEYS)
    if files.is_file(office / JOINED):
        files.remove(office / REQUEST, office)


class Inquiry(Protocol):
    """One way in to HQ by which an office asks, and hears the answer."""

    async def ask(self) -> Answer | None:
        """Send the request where that is needed; return HQ's newest answer to it, None while there is none.

        Errors: Retriable, if HQ can't be asked this way now.
        """

    async def close(self) -> None:
        """Let go of the way. Idempotent."""


async def wait_for_answer(
    ways: Mapping[str, Inquiry],
    heard: Callable[[str, Answer | None], None],
    away: Callable[[str, Retriable], None],
    is_over: Callable[[], bool] = lambda: False,
) -> Answer | None:
    """Return HQ's answer once it is no `waits`; until then ask by these ways, the first that works, again and again.

    Shapes: `heard` is told by which way HQ was asked, and what it said; `away` why one does not work. `is_over` says
            that nobody waits any more: then the newest answer comes back, None where there was none.
    """
    backoff, newest = Backoff(WAIT_MAX_S), None
    try:
        while True:
            for name, way in ways.items():
                try:
                    answer = await way.ask()
                except Retriable as exc:
                    away(name, exc)
                    continue
                heard(name, answer)
                newest = answer or newest
                if answer is not None and answer.state is not State.WAITS:
                    return answer
                backoff.reset()
                break
            if is_over():
                return newest
            await backoff.wait()
    finally:
        async with contextlib.AsyncExitStack() as closings:  # each is closed, though another one was broken off
            for way in ways.values():
                closings.push_async_callback(way.close)


def _password(office: Path) -> str:
    path = office / PASSWORD
    with contextlib.suppress(FileExistsError):
        durable.create_private(path, secrets.token_urlsafe(PASSWORD_BYTES) + "\n")
    try:
        return files.read_private(path, office).decode("ascii").strip()
    except (files.ExposedError, UnicodeDecodeError) as exc:
        raise OfficeError("join.password_open", path=path) from exc


def _kept_request(office: Path) -> JoinRequest | None:
    with contextlib.suppress(FileNotFoundError, Malformed):
        return JoinRequest.from_bytes(files.read_private(office / REQUEST, office))
    return None


def _is_for(kept: JoinRequest, bundle: Invitation, notes: Sequence[bytes], password: str) -> bool:
    """Return whether a kept request is for this bundle, by the keys and the password that are there."""
    made = kept.credential
    return (kept.hub, kept.center, kept.invitation, kept.root, kept.notes) == (
        bundle.hub,
        bundle.center,
        bundle.id,
        bundle.root,
        tuple(notes),
    ) and made == Credential.of(password, made.salt, made.iterations)


def _joined_by(office: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return files.read_text(office / JOINED, office).strip()
    return ""
