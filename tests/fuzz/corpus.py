"""The inputs that fuzzing has found worth keeping: they reach code that no seed reaches, or broke something once.

They lie in one zip for each target in `tests/data/fuzz`, by the first digits of their SHA-256.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data" / "fuzz"
KEPT_BYTES_MAX = 48_000  # of one target, unpacked, the shortest first


def kept(name: str) -> list[bytes]:
    """Return the corpus of a target."""
    path = FOLDER / f"{name}.zip"
    if not path.exists():
        return []
    with zipfile.ZipFile(path) as corpus:
        return [corpus.read(entry) for entry in corpus.namelist()]


def keep(name: str, inputs: Iterable[bytes]) -> int:
    """Keep these inputs in the place of what was kept, as far as there is room; return how many."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    chosen: dict[str, bytes] = {}
    size = 0
    for data in sorted(set(inputs), key=lambda one: (len(one), one)):
        size += len(data)
        if size > KEPT_BYTES_MAX:
            break
        chosen[sha256(data).hexdigest()[:16]] = data
    with zipfile.ZipFile(FOLDER / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as corpus:
        for entry, data in sorted(chosen.items()):
            corpus.writestr(zipfile.ZipInfo(entry), data, zipfile.ZIP_DEFLATED)
    return len(chosen)
