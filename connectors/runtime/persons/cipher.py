"""What is sealed of a person, and how. Pure: a key in, a text out.

    text      = "sealed.v1." ‖ base64url(key id) ‖ "." ‖ base64url(SIV ‖ ciphertext)
    cipher    = AES-SIV (RFC 5297) with a key of 64 bytes, HKDF-Expand(SHA-512, person's key, "cohub sealed.v1 key")
    associated= "sealed.v1", hub, center, stream, subject, field: each one component, so no text fits another place
    key id    = 16 bytes, HKDF-Expand(SHA-512, person's key, "cohub sealed.v1 id" ‖ the same as netstrings)
    plaintext = the parts as RFC 8785 JSON (texts alone), then spaces up to a multiple of 128 bytes

It is deterministic: the same parts of the same person in the same place give the same text, so that a row which says
nothing new makes no event. What that tells HQ is that nothing has changed. A key id belongs to one place: HQ can't see
that one person stands in two. The padding hides the lengths.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from hub.domain.entity import canonical_json
from hub.domain.sealed import ERASED, SEALED, is_erased, key_id_of
from hub.protocol.errors import Malformed

KEY_BYTES: Final = 32
BLOCK_BYTES: Final = 128
_ID_BYTES: Final = 16
_SIV_KEY_BYTES: Final = 64
_KEY_INFO: Final = b"cohub sealed.v1 key"
_ID_INFO: Final = b"cohub sealed.v1 id"


@dataclass(frozen=True, slots=True)
class Located:
    """Where a value stands, in the whole network."""

    hub: str
    center: str
    stream: str
    subject: str
    field: str

    def components(self) -> list[bytes]:
        """Return what the cipher is bound to."""
        return [part.encode() for part in (SEALED, self.hub, self.center, self.stream, self.subject, self.field)]


def seal(key: bytes, place: Located, parts: Mapping[str, str]) -> str:
    """Return the sealed text of `parts`. Shapes: key has 32 bytes; of parts every text is UTF-8."""
    plain = canonical_json(dict(parts))
    padded = plain.ljust(-(-len(plain) // BLOCK_BYTES) * BLOCK_BYTES)
    return f"{SEALED}.{key_id(key, place)}.{_encode(_cipher(key).encrypt(padded, place.components()))}"


def unseal(key: bytes, place: Located, text: str) -> dict[str, str]:
    """Return the parts that `seal` was given.

    Errors: Malformed, if the text was not sealed with this key for this place, or was changed since.
    """
    if key_id_of(text) is None or is_erased(text):
        raise Malformed("not a sealed value")
    try:
        plain = _cipher(key).decrypt(_decode(text.rsplit(".", 1)[1]), place.components())
    except (InvalidTag, ValueError) as exc:
        raise Malformed("the value was not sealed with this key for this place") from exc
    parts = orjson.loads(plain)
    assert isinstance(parts, dict)
    return parts


def key_id(key: bytes, place: Located) -> str:
    """Return the id under which a value in this place names the key."""
    named = b"".join(b"%d:%s," % (len(part), part) for part in place.components())
    return _encode(HKDFExpand(SHA512(), _ID_BYTES, _ID_INFO + named).derive(key))


def erased(named: str) -> str:
    """Return the value that says that the key of this id was destroyed."""
    return f"{ERASED}.{named}"


def _cipher(key: bytes) -> AESSIV:
    return AESSIV(HKDFExpand(SHA512(), _SIV_KEY_BYTES, _KEY_INFO).derive(key))


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
