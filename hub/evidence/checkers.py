"""The checkers of this release: the files that `make checker` made, each with its SHA-256.

They are known from outside alone. A checker does not hold the list, because its own SHA-256 stands in it; of itself it
knows what it is when it is started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Final

import orjson

from hub.base.release import release

_LIST: Final = "checkers.json"


@dataclass(frozen=True, slots=True)
class Checkers:
    """The SHA-256 of each checker that is known, by the name of its file."""

    digests: Mapping[str, str] = field(default_factory=dict)


def recorded() -> Checkers:
    """Return what `make checker` recorded of this release; none where it did not run, or ran for another release."""
    try:
        said = orjson.loads(files(__package__).joinpath(_LIST).read_bytes())
    except FileNotFoundError:
        return Checkers()
    return Checkers(said["files"] if said["release"] == release() else {})
