"""A plain log as Kafka's own tool formats it, kept in the user's cache: a new data directory takes a copy of it.

The tool is a JVM of its own, a second of each first start, and makes three small files: what a copy has of its own is
the cluster's id, in meta.properties; the directory's id, in a cluster of one broker, may be another cluster's as well.
A locked broker's has users in it, with what their passwords were made into: it is never kept.

The files are named by what they depend on, the jars and the broker's settings, and checked by their digest. They are
never needed: without them the tool formats.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from hub.base import files
from hub.base.durable import write
from hub.broker.jars import Jar, jar_set_digest
from hub.broker.properties import Plain, server_properties

META: Final = "meta.properties"
NAMES: Final = (META, "bootstrap.checkpoint", "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint")
_CLUSTER_ID: Final = re.compile(rb"^cluster\.id=.*$", re.MULTILINE)

log = structlog.get_logger(__name__)


class FormattedLog:
    """The kept files for one set of jars, under our own settings."""

    def __init__(self, cache_dir: Path, jars: Sequence[Jar]) -> None:
        parts = jar_set_digest(jars) + server_properties(Path("log"), Plain(0), {})
        self.file = cache_dir / "formatted" / f"log-{hashlib.sha256(parts.encode()).hexdigest()[:16]}.json"

    def copy_to(self, folder: Path, cluster_id: str) -> bool:
        """Make `folder` a formatted log of this cluster; return whether it is: not where nothing whole is kept.

        A damaged file is dropped. Errors: OSError if the folder can't be written.
        """
        try:
            kept = _files(self.file.read_bytes())
        except OSError:
            return False
        except ValueError:
            log.warning("formatted_log_damaged", file=str(self.file))
            with contextlib.suppress(OSError):
                self.file.unlink()
            return False
        kept[META] = _CLUSTER_ID.sub(b"cluster.id=" + cluster_id.encode(), kept[META])
        for name, data in kept.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            write(place, data, mode=files.PRIVATE)
        return True

    def keep(self, folder: Path) -> None:
        """Keep what the tool made in `folder`, if it is what we know and the cache can be written."""
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        if found != set(NAMES) or len(_CLUSTER_ID.findall((folder / META).read_bytes())) != 1:
            return
        said = json.dumps({name: b64encode((folder / name).read_bytes()).decode() for name in NAMES})
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write(self.file, f"{_digest(said)}\n{said}".encode(), mode=files.PRIVATE)


def _files(data: bytes) -> dict[str, bytes]:
    """Return the kept files. Errors: ValueError if their digest is another."""
    digest, _, said = data.decode("utf-8").partition("\n")
    if digest != _digest(said):
        raise ValueError("damaged")
    return {name: b64decode(text) for name, text in json.loads(said).items()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
