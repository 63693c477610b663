"""Every form in which a secret may stand somewhere, and the search for all of them at once."""

from __future__ import annotations

import base64
import json
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes

SHORTEST: Final = 12  # what is shorter stands anywhere by chance
ZIPS: Final = (".zip", ".whl", ".pyz")
_PEM_LINE: Final = re.compile(rb"[A-Za-z0-9+/=]{40,}")


@dataclass(frozen=True)
class Secret:
    """One secret: its kind, its bytes in each shape in which it is used, and the files that it is to be in.

    Shapes: `homes` are patterns of paths within the folder that is searched.
    """

    kind: str
    values: tuple[bytes, ...]
    homes: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Found:
    """Where a secret stands, and how it is written there."""

    place: str
    kind: str
    form: str


def forms(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each form. What base64 has of it depends on what stands before and behind it."""
    yield "as it is", secret
    yield "hex", secret.hex().encode()
    yield "HEX", secret.hex().upper().encode()
    for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
        for before in range(3):
            text = encode(bytes(before) + secret)
            yield f"{name} behind {before}", text[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
    yield "percent", quote_from_bytes(secret, safe="").encode()
    yield "percent, small", re.sub(r"%..", lambda sign: sign[0].lower(), quote_from_bytes(secret, safe="")).encode()
    yield "percent, each", "".join(f"%{byte:02X}" for byte in secret).encode()
    yield "repr", repr(secret)[2:-1].encode()
    yield "JSON of Latin-1", json.dumps(secret.decode("latin-1"))[1:-1].encode()
    if secret.isascii():
        word = secret.decode()
        yield "JSON", json.dumps(word)[1:-1].encode()
        yield "UTF-16", word.encode("utf-16-le")
        yield "UTF-16, big end first", word.encode("utf-16-be")


def pem_values(pem: bytes) -> tuple[bytes, ...]:
    """Return what is searched of a private key in PEM: its DER as a whole, and the lines, as they stand there."""
    body = re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n(.*?)-----END", pem, re.DOTALL)
    assert body is not None
    return base64.b64decode(body[1]), *_PEM_LINE.findall(body[1])


class Search:
    """Searches for secrets in whatever it is given."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self.secrets = list(secrets)
        self._needles: dict[bytes, list[tuple[Secret, str]]] = {}
        for secret in self.secrets:
            for value in secret.values:
                assert len(value) >= SHORTEST, secret.kind
                for form, needle in forms(value):
                    self._needles.setdefault(needle, []).append((secret, form))

    def of(self, data: bytes, place: str) -> list[Found]:
        """Return what stands in these bytes; what is at home at this place is passed over."""
        return sorted(
            {
                Found(place, secret.kind, form)
                for needle, named in self._needles.items()
                if needle in data
                for secret, form in named
                if not any(_is_like(place, home) for home in secret.homes)
            }
        )

    def beneath(self, folder: Path) -> list[Found]:
        """Return what stands in the files beneath a folder, in their names too, and in the files within zips."""
        found: list[Found] = []
        for path in sorted(folder.rglob("*")):
            place = str(path.relative_to(folder))
            found += self.of(os.fsencode(place), place)
            if path.is_symlink():
                found += self.of(os.fsencode(path.readlink()), place)
            elif path.is_file():
                data = contents(path)
                found += self.of(data, place)
                if path.suffix in ZIPS and zipfile.is_zipfile(path):
                    found += self._within(data, place)
        return found

    def absent(self, folder: Path) -> list[Secret]:
        """Return the secrets that are not even where they are to be: what was searched for is something else."""
        homes = [(str(path.relative_to(folder)), path) for path in folder.rglob("*") if path.is_file()]
        return [
            secret
            for secret in self.secrets
            if secret.homes
            and not any(
                _is_like(place, home) and self._is_in(contents(path), secret)
                for home in secret.homes
                for place, path in homes
            )
        ]

    def _is_in(self, data: bytes, secret: Secret) -> bool:
        return any(needle in data for value in secret.values for _, needle in forms(value))

    def _within(self, data: bytes, place: str) -> list[Found]:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return [hit for name in archive.namelist() for hit in self.of(archive.read(name), f"{place}!{name}")]


def contents(path: Path) -> bytes:
    """Return a file's bytes without its holes: Kafka's indexes are megabytes of nothing."""
    parts: list[bytes] = []
    with path.open("rb") as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while at < size:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole follows
                break
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            parts.append(os.pread(file.fileno(), at - begin, begin))
    return b"".join(parts)


def exposed(folder: Path, secrets: Sequence[Secret], private: Sequence[str]) -> list[str]:
    """Return the homes of secrets that others than their owner can read, or whose folder is open to others.

    Shapes: `private` are the names of folders that we make for secrets; where a person has one put is theirs to say.
    """
    wrong = []
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and any(_is_like(str(place), home) for secret in secrets for home in secret.homes):
            ours = [folder / above for above in place.parents if above.name in private]
            wrong += [f"{one.relative_to(folder)}: {mode:o}" for one in (path, *ours) if (mode := _mode(one)) & 0o077]
    return wrong


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _is_like(place: str, home: str) -> bool:
    return Path(place).match(home)
