"""A session over HTTPS: the note that begins it, how each of its requests is signed, and what is taken only once. Pure.

A center's office signs this note with its seal key, under the name `<hub>/<center>`:

    cohub-session/v1
    <hub>
    <center>
    address <https://host[:port]: HQ's, as the office's own settings name it>
    nonce <base64 of the 32 bytes that HQ gave>
    key <base64 of an Ed25519 public key that was made for this session>
    time <RFC 3339>

From then on every request is signed by the session's key (`hub.protocol.http_signature`) over its method, its target
URI and the digest of its body, with a number as nonce that never repeats. So a proxy that opens TLS, and sees all of
it, can neither send anything again nor anything of its own: there is no secret in what it sees.

Source: schemas/PROTOCOL.md, "The HTTPS way in".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address
from typing import Final, Self

from hub.protocol.address import without_login
from hub.protocol.control import HUB, is_center_id, seal_key_name
from hub.protocol.errors import Malformed
from hub.protocol.forms import read_lines
from hub.protocol.host import require_place
from hub.protocol.http_signature import CONTENT_DIGEST, MessageSignature, Request, content_digest, sign_request
from hub.protocol.keys import Signer, Verifier, read_base64
from hub.protocol.moment import write_time
from hub.protocol.note import Note, sign_note
from hub.protocol.receipt import read_number, read_own_time

SESSION: Final = "cohub-session/v1"
NONCE_BYTES: Final = 32
NONCE_S: Final = 60
SESSION_S: Final = 3600
CLOCK_OFF_MAX: Final = timedelta(minutes=5)  # of a note's time, and of a request's: against one that was held back
NUMBERS_KEPT: Final = 1024
_NAMES: Final = ("address", "nonce", "key", "time")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS: Final = re.compile(
    rf"https://(?:({_LABEL}(?:\.{_LABEL})*)|\[([0-9a-f:.]{{2,45}})\])(?::([1-9][0-9]{{0,4}}))?", re.ASCII
)
_HOST_CHARS_MAX: Final = 253


class NumberRepeated(Malformed):
    """A request whose number was taken before, or is older than what is remembered: it is not done a second time."""


def read_address(text: str) -> str:
    """Return an address `https://host[:port]` in the one form that it has. Errors: Malformed.

    The host is in small letters, an IPv6 address in brackets, and the port is left out where it is 443.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or len(found[1] or "") > _HOST_CHARS_MAX or not _is_port(found[3]) or not _is_ip6(found[2]):
        raise Malformed(
            "address: expected https://host or https://host:port in small letters, without :443 and with nothing "
            f"behind it, got {without_login(text)[:100]!r}"
        )
    try:
        require_place(found[1] or found[2])
    except Malformed as exc:
        raise Malformed(f"address: {exc}") from exc
    return text


def _is_port(text: str | None) -> bool:
    return text is None or (text != "443" and int(text) <= 65_535)


