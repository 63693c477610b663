"""The second half of the start: unpacks what the file carries once, looks at what is unpacked, and runs it.

It needs Python's own library alone. That the file is whole was seen by first.py: who changed it on purpose would have
changed what is compared there too, and is found by the SHA-256 that a person compares.

What is unpacked stays in a folder of the user, until it is an older one that nobody runs any more (copies.py). Two
first starts at once each unpack into a folder of their own; the first to give it its name wins. What is *compared* (the
file says which) is not believed: every start compares each of its files, and that there is no other one, with what the
file says. What is not is *kept*: it was compared when it was unpacked, and a later start looks whether the size and the
time of each file are still those. Where one is not, its bytes are compared, and what is damaged is put right. Python
keeps its bytecode there.

Exit status: that of the program; 3 where it can't be run at all.
"""

# ruff: noqa: INP001  a part of the files that deploy/pyz/pack.py writes
from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CONTENTS: Final = "contents.json"
WORDS: Final = "words.json"
CODE: Final = "code/"
UNUSABLE: Final = 3
KEPT: Final = ".kept.json"
BYTECODE: Final = "__pycache__"
_BITS_64: Final = 1 << 32
_HELD_S: Final = 20.0
_AGAIN_S: Final = 0.2
_OTHERS_MAY_WRITE: Final = 0o022


class UnusableError(Exception):
    """The program can't be run; its text says why, and what to do."""


@dataclass(frozen=True)
class File:
    """A self-unpacking file: what it is called, and what is in it."""

    program: str
    archive: zipfile.ZipFile
    contents: Mapping[str, Any]
    words: Mapping[str, Mapping[str, str]]

    def say(self, text: str, **values: object) -> str:
        """Return a text of words.toml in every language: in which one to speak, nobody has said yet."""
        return "\n  ".join(each.format(**values) for each in self.words[text].values())

    @property
    def name(self) -> str:
        """The name under which it was made."""
        return str(self.contents["name"])

    @property
    def is_compared(self) -> bool:
        """Whether nothing that was unpacked earlier is believed."""
        return bool(self.contents["compared"])

    def parts(self) -> list[str]:
        """Return what has to be unpacked for this Python on this computer. Errors: UnusableError."""
        wanted, here = self.contents["platform"], platform_name()
        if here != wanted:
            raise UnusableError(self.say("other_platform", name=self.name, wanted=wanted, here=here))
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        pythons: dict[str, list[str]] = self.contents["pythons"]
        if version not in pythons or sys.implementation.name != "cpython":
            known, ours = ", ".join(pythons), f"{sys.implementation.name} {version}"
            raise UnusableError(self.say("other_python", wanted=known, here=ours, newest=max(pythons)))
        if sys.maxsize < _BITS_64:
            raise UnusableError(self.say("bits"))
        return pythons[version]

    def wanted(self) -> dict[str, str]:
        """Return the SHA-256 of every file that is unpacked, by its path. Errors: UnusableError."""
        return {path: sha for part in self.parts() for path, sha in self.contents["files"][part].items()}

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the path and the bytes of every file that is unpacked: our own code, and wheels."""
        names = self.archive.namelist()
        for part in self.parts():
            if part == CODE:
                yield from ((n.removeprefix(CODE), self.archive.read(n)) for n in names if n.startswith(CODE))
                continue
            with zipfile.ZipFile(io.BytesIO(self.archive.read(part))) as wheel:
                yield from ((name, wheel.read(name)) for name in wheel.namelist() if not name.endswith("/"))

    def tell(self, text: str) -> None:
        """Say something to whoever started it."""
        sys.stderr.write(f"{self.program}: {text}\n")


def main(file: str, program: str) -> int:
    """Run what is in `file` with this process's arguments; return the exit status."""
    try:
        return _run(Path(file), program, sys.argv[1:])
    except UnusableError as exc:
        sys.stderr.write(f"{program}: {exc}\n")
        return UNUSABLE


def platform_name() -> str:
    """Return what this computer is, as the files are named: `linux-x86_64`, `macos-arm64`, `windows-x86_64`."""
    systems = {"Darwin": "macos", "Windows": "windows", "Linux": "linux"}
    system = systems.get(platform.system(), platform.system().lower())
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    return f"{system}-{machine}"


def _run(path: Path, program: str, arguments: list[str]) -> int:
    with zipfile.ZipFile(path) as archive:
        file = File(program, archive, json.loads(archive.read(CONTENTS)), json.loads(archive.read(WORDS)))
        own = {file.name: _digest(path)} if file.is_compared or arguments == ["--version"] else {}
        if arguments == ["--version"]:
            sys.stdout.write(f"{file.name}  SHA-256 {own[file.name]}\n")
            return 0
        sys.path.insert(0, str(_unpacked(file, _own_digest(path))))
    module, _, function = str(file.contents["entry"]).partition(":")
    try:
        entry = getattr(importlib.import_module(module), function)
    except ImportError as exc:
        raise UnusableError(file.say("not_loadable", detail=exc, name=file.name)) from exc
    return int(entry(arguments, own))


def _own_digest(path: Path) -> str:
    """Return the SHA-256 of all but the line in which it stands; first.py has compared it."""
    with path.open("rb") as file:
        return file.read(1024).splitlines()[2].decode().removeprefix("# ")


