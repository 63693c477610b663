"""The released Avro schemas as package data: every installation has them, offline.

Paths are as `released.json` has them, such as `offer/offer.published.v1.avsc`.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable


def read(path: str) -> bytes:
    """Return the exact bytes of one file of this package. Errors: FileNotFoundError, if there is none."""
    return files(__name__).joinpath(path).read_bytes()


def paths() -> tuple[str, ...]:
    """Return the path of every `.avsc` file, sorted."""
    return tuple(sorted(_walk(files(__name__), "")))


def every() -> dict[str, bytes]:
    """Return the bytes of every `.avsc` file by its path: what `hub.protocol.schema.check_released` wants."""
    return {path: read(path) for path in paths()}


def _walk(folder: Traversable, prefix: str) -> list[str]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".avsc"):
            found.append(prefix + entry.name)
    return found
