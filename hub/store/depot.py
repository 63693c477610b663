"""Where the archive's files are kept: a directory, or an object store by its URL (s3://, and what speaks S3).

A depot only ever gains files; each is named by its content, so that writing one twice is no change.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from hub.base import files
from hub.base.durable import disk_errors, write
from hub.protocol.errors import Fatal, Retriable, UsageError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

RETRY_MAX: Final = timedelta(seconds=30)
SEGMENT_BYTES_MAX: Final = 1 << 30
SCHEMES: Final = ("s3://", "gs://", "az://")


class Depot(Protocol):
    """A place for files that never change."""

    location: str

    def put(self, name: str, data: bytes) -> None:
        """Keep `data` durably under `name`. Errors: Retriable; UsageError with the remedy; Fatal for a full disk."""

    def get(self, name: str) -> bytes:
        """Return what is kept under `name`. Errors: Retriable; Fatal where there is nothing of that name."""


def open_depot(location: str) -> Depot:
    """Return the depot at a path or URL; a directory is made when first written to. Errors: UsageError."""
    if location.startswith(SCHEMES):
        return _ObjectDepot(location)
    if "://" in location:
        raise UsageError(f"archive {location}: expected a directory or a URL beginning with {', '.join(SCHEMES)}")
    return _DirectoryDepot(Path(location).absolute())


def fetch(depot: Depot, digest: bytes, suffix: str) -> bytes:
    """Return the file that `digest` names. Errors: Fatal, where it is not there or not the same any more; Retriable."""
    data = depot.get(digest.hex() + suffix)
    if sha256(data).digest() != digest:
        raise Fatal(
            f"{depot.location}: {digest.hex()}{suffix} is damaged: its bytes have another SHA-256 than its name"
        )
    return data


class _DirectoryDepot:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.location = str(folder)

    def put(self, name: str, data: bytes) -> None:
        with disk_errors(f"archive {self._folder}: {name}"):
            files.make_folder(self._folder, files.PRIVATE_FOLDER)
            write(self._folder / name, data, mode=files.PRIVATE)

    def get(self, name: str) -> bytes:
        try:
            return files.read(self._folder / name, SEGMENT_BYTES_MAX)
        except FileNotFoundError as exc:
            raise Fatal(
                f"archive {self._folder}: {name} is missing; copy it back from a backup of the archive"
            ) from exc
        except OSError as exc:
            raise Retriable(f"archive {self._folder}: cannot read {name}: {exc.strerror or exc}") from exc


class _ObjectDepot:
    def __init__(self, url: str) -> None:
        try:
            from obstore.store import from_url  # noqa: PLC0415 - optional: cohub[archive]
        except ImportError as exc:
            raise UsageError(f"archive {url}: object stores need the extra: pip install 'cohub[archive]'") from exc
        self.location = url
        try:
            self._store: ObjectStore = from_url(
                url, client_options={"allow_http": _is_plain_http()}, retry_config={"retry_timeout": RETRY_MAX}
            )
        except Exception as exc:
            raise UsageError(f"archive {url}: {_one_line(exc)}") from exc

    def put(self, name: str, data: bytes) -> None:
        import obstore  # noqa: PLC0415

        self._ask(lambda: obstore.put(self._store, name, data))

    def get(self, name: str) -> bytes:
        import obstore  # noqa: PLC0415

        return bytes(self._ask(lambda: obstore.get(self._store, name).bytes()))

    def _ask(self, work: Callable[[], Any]) -> Any:
        from obstore import exceptions  # noqa: PLC0415

        try:
            return work()
        except (exceptions.NotFoundError, FileNotFoundError) as exc:
            raise Fatal(f"archive {self.location}: there is no such bucket, or no such object in it") from exc
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as exc:
            raise UsageError(
                f"archive {self.location}: the store refuses the credentials of the environment (AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY, …)"
            ) from exc
        except (exceptions.BaseError, OSError) as exc:
            raise Retriable(f"archive {self.location}: {_one_line(exc)}") from exc


def _is_plain_http() -> bool:
    """A store of one's own on the same network has no certificate; its address says so."""
    named = (
        os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT")
    )
    return (named or "").startswith("http://")


def _one_line(exc: BaseException) -> str:
    text = " ".join(str(exc).split()).partition(" Debug source")[0]
    return text[:300] or type(exc).__name__
