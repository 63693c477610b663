"""Make the checker of evidence bundles, one file for a platform: `python -m deploy.checker.make [--platform NAME]`.

What comes out is dist/cohub-check-<version>-<platform>.pyz, the same bytes wherever and whenever it is made of the same
source: entries in order, stored as they are, with one fixed time and mode. In it are

    __main__.py start.py     first.py and start.py of this folder
    contents.json            the SHA-256 of every file that a start unpacks, and what each Python needs of them
    code/                    those modules of ours that a check imports, with the schemas and their words
    wheels/                  the libraries, exactly as requirements.lock pins them, for every Python that we run on

and before the zip three lines of text, the third with the SHA-256 of all else. The SHA-256 of the whole file goes to
dist/SHA256SUMS, and to hub/evidence/checkers.json, which the README of a bundle has it from; that is no part of it.
"""

# ruff: noqa: INP001, T201  a script of the repository
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
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import grimp

from deploy.checker.start import CODE, CONTENTS, platform_name

ROOT: Final = Path(__file__).resolve().parents[2]
ENTRY: Final = "hub.cli.checker"
STREAMS: Final = "hub.domain.streams."  # found by the catalogue, and imported by nobody's statement
PYTHONS: Final = ("3.11", "3.12", "3.13")
# What a check imports, and what that imports; tests/integration/deploy/test_checker.py holds the list to it.
LIBRARIES: Final = (
    "annotated-doc", "annotated-types", "cffi", "cryptography", "fastavro", "orjson", "pydantic", "pydantic-core",
    "rich", "shellingham", "typer", "typing-extensions", "typing-inspection",
)  # fmt: skip
WINDOWS_LIBRARIES: Final = ("colorama",)  # typer wants it there
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
_BEGINNING: Final = b"#!/usr/bin/env python3\n# coding: this-file-is-damaged-or-not-whole--fetch-it-again\n"
_DIGEST: Final = b"# %064d\n"
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16


def main(arguments: list[str]) -> int:
    """Make the checker, tell what was made, and return the exit status."""
    parser = argparse.ArgumentParser("make checker", description="Make the checker of evidence bundles.")
    parser.add_argument("--platform", choices=sorted(PLATFORMS), default=platform_name(), help="default: this one")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="the folder to write to; default: dist")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        made = pack(given.platform, {version: fetch(given.platform, version, Path(folder)) for version in PYTHONS})
    given.dist.mkdir(parents=True, exist_ok=True)
    file = given.dist / checker_name(given.platform)
    file.write_bytes(made)
    sums = {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(given.dist.glob("*.pyz"))}
    (given.dist / "SHA256SUMS").write_bytes("".join(f"{sums[name]}  {name}\n" for name in sums).encode())
    record(ROOT / "hub/evidence/checkers.json", {file.name: sums[file.name]})
    print(f"{sums[file.name]}  {file} ({len(made) / 1e6:.1f} MB)")
    return 0


def checker_name(platform: str) -> str:
    """Return the file name of a platform's checker of this release."""
    return f"cohub-check-{release()}-{platform}.pyz"


