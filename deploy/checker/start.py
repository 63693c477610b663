"""The checker's start: unpacks what its file carries once, looks at every file of that, and runs it.

It needs Python's own library alone. That the file is whole was seen by first.py: who changed it on purpose would have
changed what is compared there too, and is found by the SHA-256 that a person compares.

What is unpacked stays in a folder of the user, and is not believed: every start compares each of its files, and that
there is no other one, with what this file says. Two first starts at once each unpack into a folder of their own; the
first to give it its name wins.

Exit status: that of `hub audit check`; 3 where the checker itself can't be run, which says nothing of the bundle.
"""

# ruff: noqa: INP001  a part of the file that deploy/checker/make.py writes
from __future__ import annotations

import atexit
import contextlib
import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

CONTENTS: Final = "contents.json"
CODE: Final = "code/"
UNUSABLE: Final = 3
_STALE_S: Final = 86_400
_OTHERS_MAY_WRITE: Final = 0o022


class UnusableError(Exception):
    """The checker can't be run; its text says why, and what to do."""


def main(file: str) -> int:
    """Run the checker that `file` is with this process's arguments; return the exit status."""
    try:
        return _run(Path(file).read_bytes(), sys.argv[1:])
    except UnusableError as exc:
        sys.stderr.write(f"cohub-check: {exc}\n")
        return UNUSABLE


def platform_name() -> str:
    """Return what this computer is, as checkers are named: `linux-x86_64`, `macos-arm64`, `windows-x86_64`."""
    systems = {"Darwin": "macos", "Windows": "windows", "Linux": "linux"}
    system = systems.get(platform.system(), platform.system().lower())
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    return f"{system}-{machine}"


def _run(data: bytes, arguments: list[str]) -> int:
    digest = hashlib.sha256(data).hexdigest()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents = json.loads(archive.read(CONTENTS))
        if arguments == ["--version"]:
            sys.stdout.write(f"{contents['name']}  SHA-256 {digest}\n")
            return 0
        parts = _parts(contents)
        sys.path.insert(0, str(_unpacked(archive, contents, parts, digest)))
    try:
        from hub.cli.checker import run  # noqa: PLC0415 -- it is there from here on
    except ImportError as exc:
        raise UnusableError(
            f"{exc}: {contents['name']} can't be loaded on this computer. Where the system is older than what it "
            "was made for (on Linux: glibc 2.28, and no musl), use another one"
        ) from exc
    return int(run(arguments, {contents["name"]: digest}))


def _parts(contents: Mapping[str, Any]) -> list[str]:
    """Return what has to be unpacked for this Python on this computer. Errors: UnusableError."""
    if platform_name() != contents["platform"]:
        raise UnusableError(f"{contents['name']} is for {contents['platform']}, and this is {platform_name()}: "
                            "use the file for it")  # fmt: skip
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pythons: dict[str, list[str]] = contents["pythons"]
    if version not in pythons or sys.implementation.name != "cpython":
        raise UnusableError(f"expected Python {', '.join(pythons)}, this is {sys.implementation.name} {version}")
    return pythons[version]


def _unpacked(archive: zipfile.ZipFile, contents: Mapping[str, Any], parts: list[str], digest: str) -> Path:
    """Return the folder with all that is to be imported, each file of it compared. Errors: UnusableError."""
    wanted = {path: sha for part in parts for path, sha in contents["files"][part].items()}
    name = f"{contents['version']}-{digest[:16]}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = _cache() / name
    try:
        if not folder.is_dir():
            _unpack(archive, parts, folder)
    except OSError as exc:
        reason = exc.strerror or exc
        sys.stderr.write(
            f"cohub-check: nothing can be kept in {folder.parent} ({reason}): unpacked for this time only\n"
        )
        folder = _for_this_time() / name
        try:
            _unpack(archive, parts, folder)
        except OSError as again:
            raise UnusableError(f"can't be unpacked: {folder}: {again.strerror or again}") from again
    for fault in _faults(folder, wanted):
        raise UnusableError(f"{fault}. Somebody or something has changed it since it was unpacked. Delete the folder "
                            f"{folder} and start again; if it happens again, do not rely on this computer")  # fmt: skip
    return folder


def _cache() -> Path:
    """Return the folder in which this user's programs keep what can be made again."""
    try:
        home = Path.home()
    except RuntimeError:
        return _for_this_time()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        named = Path(os.environ.get("XDG_CACHE_HOME", ""))
        base = named if named.is_absolute() else home / ".cache"
    return base / "cohub-check"


def _for_this_time() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cohub-check-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _unpack(archive: zipfile.ZipFile, parts: list[str], folder: Path) -> None:
    """Write the files to a folder of another name, and give it its own when all are there. Errors: OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in folder.parent.glob(".new-*"):  # of a start that was killed
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _STALE_S:
                shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        for path, content in _files(archive, parts):
            target = made / path
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            target.write_bytes(content)
        made.rename(folder)
    except OSError:
        if not folder.is_dir():  # another start was first otherwise: its folder stays, and is compared like our own
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _files(archive: zipfile.ZipFile, parts: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the bytes of every file of some parts: our own code, and wheels."""
    for part in parts:
        if part == CODE:
            yield from ((n.removeprefix(CODE), archive.read(n)) for n in archive.namelist() if n.startswith(CODE))
            continue
        with zipfile.ZipFile(io.BytesIO(archive.read(part))) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist() if not name.endswith("/"))


def _faults(folder: Path, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield what is not as it was unpacked."""
    if os.name == "posix":
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & _OTHERS_MAY_WRITE:
            yield f"{folder} belongs to somebody else, or others may write to it"
    there = set()
    for base, folders, files in os.walk(folder):
        found = [*files, *(each for each in folders if Path(base, each).is_symlink())]
        there |= {Path(base, name).relative_to(folder).as_posix() for name in found}
    for name in sorted(wanted.keys() | there):
        path = folder / name
        if name not in wanted:
            yield f"{path} is not of this checker"
        elif name not in there:
            yield f"{path} is gone"
        elif path.is_symlink() or _digest(path) != wanted[name]:
            yield f"{path} is not what this checker unpacked"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
