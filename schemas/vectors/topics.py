"""Vectors of topics: where a center's records are, and which ids are no center's."""

from __future__ import annotations

from typing import Any, Final

from hub.domain.state import partition_of
from hub.protocol.control import RESERVED_IDS
from hub.protocol.topics import topic_in, topic_out

CENTERS: Final = ("uz", "kz", "cn", "a", "0", "north-west-2", "c" * 63)
BAD: Final = {
    "empty": "",
    "of_64_characters": "c" * 64,
    "in_capitals": "UZ",
    "hyphen_in_front": "-uz",
    "hyphen_behind": "uz-",
    "with_a_dot": "u.z",
    "with_an_underscore": "u_z",
    "in_other_letters": "уз",
    **{f"reserved_{name}": name for name in sorted(RESERVED_IDS)},
}


def topic_vectors() -> dict[str, Any]:
    """Return the topics of centers, and the partition of their records on the topics of all."""
    return {
        "about": "in and out: a center's own topics; partition: of its records on events and state.*. A bad one is no"
        " id of a center.",
        "good": [
            {
                "name": f"center_{n}",
                "center": center,
                "in": topic_in(center),
                "out": topic_out(center),
                "partition": partition_of(center),
            }
            for n, center in enumerate(CENTERS, 1)
        ],
        "bad": [{"name": name, "center": center} for name, center in BAD.items()],
    }