def _is_ip6(text: str | None) -> bool:
    try:
        return text is None or IPv6Address(text).ipv4_mapped is not None or str(IPv6Address(text)) == text
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class SessionNote:
    """What begins a session. `nonce` is HQ's, `key` the session's raw public key, `time` by the office's clock."""

    hub: str
    center: str
    address: str
    nonce: bytes
    key: bytes
    time: datetime

    @property
    def verifier(self) -> Verifier:
        """The session's key."""
        return session_key(self.hub, self.center, self.key)

    def to_text(self) -> str:
        """Return the note text, byte for byte as it is signed."""
        nonce, key = (base64.b64encode(value).decode() for value in (self.nonce, self.key))
        return (
            f"{SESSION}\n{self.hub}\n{self.center}\naddress {self.address}\nnonce {nonce}\nkey {key}\n"
            f"time {write_time(self.time)}\n"
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return what a note's text says. Errors: Malformed, also for a key under which anything is well signed."""
        lines = text.split("\n")
        if len(lines) != len(_NAMES) + 4 or lines.pop() or lines[0] != SESSION:
            raise Malformed(f"session: expected {len(_NAMES) + 3} lines, the first {SESSION!r}")
        _, hub, center, *rest = lines
        if not HUB.fullmatch(hub) or not is_center_id(center):
            raise Malformed("session: expected a hub's name and a center's id in the second and third line")
        said = read_lines(rest, _NAMES, "session")
        nonce = read_base64(said["nonce"], "session: nonce")
        if len(nonce) != NONCE_BYTES:
            raise Malformed(f"session: expected a nonce of {NONCE_BYTES} bytes, got {len(nonce)}")
        key = read_base64(said["key"], "session: key")
        session_key(hub, center, key)
        return cls(hub, center, read_address(said["address"]), nonce, key, read_own_time(said["time"]))


def session_key(hub: str, center: str, public: bytes) -> Verifier:
    """Return the key of a session. Errors: Malformed for what is none."""
    return Verifier(f"{seal_key_name(hub, center)}/session", public)


def begin_session(said: SessionNote, seal: Signer) -> bytes:
    """Return the note that begins a session, signed by the center's seal key."""
    return sign_note(said.to_text(), [seal.named(seal_key_name(said.hub, said.center))]).to_bytes()


def open_session(data: bytes) -> tuple[SessionNote, Note]:
    """Return what a session note says, and the note, whose signature is not yet verified. Errors: Malformed."""
    note = Note.from_bytes(data)
    return SessionNote.from_text(note.text), note


def signed_fields(
    request: Request, body: bytes, *, session: str, key: Signer, number: int, created: int
) -> Mapping[str, str]:
    """Return all fields of a request with its digest and signature, for whoever sends it.

    Shapes: request has the fields that it is sent with; of these Content-Type is signed where there is one.
    Units:  created is seconds since 1970, by HQ's clock as far as the office knows it; numbers are 1, 2, 3 …
    """
    fields = {**request.fields, CONTENT_DIGEST: content_digest(body)}
    whole = Request(request.method, request.address, request.target, fields)
    names = ["@method", "@target-uri", CONTENT_DIGEST, *(["content-type"] if "content-type" in fields else [])]
    return sign_request(whole, key, names, created, session, str(number)).fields


def read_request(request: Request) -> tuple[MessageSignature, int]:
    """Return the signature of a session's request, if it covers enough, and its number; nothing is verified.

    Errors: Malformed.
    """
    signed = MessageSignature.from_fields(request.fields)
    covered = set(signed.names)
    has_target = "@target-uri" in covered or {"@authority", "@path", "@query"} <= covered
    has_type = "content-type" in covered or "content-type" not in request.fields
    if not {"@method", CONTENT_DIGEST} <= covered or not has_target or not has_type:
        raise Malformed(
            "signature: expected one over @method, @target-uri (or @authority, @path and @query), content-digest, and "
            f"content-type where there is one, got {', '.join(signed.names)[:200]}"
        )
    if signed.created < 0 or not signed.keyid:
        raise Malformed("signature: expected the parameters created, keyid and nonce")
    number = read_number(signed.nonce, "nonce") if signed.nonce else 0
    if not number:
        raise Malformed('signature: expected a number from 1 on as nonce, such as nonce="7"')
    return signed, number


@dataclass(frozen=True, slots=True)
class Numbers:
    """Which numbers of a session's requests were taken: the highest, and of the newest ones each.

    Shapes: the bits of `taken` are the highest number (1), the one below (2), and so on.
    """

    highest: int = 0
    taken: int = 0

    def after(self, number: int) -> Numbers:
        """Return the numbers with one more. Errors: NumberRepeated, where it was taken or is too old to tell."""
        ahead = number - self.highest
        if ahead > 0:
            kept = self.taken << ahead if ahead < NUMBERS_KEPT else 0
            return Numbers(number, (kept | 1) & ((1 << NUMBERS_KEPT) - 1))
        if ahead <= -NUMBERS_KEPT:
            raise NumberRepeated(f"nonce: {number} is too old, the newest request was {self.highest}")
        bit = 1 << -ahead
        if self.taken & bit:
            raise NumberRepeated(f"nonce: a request of the number {number} was taken already")
        return Numbers(self.highest, self.taken | bit)
