"""Keys under names, and the signature line that a key writes.

Sources: C2SP signed-note (https://c2sp.org/signed-note) for key ids, vkeys and Ed25519; C2SP tlog-cosignature
(https://c2sp.org/tlog-cosignature) for the two cosignature types. The key id is the first four bytes of
SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key), so one key has another id for every name and algorithm.

    0x01  Ed25519                       signs the text of any note
    0x04  Ed25519 cosignature           signs a checkpoint as seen at a time
    0x06  ML-DSA-44 cosignature         the same, and outlives today's curves (FIPS 204)
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from hub.protocol.errors import Fatal, Malformed

ED25519: Final = 0x01
COSIGNATURE_ED25519: Final = 0x04
COSIGNATURE_MLDSA44: Final = 0x06
COSIGNATURES: Final = frozenset({COSIGNATURE_ED25519, COSIGNATURE_MLDSA44})
SEED_BYTES: Final = 32  # of a private key of every algorithm
PUBLIC_BYTES: Final = {ED25519: 32, COSIGNATURE_ED25519: 32, COSIGNATURE_MLDSA44: 1312}
_NAMES: Final = {ED25519: "Ed25519", COSIGNATURE_ED25519: "Ed25519", COSIGNATURE_MLDSA44: "ML-DSA-44"}
_DASH: Final = "— "
_NOT_IN_NAMES: Final = re.compile(r"[\s+\x00-\x1f\ud800-\udfff]")  # \s is what str.isspace says of a character
_FIELD: Final = 2**255 - 19  # Ed25519 counts modulo this prime; a public key is a y below it and a sign bit
# The y of the eight points of small order: 0, ±1 and ±`_ORDER_EIGHT`. One signature by such a key is good for every
# text, so whoever enrolled one could disown whatever it signed, and anybody could write in its name.
_ORDER_EIGHT: Final = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
SMALL_ORDER_Y: Final = frozenset({0, 1, _FIELD - 1, _ORDER_EIGHT, _FIELD - _ORDER_EIGHT})


def check_name(name: str) -> str:
    """Return `name` if it can name a key: not empty, valid Unicode, no space and no plus. Errors: Malformed."""
    if not name or _NOT_IN_NAMES.search(name):
        raise Malformed(f"key name {name!r}: expected text without spaces, control characters and '+'")
    return name


def key_id(name: str, public: bytes, algorithm: int = ED25519) -> bytes:
    """Return the four bytes that stand before a signature by this key under this name."""
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name; its text form is a C2SP vkey: `<name>+<id as hex>+<base64(algorithm ‖ key)>`."""

    name: str
    public: bytes
    algorithm: int = ED25519
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        expected = PUBLIC_BYTES.get(self.algorithm)
        if expected is None:
            raise Malformed(f"key of {self.name}: expected algorithm 0x01, 0x04 or 0x06, got {self.algorithm:#04x}")
        if len(self.public) != expected:
            known = _NAMES[self.algorithm]
            raise Malformed(f"{known} key of {self.name}: expected {expected} bytes, got {len(self.public)}")
        if self.algorithm != COSIGNATURE_MLDSA44:
            y = int.from_bytes(self.public, "little") & (2**255 - 1)
            if y >= _FIELD or y in SMALL_ORDER_Y:
                raise Malformed(f"Ed25519 key of {self.name}: expected a canonical point that is not of small order")
        object.__setattr__(self, "key_id", key_id(self.name, self.public, self.algorithm))

    def to_text(self) -> str:
        """Return the vkey, without a newline."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([self.algorithm]) + self.public).decode()}"

    @classmethod
    def from_text(cls, text: str) -> Verifier:
        """Return the key that `to_text` wrote, of whatever algorithm: who wants a certain one checks it.

        Errors: Malformed.
        """
        name, _, rest = text.partition("+")
        hexid, _, encoded = rest.partition("+")
        raw = read_base64(encoded, f"vkey {text[:80]!r}")
        if not raw or raw[0] not in PUBLIC_BYTES:
            raise Malformed(f"vkey {text[:80]!r}: expected an Ed25519 key (0x01) or a cosigner's (0x04, 0x06)")
        key = cls(name, raw[1:], raw[0])
        if hexid != key.key_id.hex():
            raise Malformed(f"vkey {text[:80]!r}: expected key id {key.key_id.hex()}")
        return key

    def named(self, name: str) -> Verifier:
        """Return the same key under another name (a center's seal key signs under the origin of each of its lanes)."""
        return Verifier(name, self.public, self.algorithm)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check a raw signature over `message`: 64 bytes of Ed25519, or 2,420 of ML-DSA-44 without a context.

        What a cosigner signs is not a note's text but the message made from it: `Note.verify` knows that.
        Errors: Malformed when it is not good.
        """
        try:
            if self.algorithm == COSIGNATURE_MLDSA44:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as exc:
            raise Malformed(f"signature by {self.name}+{self.key_id.hex()} is not good") from exc
        except UnsupportedAlgorithm as exc:
            raise _without_mldsa(self.name) from exc


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under a name; text form `PRIVATE+KEY+<name>+<id as hex>+<base64(algorithm ‖ seed)>`."""

    name: str
    seed: bytes = field(repr=False)
    algorithm: int = ED25519
    verifier: Verifier = field(init=False)

    def __post_init__(self) -> None:
        if self.algorithm not in PUBLIC_BYTES:
            raise Malformed(f"key of {self.name}: expected algorithm 0x01, 0x04 or 0x06, got {self.algorithm:#04x}")
        if len(self.seed) != SEED_BYTES:
            known = _NAMES[self.algorithm]
            raise Malformed(f"{known} key of {self.name}: expected a seed of 32 bytes, got {len(self.seed)}")
        public = self._private().public_key().public_bytes_raw()
        object.__setattr__(self, "verifier", Verifier(self.name, public, self.algorithm))

    def to_text(self) -> str:
        """Return the private key's text, without a newline; keep it in a file that only its owner reads."""
        encoded = base64.b64encode(bytes([self.algorithm]) + self.seed).decode()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{encoded}"

    @classmethod
    def from_text(cls, text: str) -> Signer:
        """Return the key that `to_text` wrote. Errors: Malformed, never showing the text."""
        parts = text.strip().split("+", 4)
        if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
            raise Malformed("private key: expected PRIVATE+KEY+<name>+<id>+<base64>")
        raw = read_base64(parts[4], "private key")
        if len(raw) != 1 + SEED_BYTES or raw[0] not in PUBLIC_BYTES:
            raise Malformed("private key: expected a seed of 32 bytes, of algorithm 0x01, 0x04 or 0x06")
        signer = cls(parts[2], raw[1:], raw[0])
        if parts[3] != signer.verifier.key_id.hex():
            raise Malformed("private key: its id is not the id of its key")
        return signer

    def named(self, name: str) -> Signer:
        """Return the same key under another name."""
        return Signer(name, self.seed, self.algorithm)

    def sign(self, message: bytes) -> bytes:
        """Return the raw signature over `message`: the same every time by Ed25519, another each time by ML-DSA-44."""
        return self._private().sign(message)

    def _private(self) -> Ed25519PrivateKey | MLDSA44PrivateKey:
        if self.algorithm != COSIGNATURE_MLDSA44:
            return Ed25519PrivateKey.from_private_bytes(self.seed)
        try:
            return MLDSA44PrivateKey.from_seed_bytes(self.seed)
        except UnsupportedAlgorithm as exc:
            raise _without_mldsa(self.name) from exc


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name, its four id bytes, and what the key wrote.

    Shapes: value is the raw signature of a key of 0x01; of a cosigner, eight bytes of time before it.
    """

    name: str
    key_id: bytes
    value: bytes

    def to_text(self) -> str:
        """Return the line, with its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"

    @classmethod
    def from_text(cls, line: str) -> Signature:
        """Return what a line says, here without its newline. Errors: Malformed."""
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH):
            raise Malformed(f"signature line {line[:80]!r}: expected '— <name> <base64>'")
        raw = read_base64(encoded, f"signature line {line[:80]!r}")
        if len(raw) < 5:
            raise Malformed(f"signature line {line[:80]!r}: expected a key id and a signature")
        return cls(check_name(name), raw[:4], raw[4:])


def read_base64(text: str, what: str) -> bytes:
    """Return what `text` encodes, if it is the one standard form of it. Errors: Malformed, naming `what`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Malformed(f"{what}: expected standard base64") from exc
    if base64.b64encode(raw).decode() != text:
        raise Malformed(f"{what}: expected canonical base64")
    return raw


def _without_mldsa(name: str) -> Fatal:
    return Fatal(
        f"key of {name}: this build of 'cryptography' has no ML-DSA; install its wheel, or build it with OpenSSL 3.5"
    )