def release() -> str:
    """Return the version of this source."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def fetch(platform: str, version: str, folder: Path) -> list[Path]:
    """Return the wheels that the lock pins for a platform and a Python, fetched by pip and compared with the lock.

    Errors: SystemExit, where pip can't have one of them.
    """
    requirements = folder / "requirements.txt"
    named = [word for name in PLATFORMS[platform] for word in ("--platform", name)]
    names = (*LIBRARIES, *(WINDOWS_LIBRARIES if platform.startswith("windows") else ()))
    requirements.write_text(locked((ROOT / "requirements.lock").read_text("utf-8"), names), "utf-8")
    target = folder / version
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--require-hashes", "--only-binary", ":all:", "--implementation", "cp", "--python-version", version,
        "--abi", f"cp{version.replace('.', '')}", *named,
        "--requirement", str(requirements), "--dest", str(target),
    ]  # fmt: skip
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(
            f"make checker: pip does not have every library for {platform} and Python {version}, see above"
        )
    return sorted(target.glob("*.whl"))


def locked(lock: str, names: Iterable[str]) -> str:
    """Return what a lock file says of some libraries, without conditions. Errors: SystemExit."""
    found = []
    for name in names:
        entry = re.search(rf"^({re.escape(name)}==[^\s;]+)[^\n]*\\\n((?: +--hash=\S+(?: \\)?\n)+)", lock, re.MULTILINE)
        if entry is None:
            raise SystemExit(f"make checker: requirements.lock does not pin {name}; `make lock` writes it")
        found.append(" ".join([entry[1], *re.findall(r"--hash=\S+", entry[2])]) + "\n")
    return "".join(found)


def pack(platform: str, wheels: Mapping[str, list[Path]]) -> bytes:
    """Return the checker's bytes. Shapes: `wheels` by the Python that they are for."""
    code = {CODE + path: data for path, data in our_code().items()}
    libraries = {f"wheels/{path.name}": path.read_bytes() for paths in wheels.values() for path in paths}
    contents = {
        "name": checker_name(platform),
        "version": release(),
        "platform": platform,
        "pythons": {v: [*(f"wheels/{path.name}" for path in sorted(paths)), CODE] for v, paths in wheels.items()},
        "files": {
            CODE: {path.removeprefix(CODE): sha256(data).hexdigest() for path, data in code.items()},
            **{name: _wheel_files(name, data) for name, data in libraries.items()},
        },
    }
    for version, parts in contents["pythons"].items():  # type: ignore[attr-defined]
        _refuse_twice(version, [path for part in parts for path in contents["files"][part]])  # type: ignore[index]
    here = Path(__file__).parent
    return _zipped({
        "__main__.py": (here / "first.py").read_bytes(),
        "start.py": (here / "start.py").read_bytes(),
        CONTENTS: json.dumps(contents, indent=1, sort_keys=True).encode() + b"\n",
        **code,
        **libraries,
    })  # fmt: skip


def our_code() -> dict[str, bytes]:
    """Return the files of ours that a check needs, by path: what the entry imports (in functions too), and schemas."""
    graph = grimp.build_graph("hub", "schemas", exclude_type_checking_imports=True, cache_dir=None)
    paths: set[Path] = set()
    entries = {ENTRY, *(module for module in graph.modules if module.startswith(STREAMS))}
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


def code_digest() -> str:
    """Return one digest of all of ours that a checker consists of: when it is another, so is every checker."""
    parts = {**our_code(), **{name: (Path(__file__).parent / name).read_bytes() for name in ("first.py", "start.py")}}
    return sha256("".join(f"{sha256(data).hexdigest()}  {path}\n" for path, data in parts.items()).encode()).hexdigest()


def record(file: Path, made: Mapping[str, str]) -> None:
    """Write what was made to the list that READMEs of bundles are made from; what other code gave leaves it."""
    head = {"release": release(), "code": code_digest()}
    known: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
    kept = known["files"] if head.items() <= known.items() else {}
    file.write_text(json.dumps({**head, "files": dict(sorted({**kept, **made}.items()))}, indent=1) + "\n", "utf-8")


def _wheel_files(name: str, data: bytes) -> dict[str, str]:
    """Return the SHA-256 of each file of a wheel. Errors: SystemExit, where unpacking alone would not install it."""
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        names = [each for each in wheel.namelist() if not each.endswith("/")]
        if any(re.match(r"[^/]+\.data/(purelib|platlib|data)/", each) for each in names):
            raise SystemExit(f"make checker: {name} has files that have to be moved when it is installed")
        return {each: sha256(wheel.read(each)).hexdigest() for each in names}


def _refuse_twice(version: str, paths: list[str]) -> None:
    if len(set(paths)) != len(paths):
        raise SystemExit(f"make checker: two libraries for Python {version} have files of the same name")


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """Return one zip of these files, stored as they are: what a compressor makes differs from Python to Python."""
    out = io.BytesIO()
    out.write(_BEGINNING + _DIGEST % 0)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_STORED) as made:
        for path in sorted(files):
            info = zipfile.ZipInfo(path, _EARLIEST)
            info.create_system = 3
            info.external_attr = _MODE
            made.writestr(info, files[path])
    rest = out.getvalue()[len(_BEGINNING + _DIGEST % 0) :]
    return _BEGINNING + b"# " + sha256(_BEGINNING + rest).hexdigest().encode() + b"\n" + rest


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