def _unpacked(file: File, digest: str) -> Path:
    """Return the folder with all that is to be imported. Errors: UnusableError."""
    from copies import hold, tidy  # type: ignore[import-not-found]  # noqa: PLC0415 -- beside this file in the archive

    name = f"{file.contents['version']}-{digest[:16]}-{sys.version_info.major}.{sys.version_info.minor}"
    wanted = file.wanted()
    folder = kept = _cache(file.program) / name
    try:
        while not hold(folder, min(wanted)):  # again, if another start has taken it away meanwhile
            _unpack(file, folder)
    except OSError as exc:
        file.tell(file.say("not_kept", folder=folder.parent, reason=exc.strerror or exc))
        folder = _unpacked_for_this_time(file, name)
    if file.is_compared:
        for fault in _faults(folder, wanted):
            raise UnusableError(file.say("changed", fault=fault, folder=folder))
    else:
        _put_right(file, folder, wanted)
    if folder == kept:
        tidy(folder)
    return folder


def _put_right(file: File, folder: Path, wanted: Mapping[str, str]) -> None:
    """Look at what is kept, and unpack again what is not as it was. Errors: UnusableError."""
    if _exposed(folder):
        raise UnusableError(file.say("exposed", folder=folder))
    stamps = _stamps(folder)
    if stamps == _kept(folder):
        return
    damaged = [each for each in wanted if each not in stamps or not _is(folder / each, wanted[each])]
    strange = [each for each in stamps if each not in wanted]
    if damaged or strange:
        file.tell(file.say("put_right", file=folder / (damaged + strange)[0]))
    try:
        for each in strange:
            (folder / each).unlink()
        for path, content in file.files() if damaged else ():
            if path in damaged:
                _put(folder / path, content)
    except OSError as exc:
        reason = exc.strerror or exc
        raise UnusableError(
            file.say("not_put_right", file=exc.filename or folder, reason=reason, folder=folder)
        ) from exc
    _keep(folder)


def _put(path: Path, content: bytes) -> None:
    """Put a file in place of what is there, so that another start never sees a half of it. Errors: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{KEPT}.{os.getpid()}")  # which no start takes for a strange file
    part.write_bytes(content)
    part.replace(path)


def _cache(program: str) -> Path:
    """Return the folder in which this user's programs keep what can be made again."""
    try:
        home = Path.home()
    except RuntimeError:
        return _for_this_time(program)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        named = Path(os.environ.get("XDG_CACHE_HOME", ""))
        base = named if named.is_absolute() else home / ".cache"
    return base / program


def _for_this_time(program: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"{program}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _unpacked_for_this_time(file: File, name: str) -> Path:
    """Return a folder that goes with this process. Errors: UnusableError."""
    folder = Path(tempfile.gettempdir(), name)
    try:
        folder = _for_this_time(file.program) / name
        _unpack(file, folder)
    except OSError as exc:
        raise UnusableError(file.say("not_unpacked", folder=folder, reason=exc.strerror or exc)) from exc
    return folder


def _unpack(file: File, folder: Path) -> None:
    """Write the files to a folder of another name, and give it its own when all are there. Errors: OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        for path, content in file.files():
            target = made / path
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            target.write_bytes(content)
        if not file.is_compared:
            for fault in _faults(made, file.wanted()):
                raise OSError(fault)
            _keep(made)
        _rename(made, folder)
    except OSError:
        if not folder.is_dir():  # another start was first otherwise: its folder stays, and is looked at like our own
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _rename(made: Path, folder: Path) -> None:
    """Give a folder its name. On Windows a guard against viruses holds new files for a while. Errors: OSError."""
    ends = time.monotonic() + (_HELD_S if os.name == "nt" else 0)
    while True:
        try:
            made.rename(folder)
        except PermissionError:
            if folder.is_dir() or time.monotonic() >= ends:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


def _keep(folder: Path) -> None:
    """Note the size and the time of every file, where that can be: else each start compares the bytes again."""
    with contextlib.suppress(OSError):
        _put(folder / KEPT, json.dumps(_stamps(folder)).encode())


def _kept(folder: Path) -> Any:
    """Return what was noted, None where nothing was, or nothing that reads."""
    try:
        return json.loads((folder / KEPT).read_bytes())
    except (OSError, ValueError):
        return None


def _stamps(folder: Path) -> dict[str, list[int]]:
    """Return the size and the time of every file, by its path. Bytecode is Python's own, which compares it itself."""
    found: dict[str, list[int]] = {}
    waiting = [str(folder)]
    skipped = len(str(folder)) + 1
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != BYTECODE:
                        waiting.append(entry.path)
                elif not entry.name.startswith(KEPT):
                    facts = entry.stat(follow_symlinks=False)
                    found[entry.path[skipped:].replace(os.sep, "/")] = [facts.st_size, facts.st_mtime_ns]
    return found


def _exposed(folder: Path) -> str | None:
    """Return who else may have changed the folder; None if nobody."""
    if os.name == "posix":
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & _OTHERS_MAY_WRITE:
            return f"{folder} belongs to somebody else, or others may write to it"
    return None


def _faults(folder: Path, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield what is not as it was unpacked."""
    if fault := _exposed(folder):
        yield fault
    there = set()
    for base, folders, files in os.walk(folder):
        found = [*files, *(each for each in folders if Path(base, each).is_symlink())]
        there |= {Path(base, name).relative_to(folder).as_posix() for name in found}
    for name in sorted(wanted.keys() | there):
        path = folder / name
        if name not in wanted:
            yield f"{path} is not of this program"
        elif name not in there:
            yield f"{path} is gone"
        elif not _is(path, wanted[name]):
            yield f"{path} is not what was unpacked"


def _is(path: Path, digest: str) -> bool:
    return not path.is_symlink() and _digest(path) == digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
