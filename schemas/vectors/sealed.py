"""Vectors of personal values: what a center seals, where it belongs, and what HQ takes for a sealed value."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Final

from connectors.runtime.persons.cipher import Located, erased, key_id, seal
from hub.domain.sealed import SEALED_LENGTH_MAX
from schemas.vectors.keys import CENTER, HUB

Row = dict[str, Any]
KEY: Final = bytes(range(32))
PLACE: Final = Located(HUB, CENTER, "partner", f"{CENTER}:P-1", "contact")
NAME: Final = {"name": "Нигора Каримова", "email": "nigora@example.org", "phone": "+998 71 200 00 00"}
PARTS: Final = {
    "in_three_scripts": NAME,
    "one_part": {"name": "王伟"},
    "characters_that_json_escapes": {"name": 'a"b\\c/d\b\f\n\r\t\x01\x1f\x7f\u2028é'},
    "names_in_their_order": {"role": "1", "name": "2", "phone": "3", "name_2": "4"},
    "exactly_128_bytes": {"name": "x" * (128 - len('{"name":""}'))},
    "one_byte_more": {"name": "x" * (129 - len('{"name":""}'))},
    "no_part": {},
}
ELSEWHERE: Final = {
    "hub": replace(PLACE, hub="hub.other"),
    "center": replace(PLACE, center="kz"),
    "stream": replace(PLACE, stream="offer"),
    "subject": replace(PLACE, subject=f"{CENTER}:P-2"),
    "field": replace(PLACE, field="email"),
}


def sealed_vectors() -> Row:
    """Return sealed values with key and place, values that don't open there, and texts with whether HQ takes them."""
    good = seal(KEY, PLACE, NAME)
    head, encoded = good.rsplit(".", 1)
    changed = head + "." + ("A" if encoded[0] != "A" else "B") + encoded[1:]
    ended = f"{good[:-1]}{'A' if good[-1] != 'A' else 'Q'}"
    named = key_id(KEY, PLACE)
    return {
        "about": "Personal values of partners: what a center seals by a person's key for one place. TEST KEYS. A bad"
        " one does not open by the key in the place. shapes: what stands in such a field, and whether HQ takes it.",
        "good": [
            *(_row(name, KEY, PLACE, seal(KEY, PLACE, parts), parts) for name, parts in PARTS.items()),
            _row("another_key", bytes(32), PLACE, seal(bytes(32), PLACE, NAME), NAME),
            *(_row(f"another_{name}", KEY, place, seal(KEY, place, NAME), NAME) for name, place in ELSEWHERE.items()),
        ],
        "bad": [
            *(_row(f"of_another_{name}", KEY, place, good) for name, place in ELSEWHERE.items()),
            _row("by_another_key", bytes(32), PLACE, good),
            _row("siv_changed", KEY, PLACE, changed),
            _row("end_changed", KEY, PLACE, ended),
            _row("cut", KEY, PLACE, good[:-4]),
            _row("erased", KEY, PLACE, erased(named)),
            _row("version_unknown", KEY, PLACE, good.replace("sealed.v1", "sealed.v2")),
            _row("in_the_clear", KEY, PLACE, "nigora@example.org"),
        ],
        "shapes": [
            {"name": name, "value": value, "taken": taken} for name, value, taken in _shapes(good, named, encoded)
        ],
    }


def _row(name: str, key: bytes, place: Located, text: str, parts: dict[str, str] | None = None) -> Row:
    row = {"name": name, "key": key.hex(), "place": asdict(place), "value": text}
    return row if parts is None else row | {"key_id": key_id(key, place), "parts": parts}


def _shapes(good: str, named: str, encoded: str) -> list[tuple[str, str, bool]]:
    longest = SEALED_LENGTH_MAX - len(f"sealed.v1.{named}.")
    return [
        ("sealed", good, True),
        ("erased", erased(named), True),
        ("shortest", f"sealed.v1.{named}.{encoded[:64]}", True),
        ("longest", f"sealed.v1.{named}.{'A' * longest}", True),
        ("too_short", f"sealed.v1.{named}.{encoded[:63]}", False),
        ("too_long", f"sealed.v1.{named}.{'A' * (longest + 1)}", False),
        ("in_the_clear", "nigora@example.org", False),
        ("padded", f"{good}==", False),
        ("standard_alphabet", f"sealed.v1.{named}.{'+' * 64}", False),
        ("key_id_too_short", f"sealed.v1.{named[:-1]}.{encoded}", False),
        ("erased_with_a_text", f"{erased(named)}.{encoded}", False),
        ("newline_behind", f"{good}\n", False),
        ("space_before", f" {good}", False),
        ("version_unknown", good.replace("v1", "v2"), False),
        ("in_capitals", good.replace("sealed", "SEALED"), False),
    ]
