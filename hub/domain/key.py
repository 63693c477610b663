"""An entity's key, made from what stands in the key columns: deterministic, visible ASCII, at most 120 characters.

    key = prefix ‖ part ‖ "|" ‖ part …
    part = the cell as text, NFC, single spaces; visible ASCII stays, but % | ~ and all else is percent-encoded (UTF-8)

That form goes back to the cell's text (`show_key`). Where it would be longer than 120 characters it is cut, at a
character's border, and ends in `~` and 26 characters of base32, 130 bits of the SHA-256 of the whole: not reversible,
but two keys stay two. `~` occurs nowhere else, so a cut key is never another's whole one.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b32encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import unquote

from hub.protocol.limits import KEY_CHARS_MAX

_DIGEST_CHARS: Final = 26
_PLAIN: Final = re.compile(r"[!-$&-{}]*")
_FORMS: Final = [chr(byte) if 0x21 <= byte <= 0x7D and byte not in b"%|" else f"%{byte:02X}" for byte in range(256)]
_HALVED: Final = re.compile(r"%[0-9A-F]?$")


def _encode(text: str) -> str:
    return "".join([_FORMS[byte] for byte in text.encode("utf-8")])


def key_part(text: str) -> str:
    """Return one cell's text as part of a key; empty if nothing is in it."""
    if _PLAIN.fullmatch(text) and "|" not in text:
        return text
    return _encode(" ".join(unicodedata.normalize("NFC", text).split()))


def make_key(parts: Sequence[str], prefix: str = "") -> str:
    """Return the key of a row whose key cells show `parts`; none of them is empty."""
    return join_parts([key_part(part) for part in parts], prefix)


def join_parts(parts: Sequence[str], prefix: str = "") -> str:
    """Return the key that is made of `parts`, each as `key_part` gives it, and none of them empty."""
    key = prefix + "|".join(parts)
    if len(key) <= KEY_CHARS_MAX:
        return key
    digest = b32encode(sha256(key.encode("ascii")).digest())[:_DIGEST_CHARS].decode("ascii").lower()
    head = _HALVED.sub("", key[: KEY_CHARS_MAX - 1 - _DIGEST_CHARS])
    return f"{head}~{digest}"


def typed_id(text: str) -> str:
    """Return the entity's id that a person means who types it as it is shown: `kz:З-1`, or `kz:A | 7` of two parts."""
    center, colon, key = text.partition(":")
    return center + colon + "|".join(key_part(part) for part in key.split("|"))


def show_key(key: str) -> str:
    """Return a key as a person would have written it; of a cut one, what is left."""
    head, cut, _ = key.partition("~")
    return " | ".join(unquote(part, errors="replace") for part in head.split("|")) + ("…" if cut else "")
