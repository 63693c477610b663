"""The test keys of the vectors. Their seeds are public: never use one outside a test."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any, Final

from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, SMALL_ORDER_Y, key_id
from hub.protocol.note import Signer

HUB: Final = "hub.example"
CENTER: Final = "uz"
EPOCH: Final = "0a1b2c3d"
ORIGIN: Final = f"{HUB}/{CENTER}/{EPOCH}"


def signer(name: str, generation: int = 1) -> Signer:
    """Return the test key of this name; `generation` tells keys of one name apart."""
    return Signer(name, sha256(f"cohub test key, not secret: {name} #{generation}".encode()).digest())


ROOT: Final = signer(f"{HUB}/root")
RECEIPTS: Final = signer(f"{HUB}/receipts")
SEAL: Final = signer(f"{HUB}/{CENTER}")
SEAL_NEXT: Final = signer(f"{HUB}/{CENTER}", 2)
WITNESS: Final = signer(f"{HUB}/{CENTER}/witness")
FOREIGN: Final = signer(f"{HUB}/kz")
LANE_KEY: Final = SEAL.named(ORIGIN)
LONG: Final = Signer(SEAL.name, signer(SEAL.name, 3).seed, COSIGNATURE_MLDSA44)
COSIGNER: Final = Signer(WITNESS.name, signer(WITNESS.name, 2).seed, COSIGNATURE_ED25519)


def text_or_hex(data: bytes) -> dict[str, str]:
    """Return bytes as JSON: `text` where they are UTF-8 without control characters but newline, else `hex`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"hex": data.hex()}
    return {"text": text} if all(c >= " " or c == "\n" for c in text) else {"hex": data.hex()}


def repeated(*parts: tuple[str, int]) -> dict[str, list[list[str | int]]]:
    """Return a long text as JSON: each part as often as it says, one behind the other."""
    return {"repeated": [[part, count] for part, count in parts]}


def bytes_of(vector: dict[str, Any]) -> bytes:
    """Return the bytes that `text_or_hex` or `repeated` wrote."""
    if "repeated" in vector:
        return "".join(part * count for part, count in vector["repeated"]).encode()
    return bytes.fromhex(vector["hex"]) if "hex" in vector else str(vector["text"]).encode()


def key_vectors() -> dict[str, Any]:
    """Return the keys, and texts that are none."""
    keys = (ROOT, RECEIPTS, SEAL, SEAL_NEXT, WITNESS, FOREIGN)
    good = SEAL.verifier.to_text()
    name, hexid, encoded = good.split("+", 2)
    identity = "hub.example/uz+{}+{}"
    return {
        "about": "Ed25519 keys under names (C2SP signed-note). TEST KEYS: their seeds are public.",
        "good": [
            {"name": f"key_{n}", "key_name": k.name, "private": k.to_text(), "vkey": k.verifier.to_text()}
            for n, k in enumerate(keys, 1)
        ],
        "bad": [
            {"name": "id_of_another_key", "vkey": f"{name}+00000000+{encoded}"},
            {"name": "id_in_capitals", "vkey": f"{name}+{hexid.upper()}+{encoded}"},
            {"name": "name_changed", "vkey": f"{HUB}/kz+{hexid}+{encoded}"},
            {"name": "name_empty", "vkey": f"+{hexid}+{encoded}"},
            {"name": "name_with_space", "vkey": f"hub example+{hexid}+{encoded}"},
            {"name": "base64_cut", "vkey": good[:-1]},
            {"name": "algorithm_unknown", "vkey": f"{name}+{hexid}+Ag{encoded[2:]}"},
            {"name": "key_missing", "vkey": f"{name}+{hexid}"},
            {
                "name": "point_of_small_order",
                "vkey": identity.format("625bbbdd", "AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            },
            *_bad_points(),
            {"name": "name_with_wide_space", "vkey": _vkey("hub\u2003example/uz", SEAL.verifier.public)},
            {"name": "name_with_no_break_space", "vkey": _vkey("hub\u00a0example/uz", SEAL.verifier.public)},
            {"name": "public_key_of_31_bytes", "vkey": _vkey(SEAL.name, SEAL.verifier.public[:31])},
            {"name": "public_key_of_33_bytes", "vkey": _vkey(SEAL.name, SEAL.verifier.public + b"\0")},
            {"name": "algorithm_unknown_with_its_id", "vkey": _vkey(SEAL.name, SEAL.verifier.public, 0x02)},
            {
                "name": "ml_dsa_44_as_long_as_ed25519",
                "vkey": _vkey(SEAL.name, SEAL.verifier.public, COSIGNATURE_MLDSA44),
            },
            {"name": "base64_with_a_line_break", "vkey": f"{name}+{hexid}+{encoded[:20]}\n{encoded[20:]}"},
            {"name": "base64_url_alphabet", "vkey": f"{name}+{hexid}+{encoded.replace('/', '_')}"},
        ],
    }


def _vkey(name: str, public: bytes, algorithm: int = ED25519) -> str:
    """Return the text of a key that no reader takes: its id is that of these bytes."""
    encoded = base64.b64encode(bytes([algorithm]) + public).decode()
    return f"{name}+{key_id(name, public, algorithm).hex()}+{encoded}"


def _bad_points() -> list[dict[str, str]]:
    """Return the points of small order, with and without the sign bit, and points whose y is not below the prime."""
    prime, sign, name = 2**255 - 19, 1 << 255, SEAL.name
    small = sorted(SMALL_ORDER_Y)
    points = [(f"point_of_small_order_{n}", y) for n, y in enumerate(small)]
    points += [(f"point_of_small_order_{n}_negative", y | sign) for n, y in enumerate(small)]
    points += [("point_not_canonical", prime + 4), ("point_not_canonical_negative", (prime + 4) | sign)]
    return [{"name": said, "vkey": _vkey(name, y.to_bytes(32, "little"))} for said, y in points]
