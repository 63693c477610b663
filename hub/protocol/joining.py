"""How an office joins a hub by its enrolment bundle: the join request, and HQ's answer to it.

The *request* is JSON that the office makes: its keys, and what HQ's brokers are to know it by. It is encrypted to the
key in the bundle, so that nobody else reads it, and nobody makes one who does not have the bundle. The *answer* is a
note that HQ signs by its hq key:

    cohub-joined/v1
    <hub>
    <center>
    invitation <8 hex digits>
    request <SHA-256 of the request, in hex>
    time <RFC 3339>
    state <waits, accepted or refused>
    why <a code, or ->

A request is known by its SHA-256: the same one that comes again is the same use of the bundle. Its *fingerprint*, six
words, stands for all that it says, the root key that the office believes among it.

Source: schemas/PROTOCOL.md, "Enrolment in one file"; RFC 9180 (HPKE) for the encryption.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, Self

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from hub.protocol.control import Enrolment, open_enrolment
from hub.protocol.errors import Malformed
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.forms import read_lines
from hub.protocol.invitation import Invitation, check_names, derived
from hub.protocol.keys import COSIGNATURE_ED25519, ED25519, Signer, Verifier, read_base64
from hub.protocol.moment import write_time
from hub.protocol.note import Note, sign_note
from hub.protocol.one_form import CANONICAL, encode, expect, read_json, table_of, text_in
from hub.protocol.receipt import read_own_time
from hub.protocol.scram import MECHANISM, Credential
from hub.protocol.trust import Trust, good_at

REQUEST: Final = "cohub-join/v1"
ANSWER: Final = "cohub-joined/v1"
JOIN_BYTES_MAX: Final = 16_000  # encrypted it fits what the HTTPS way in takes
# Beside a record on `join.<center>`: which of the two it is.
KIND_HEADER: Final = "cohub-kind"
KIND_REQUEST: Final = b"join"
KIND_ANSWER: Final = b"joined"

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_SEALED_BYTES: Final = 32 + 16  # the ephemeral key before the ciphertext, the tag in it
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_CODE: Final = re.compile(r"[A-Z][A-Z_]{0,39}")
_ANSWER_NAMES: Final = ("invitation", "request", "time", "state", "why")


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What an office asks for: that HQ takes its keys, and lets it in by a password of its own.

    Shapes: `notes` are enrolment notes of a seal key, of a witness key, and where the center wants it of a second seal
            key (ML-DSA-44), in this order.
    """

    hub: str
    center: str
    invitation: str
    root: Verifier
    notes: tuple[bytes, ...]
    credential: Credential

    def to_bytes(self) -> bytes:
        """Return the request before it is encrypted: RFC 8785 JSON."""
        content = {
            "format": REQUEST,
            "hub": self.hub,
            "center": self.center,
            "invitation": self.invitation,
            "root": self.root.to_text(),
            "notes": [note.decode() for note in self.notes],
            "scram": {
                "mechanism": MECHANISM,
                "salt": encode(self.credential.salt),
                "iterations": self.credential.iterations,
                "salted_password": encode(self.credential.salted_password),
            },
        }
        return orjson.dumps(content, option=CANONICAL)

    @property
    def digest(self) -> str:
        """By which the request is known."""
        return digest_of(self.to_bytes())

    @property
    def fingerprint(self) -> Fingerprint:
        """The six words that the office reads out."""
        return Fingerprint.of("join", self.to_bytes())

    def enrolments(self) -> tuple[Enrolment, ...]:
        """Return the keys, each of which has proved itself. Errors: Malformed."""
        return tuple(open_enrolment(note) for note in self.notes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return what a request says. Errors: Malformed."""
        if len(data) > JOIN_BYTES_MAX:
            raise Malformed(f"join request of {len(data)} bytes: expected at most {JOIN_BYTES_MAX}")
        row = table_of(read_json(data, "join request"), "join request")
        expect(row.get("format") == REQUEST, f"join request: expected the format {REQUEST}")
        notes = row.get("notes")
        expect(isinstance(notes, list) and all(isinstance(note, str) for note in notes), "join request: expected notes")
        found = cls(
            hub=text_in(row, "hub"),
            center=text_in(row, "center"),
            invitation=text_in(row, "invitation"),
            root=Verifier.from_text(text_in(row, "root")),
            notes=tuple(str(note).encode("utf-8", "replace") for note in notes or ()),
            credential=_credential(table_of(row.get("scram"), "join request: scram")),
        )
        found.check()
        if found.to_bytes() != data:
            raise Malformed("join request: expected its one form")
        return found

    def check(self) -> None:
        """Return if the keys are this center's, of their kinds, and have proved themselves. Errors: Malformed."""
        check_names(self.hub, self.center, self.invitation)
        expect(
            (self.root.name, self.root.algorithm) == (f"{self.hub}/root", ED25519),
            f"join request: expected the root key of {self.hub}",
        )
        expect(2 <= len(self.notes) <= 3, f"join request: expected two or three enrolment notes, got {len(self.notes)}")
        enrolled = self.enrolments()
        expect(
            all((one.hub, one.center) == (self.hub, self.center) for one in enrolled),
            f"join request: expected enrolment notes of {self.center} of {self.hub}",
        )
        kinds = [(one.purpose, one.key.algorithm) for one in enrolled]
        expect(
            kinds[:2] == [("seal", ED25519), ("witness", COSIGNATURE_ED25519)]
            and [purpose for purpose, _ in kinds[2:]] in ([], ["seal"])
            and len(set(kinds)) == len(kinds),
            "join request: expected a seal key, a witness key, and at most one seal key of ML-DSA-44",
        )
        expect(
            len({one.key.public for one in enrolled}) == len(enrolled),
            "join request: a key has one use, got one for two",
        )


def digest_of(request: bytes) -> str:
    """Return by which a request is known, whether or not it can be read."""
    return sha256(request).hexdigest()


def seal_request(invitation: Invitation, request: JoinRequest) -> bytes:
    """Return a request as it is sent: another text each time, for the encryption draws a key of its own."""
    public = X25519PublicKey.from_public_bytes(invitation.key)
    info = _info(invitation.hub, invitation.center, invitation.id, invitation.secret)
    return bytes(_SUITE.encrypt(request.to_bytes(), public, info))


def unseal_request(hub: str, center: str, invitation: str, secret: bytes, key: bytes, data: bytes) -> bytes:
    """Return a request's bytes, which only whoever has the bundle can have made; what they say is not looked at.

    Shapes: `key` is the X25519 private key of the bundle's.
    Errors: Malformed for what was made without it, or for another hub, center or bundle.
    """
    if not _SEALED_BYTES < len(data) <= JOIN_BYTES_MAX + _SEALED_BYTES:
        raise Malformed(f"join request of {len(data)} bytes: expected at most {JOIN_BYTES_MAX + _SEALED_BYTES}")
    private = X25519PrivateKey.from_private_bytes(key)
    try:
        return bytes(_SUITE.decrypt(data, private, _info(hub, center, invitation, secret)))
    except (InvalidTag, ValueError) as exc:
        raise Malformed(f"join request: it was not made with the enrolment bundle {invitation}") from exc


class State(StrEnum):
    """What HQ has done with a request."""

    WAITS = "waits"  # for HQ's people to confirm it
    ACCEPTED = "accepted"
    REFUSED = "refused"


class Why(StrEnum):
    """Why a request is refused; a later release may have other codes."""

    EXPIRED = "EXPIRED"  # the bundle's time is over
    WITHDRAWN = "WITHDRAWN"  # HQ has taken the bundle back
    CONTESTED = "CONTESTED"  # two different requests came by one bundle
    USED = "USED"  # another request by this bundle was confirmed
    OTHER_ROOT = "OTHER_ROOT"  # the office believes another root key than HQ's
    UNREADABLE = "UNREADABLE"  # HQ's release can't read the request


@dataclass(frozen=True, slots=True)
class Answer:
    """What HQ says of a request. `why` is a code, '' where nothing is wrong. Units: time is by HQ's clock."""

    hub: str
    center: str
    invitation: str
    request: str
    time: datetime
    state: State
    why: str = ""

    def to_text(self) -> str:
        """Return the note text, byte for byte as it is signed."""
        said = (self.invitation, self.request, write_time(self.time), self.state, self.why or "-")
        lines = (f"{name} {value}" for name, value in zip(_ANSWER_NAMES, said, strict=True))
        return "\n".join((ANSWER, self.hub, self.center, *lines)) + "\n"

    def signed(self, hq: Signer) -> bytes:
        """Return the note."""
        return sign_note(self.to_text(), [hq]).to_bytes()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return what a note's text says. Errors: Malformed."""
        first, *lines = text.split("\n")
        if first != ANSWER or len(lines) != len(_ANSWER_NAMES) + 3 or lines.pop():
            raise Malformed(f"answer: expected {len(_ANSWER_NAMES) + 3} lines, the first {ANSWER!r}")
        hub, center = lines[:2]
        said = read_lines(lines[2:], _ANSWER_NAMES, "answer")
        check_names(hub, center, said["invitation"])
        expect(_DIGEST.fullmatch(said["request"]) is not None, "answer: expected the SHA-256 of a request")
        expect(said["state"] in set(State), f"answer: expected a state of {', '.join(State)}")
        state, why = State(said["state"]), "" if said["why"] == "-" else said["why"]
        expect(bool(why) == (state is State.REFUSED), "answer: expected a code where it is refused, and only there")
        expect(not why or _CODE.fullmatch(why) is not None, "answer: expected a code of capital letters")
        return cls(hub, center, said["invitation"], said["request"], read_own_time(said["time"]), state, why)


def open_answer(data: bytes, trust: Trust) -> Answer:
    """Return what HQ says, signed by an hq key that was good when it said so. Errors: Malformed."""
    note = Note.from_bytes(data)
    answer = Answer.from_text(note.text)
    note.verify(good_at(trust.hqs, trust.retired, answer.time))
    return answer


def is_by_another_key(data: bytes, trust: Trust) -> bool:
    """Return whether an answer claims to be signed by an hq key that the trust does not have; nothing is verified."""
    try:
        lines = Note.from_bytes(data).signatures
    except Malformed:
        return False
    known = {key.key_id for key in trust.hqs}
    return any(line.name == f"{trust.hub}/hq" and line.key_id not in known for line in lines)


def _info(hub: str, center: str, invitation: str, secret: bytes) -> bytes:
    """Return what both sides have to agree on: without the secret nobody has the key, whoever's curve is broken."""
    parts = (hub.encode(), center.encode(), invitation.encode(), derived(secret, b"join request"))
    return REQUEST.encode() + b"\n" + b"".join(b"%d:%b," % (len(part), part) for part in parts)


def _credential(row: Mapping[str, Any]) -> Credential:
    expect(row.get("mechanism") == MECHANISM, f"join request: expected the mechanism {MECHANISM}")
    iterations = row.get("iterations")
    if type(iterations) is not int:
        raise Malformed("join request: expected a number of iterations")
    try:
        return Credential(
            read_base64(text_in(row, "salt"), "salt"),
            iterations,
            read_base64(text_in(row, "salted_password"), "salted password"),
        )
    except ValueError as exc:
        raise Malformed(f"join request: {exc}") from exc
