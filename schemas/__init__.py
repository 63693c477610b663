"""The released Avro schemas and the words for people as package data: every installation has them, offline.

Paths of schemas are as `released.json` has them, such as `offer/offer.published.v1.avsc`; for words see
`schemas.words`.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable


def read(path: str) -> bytes:
    """Return the exact bytes of one file of this package. Errors: FileNotFoundError, if there is none."""
    return files(__name__).joinpath(path).read_bytes()


def paths(ending: str = ".avsc") -> tuple[str, ...]:
    """Return the path of every schema, or of every file of another ending, sorted."""
    return tuple(sorted(_walk(files(__name__), "", ending)))


def every() -> dict[str, bytes]:
    """Return the bytes of every `.avsc` file by its path: what `hub.protocol.schema.check_released` wants."""
    return {path: read(path) for path in paths()}


def folders_with(name: str) -> tuple[str, ...]:
    """Return the folders of this package that hold a file `name`, sorted."""
    return tuple(sorted(entry.name for entry in files(__name__).iterdir() if entry.joinpath(name).is_file()))


def _walk(folder: Traversable, prefix: str, ending: str) -> list[str]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/", ending)
        elif entry.name.endswith(ending):
            found.append(prefix + entry.name)
    return found
