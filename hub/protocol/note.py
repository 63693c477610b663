"""C2SP signed notes and the Ed25519 keys that sign them.

Source: C2SP signed-note (https://c2sp.org/signed-note). A note is a text that ends in a newline, an empty line, and
one or more signature lines `— <key name> base64(key id ‖ signature)`. The key id is the first four bytes of
SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key); algorithm 0x01 is Ed25519.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hub.protocol.errors import Malformed

ED25519: Final = 0x01
NOTE_BYTES_MAX: Final = 1_000_000
SIGNATURES_MAX: Final = 16
_DASH: Final = "— "
_FIELD: Final = 2**255 - 19  # Ed25519 counts modulo this prime; a public key is a y below it and a sign bit
# The y of the eight points of small order: 0, ±1 and ±`_ORDER_EIGHT`. One signature by such a key is good for every
# text, so whoever enrolled one could disown whatever it signed, and anybody could write in its name.
_ORDER_EIGHT: Final = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
SMALL_ORDER_Y: Final = frozenset({0, 1, _FIELD - 1, _ORDER_EIGHT, _FIELD - _ORDER_EIGHT})


def check_name(name: str) -> str:
    """Return `name` if it can name a key: not empty, valid Unicode, no space and no plus. Errors: Malformed."""
    if not name or "+" in name or any(c.isspace() or c < " " or "\ud800" <= c <= "\udfff" for c in name):
        raise Malformed(f"key name {name!r}: expected text without spaces, control characters and '+'")
    return name


def key_id(name: str, public: bytes, algorithm: int = ED25519) -> bytes:
    """Return the four bytes that stand before a signature by this key under this name."""
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class Verifier:
    """An Ed25519 public key under a name; its text form is a C2SP vkey: `<name>+<id as hex>+<base64(0x01 ‖ key)>`."""

    name: str
    public: bytes
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != 32:
            raise Malformed(f"Ed25519 key of {self.name}: expected 32 bytes, got {len(self.public)}")
        y = int.from_bytes(self.public, "little") & (2**255 - 1)
        if y >= _FIELD or y in SMALL_ORDER_Y:
            raise Malformed(f"Ed25519 key of {self.name}: expected a canonical point that is not of small order")
        object.__setattr__(self, "key_id", key_id(self.name, self.public))

    def to_text(self) -> str:
        """Return the vkey, without a newline."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([ED25519]) + self.public).decode()}"

    @classmethod
    def from_text(cls, text: str) -> Verifier:
        """Return the key that `to_text` wrote. Errors: Malformed."""
        name, _, rest = text.partition("+")
        hexid, _, encoded = rest.partition("+")
        raw = _base64(encoded, f"vkey {text[:80]!r}")
        if raw[:1] != bytes([ED25519]):
            raise Malformed(f"vkey {text[:80]!r}: expected an Ed25519 key (algorithm 0x01)")
        key = cls(name, raw[1:])
        if hexid != key.key_id.hex():
            raise Malformed(f"vkey {text[:80]!r}: expected key id {key.key_id.hex()}")
        return key

    def named(self, name: str) -> Verifier:
        """Return the same key under another name (a center's seal key signs under the origin of each of its lanes)."""
        return Verifier(name, self.public)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check a raw Ed25519 signature over `message`. Errors: Malformed when it is not good."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as exc:
            raise Malformed(f"signature by {self.name}+{self.key_id.hex()} is not good") from exc


