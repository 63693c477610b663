"""Pack a program of ours as one file that needs Python alone, for one platform; `Program` says what is in it.

What comes out is the same bytes wherever and whenever it is made of the same source: entries in order, stored as they
are, with one fixed time and mode. In it are

    __main__.py start.py copies.py    first.py, start.py and copies.py of this folder
    words.json               what they say, of words.toml
    contents.json            the SHA-256 of every file that a start unpacks, and what each Python needs of them
    code/                    those modules of ours that the program imports, with the schemas and their words
    wheels/                  the libraries, exactly as requirements.lock pins them, for every Python that we run on

and before the zip three lines of text, the third with the SHA-256 of all else.
"""

# ruff: noqa: INP001  a script of the repository
from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import grimp

from deploy.pyz.start import CODE, CONTENTS, WORDS, platform_name

ROOT: Final = Path(__file__).resolve().parents[2]
STREAMS: Final = "hub.domain.streams."  # found by the catalogue, and imported by nobody's statement
LANGUAGES: Final = ("en", "ru", "zh")  # all of them are shown, in this order
PYTHONS: Final = ("3.11", "3.12", "3.13")
DATA: Final = (".avsc", ".toml", ".json", ".txt")
# What pip calls them, the oldest system first: a wheel for an older one runs on more computers.
_GLIBC: Final = range(17, 29)
PLATFORMS: Final[Mapping[str, tuple[str, ...]]] = {
    "linux-x86_64": ("manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in _GLIBC)),
    "linux-arm64": ("manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in _GLIBC)),
    "macos-arm64": ("macosx_11_0_arm64",),
    "windows-x86_64": ("win_amd64",),
}
# Python takes a zip whose end is missing for a script, and names this encoding, which it does not know, in its message.
_CODING: Final = b"# coding: this-file-is-damaged-or-not-whole--fetch-it-again\n"
# Windows' `py` reads such a line too, and finds what only advertises a Python there (cpython issue 114412).
_PROGRAM: Final = b"#!/usr/bin/env python3\n"
_NO_PROGRAM: Final = b"# Python 3.11, 3.12 or 3.13 runs this file\n"
_DIGEST: Final = b"# %064d\n"
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16
_MAIN: Final = "\n\nsys.exit(run(os.path.dirname(os.path.abspath(__file__)), {program!r}, {alone!r}))\n"


@dataclass(frozen=True)
class Program:
    """What a self-unpacking file is made of.

    Shapes: name is the beginning of the file's name; entry is `module:function`, which is called with the arguments and
            the SHA-256 of the file by its name; libraries are by platform and Python; start.py explains is_compared.
    """

    name: str
    entry: str
    libraries: Callable[[str, str], Iterable[str]]
    is_compared: bool

    @property
    def alone(self) -> str:
        """The options that keep everything else on the computer out; bytecode is written where it is kept."""
        return "-ISB" if self.is_compared else "-IS"

    def file_name(self, platform: str) -> str:
        """Return the name of a platform's file of this release."""
        return f"{self.name}-{release()}-{platform}.pyz"


def release() -> str:
    """Return the version of this source."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def arguments_of(command: str, description: str, given: list[str]) -> argparse.Namespace:
    """Return what a packer was asked for: `platform` and `dist`."""
    parser = argparse.ArgumentParser(command, description=description)
    parser.add_argument("--platform", choices=sorted(PLATFORMS), default=platform_name(), help="default: this one")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="the folder to write to; default: dist")
    return parser.parse_args(given)


def make(program: Program, platform: str, dist: Path) -> Path:
    """Fetch, pack and write a program's file; return where it is. Errors: SystemExit."""
    with tempfile.TemporaryDirectory() as folder:
        made = pack(
            program, platform, {version: fetch(program, platform, version, Path(folder)) for version in PYTHONS}
        )
    return write(dist / program.file_name(platform), made)


def write(file: Path, made: bytes) -> Path:
    """Write a file that is to be handed out, and the SHA-256 of all that lie beside it; return where it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(made)
    known = sorted(path for path in file.parent.iterdir() if path.suffix in (".pyz", ".whl"))
    sums = {path.name: sha256(path.read_bytes()).hexdigest() for path in known}
    (file.parent / "SHA256SUMS").write_bytes("".join(f"{sums[name]}  {name}\n" for name in sums).encode())
    sys.stdout.write(f"{sums[file.name]}  {file} ({len(made) / 1e6:.1f} MB)\n")
    return file


def fetch(program: Program, platform: str, version: str, folder: Path) -> list[Path]:
    """Return the wheels that the lock pins for a platform and a Python, fetched by pip and compared with the lock.

    Errors: SystemExit, where pip can't have one of them.
    """
    requirements = folder / "requirements.txt"
    named = [word for name in PLATFORMS[platform] for word in ("--platform", name)]
    names = program.libraries(platform, version)
    requirements.write_text(locked((ROOT / "requirements.lock").read_text("utf-8"), names), "utf-8")
    target = folder / version
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--require-hashes", "--only-binary", ":all:", "--implementation", "cp", "--python-version", version,
        "--abi", f"cp{version.replace('.', '')}", *named,
        "--requirement", str(requirements), "--dest", str(target),
    ]  # fmt: skip
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"{program.name}: pip does not have every library for {platform} and Python {version}, "
                         "see above")  # fmt: skip
    return sorted(target.glob("*.whl"))


def locked(lock: str, names: Iterable[str]) -> str:
    """Return what a lock file says of some libraries, without conditions. Errors: SystemExit."""
    found = []
    for name in names:
        entry = re.search(rf"^({re.escape(name)}==[^\s;]+)[^\n]*\\\n((?: +--hash=\S+(?: \\)?\n)+)", lock, re.MULTILINE)
        if entry is None:
            raise SystemExit(f"requirements.lock does not pin {name}; `make lock` writes it")
        found.append(" ".join([entry[1], *re.findall(r"--hash=\S+", entry[2])]) + "\n")
    return "".join(found)


def pack(program: Program, platform: str, wheels: Mapping[str, list[Path]]) -> bytes:
    """Return the file's bytes. Shapes: `wheels` by the Python that they are for."""
    code = {CODE + path: data for path, data in our_code(program.entry).items()}
    libraries = {f"wheels/{path.name}": path.read_bytes() for paths in wheels.values() for path in paths}
    contents: dict[str, Any] = {
        "name": program.file_name(platform),
        "version": release(),
        "platform": platform,
        "entry": program.entry,
        "compared": program.is_compared,
        "pythons": {v: [*(f"wheels/{path.name}" for path in sorted(paths)), CODE] for v, paths in wheels.items()},
        "files": {
            CODE: {path.removeprefix(CODE): sha256(data).hexdigest() for path, data in code.items()},
            **{name: _wheel_files(name, data) for name, data in libraries.items()},
        },
    }
    for version, parts in contents["pythons"].items():
        _refuse_twice(version, [path for part in parts for path in contents["files"][part]])
    said = json.dumps(contents, indent=1, sort_keys=True).encode() + b"\n"
    files = {**starts(program), CONTENTS: said, **code, **libraries}
    beginning = (_NO_PROGRAM if platform.startswith("windows") else _PROGRAM) + _CODING
    rest = zipped(files, beginning + _DIGEST % 0)[len(beginning + _DIGEST % 0) :]
    return beginning + b"# " + sha256(beginning + rest).hexdigest().encode() + b"\n" + rest


def starts(program: Program) -> dict[str, bytes]:
    """Return the files that start it, with what they say."""
    here = Path(__file__).parent
    main = (here / "first.py").read_bytes() + _MAIN.format(program=program.name, alone=program.alone).encode()
    words = tomllib.loads((here / "words.toml").read_text("utf-8"))
    said = {name: {language: text[language] for language in LANGUAGES} for name, text in words.items()}
    return {
        "__main__.py": main,
        **{name: (here / name).read_bytes() for name in ("start.py", "copies.py")},
        WORDS: json.dumps(said, ensure_ascii=False, indent=1).encode() + b"\n",
    }


def our_code(entry: str) -> dict[str, bytes]:
    """Return the files of ours that a program needs, by path: what it imports (in functions too), and schemas."""
    graph = grimp.build_graph("hub", "connectors", "schemas", exclude_type_checking_imports=True, cache_dir=None)
    paths: set[Path] = set()
    entries = {entry.partition(":")[0], *(module for module in graph.modules if module.startswith(STREAMS))}
    for module in entries.union(*map(graph.find_upstream_modules, entries)):
        parts = module.split(".")
        paths |= {ROOT.joinpath(*parts[:package], "__init__.py") for package in range(1, len(parts))}
        file = ROOT.joinpath(*parts).with_suffix(".py")
        paths.add(file if file.exists() else ROOT.joinpath(*parts, "__init__.py"))
    vectors = ROOT / "schemas/vectors"
    paths |= {p for p in (ROOT / "schemas").rglob("*") if p.suffix in DATA and vectors not in p.parents}
    found = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}
    found[f"cohub-{release()}.dist-info/METADATA"] = (
        f"Metadata-Version: 2.1\nName: cohub\nVersion: {release()}\n".encode()
    )
    return dict(sorted(found.items()))


def _wheel_files(name: str, data: bytes) -> dict[str, str]:
    """Return the SHA-256 of each file of a wheel. Errors: SystemExit, where unpacking alone would not install it."""
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        names = [each for each in wheel.namelist() if not each.endswith("/")]
        if any(re.match(r"[^/]+\.data/(purelib|platlib|data)/", each) for each in names):
            raise SystemExit(f"{name} has files that have to be moved when it is installed")
        return {each: sha256(wheel.read(each)).hexdigest() for each in names}


def _refuse_twice(version: str, paths: list[str]) -> None:
    if len(set(paths)) != len(paths):
        raise SystemExit(f"two libraries for Python {version} have files of the same name")


def zipped(files: Mapping[str, bytes], beginning: bytes = b"") -> bytes:
    """Return one zip of these files, stored as they are: what a compressor makes differs from Python to Python."""
    out = io.BytesIO()
    out.write(beginning)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_STORED) as made:
        for path in sorted(files):
            info = zipfile.ZipInfo(path, _EARLIEST)
            info.create_system = 3
            info.external_attr = _MODE
            made.writestr(info, files[path])
    return out.getvalue()