@dataclass(frozen=True, slots=True)
class Signer:
    """An Ed25519 private key under a name; text form `PRIVATE+KEY+<name>+<id as hex>+<base64(0x01 ‖ seed)>`."""

    name: str
    seed: bytes = field(repr=False)
    verifier: Verifier = field(init=False)

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise Malformed(f"Ed25519 key of {self.name}: expected a seed of 32 bytes, got {len(self.seed)}")
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        object.__setattr__(self, "verifier", Verifier(self.name, public))

    def to_text(self) -> str:
        """Return the private key's text, without a newline; keep it in a file that only its owner reads."""
        encoded = base64.b64encode(bytes([ED25519]) + self.seed).decode()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{encoded}"

    @classmethod
    def from_text(cls, text: str) -> Signer:
        """Return the key that `to_text` wrote. Errors: Malformed, never showing the text."""
        parts = text.strip().split("+", 4)
        if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
            raise Malformed("private key: expected PRIVATE+KEY+<name>+<id>+<base64>")
        raw = _base64(parts[4], "private key")
        if raw[:1] != bytes([ED25519]) or len(raw) != 33:
            raise Malformed("private key: expected an Ed25519 seed of 32 bytes")
        signer = cls(parts[2], raw[1:])
        if parts[3] != signer.verifier.key_id.hex():
            raise Malformed("private key: its id is not the id of its key")
        return signer

    def named(self, name: str) -> Signer:
        """Return the same key under another name."""
        return Signer(name, self.seed)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over `message`."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name, its four id bytes, and the raw signature."""

    name: str
    key_id: bytes
    value: bytes

    def to_text(self) -> str:
        """Return the line, with its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A signed text. `text` ends in a newline; `signatures` are in the order of their lines and not yet verified."""

    text: str
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """Return the note's exact bytes."""
        return (self.text + "\n" + "".join(s.to_text() for s in self.signatures)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Note:
        """Return the note in `data`, nothing verified. Errors: Malformed."""
        if len(data) > NOTE_BYTES_MAX:
            raise Malformed(f"note of {len(data)} bytes: expected at most {NOTE_BYTES_MAX}")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise Malformed("note: expected UTF-8") from exc
        _check_text(whole)
        head, separator, tail = whole.rpartition("\n\n")
        if not separator or not tail.endswith("\n"):
            raise Malformed("note: expected a text, an empty line and signature lines")
        lines = tail[:-1].split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise Malformed(f"note: expected at most {SIGNATURES_MAX} signatures, got {len(lines)}")
        return cls(head + "\n", tuple(_signature(line) for line in lines))

    def verify(self, keys: Iterable[Verifier]) -> Verifier:
        """Return the first of `keys` that has signed this note; signatures by unknown keys are passed over.

        Errors: Malformed when none has signed it, or when the line of any one of the keys is not good.
        """
        by_line = {(s.name, s.key_id): s.value for s in reversed(self.signatures)}  # the first line of a key counts
        message = self.text.encode()
        first: Verifier | None = None
        for key in keys:
            value = by_line.get((key.name, key.key_id))
            if value is not None:
                key.verify(message, value)
                first = first or key
        if first is None:
            raise Malformed("note: none of the expected keys has signed it")
        return first


def sign_note(text: str, signers: Sequence[Signer]) -> Note:
    """Return `text` (which ends in a newline) signed by every one of `signers`. Errors: Malformed."""
    if not text.endswith("\n"):
        raise Malformed("note text: expected a newline at its end")
    if not 1 <= len(signers) <= SIGNATURES_MAX:
        raise Malformed(f"note: expected 1 to {SIGNATURES_MAX} signers, got {len(signers)}")
    _check_text(text)
    try:
        message = text.encode()
    except UnicodeEncodeError as exc:
        raise Malformed("note: expected a text that UTF-8 can hold") from exc
    return Note(text, tuple(Signature(s.name, s.verifier.key_id, s.sign(message)) for s in signers))


def _check_text(text: str) -> None:
    if any(c < " " and c != "\n" for c in text):
        raise Malformed("note: control characters are not allowed")


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH):
        raise Malformed(f"signature line {line[:80]!r}: expected '— <name> <base64>'")
    raw = _base64(encoded, f"signature line {line[:80]!r}")
    if len(raw) < 5:
        raise Malformed(f"signature line {line[:80]!r}: expected a key id and a signature")
    return Signature(check_name(name), raw[:4], raw[4:])


def _base64(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Malformed(f"{what}: expected standard base64") from exc
    if base64.b64encode(raw).decode() != text:
        raise Malformed(f"{what}: expected canonical base64")
    return raw
