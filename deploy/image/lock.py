"""What requirements.lock pins, and what of it a part of cohub needs: `python lock.py 'cohub[hq,web]'` prints that part.

It needs Python alone, for it runs where nothing is installed yet. Conditions (`; sys_platform == …`) stay with each
library: pip weighs them where it installs.
"""

# ruff: noqa: INP001  a script of the repository
from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROJECT: Final = "cohub"
_ENTRY: Final = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?: ; (?P<when>[^\\\n]+?))? \\\n(?P<more>(?: .*\n)+)", re.MULTILINE
)
_VIA: Final = re.compile(r"^ +#(?: via| {2}) ([a-z0-9-]+)", re.MULTILINE)
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_WANTED: Final = re.compile(r"([A-Za-z0-9-]+)(?:\[([a-z, ]+)\])?")


@dataclass(frozen=True)
class Pinned:
    """One library of the lock. Shapes: `when` is its condition, '' for none; `needed_by` are names."""

    name: str
    version: str
    when: str
    hashes: tuple[str, ...]
    needed_by: frozenset[str]

    def to_text(self) -> str:
        """Return its line for pip."""
        condition = f" ; {self.when}" if self.when else ""
        return " ".join([f"{self.name}=={self.version}{condition}", *(f"--hash=sha256:{one}" for one in self.hashes)])


def pinned(lock: str) -> dict[str, Pinned]:
    """Return every library of a lock file by its name."""
    return {
        found["name"]: Pinned(
            found["name"],
            found["version"],
            found["when"] or "",
            tuple(_HASH.findall(found["more"])),
            frozenset(_VIA.findall(found["more"])),
        )
        for found in _ENTRY.finditer(lock)
    }


def named(wanted: str, project: Mapping[str, Any]) -> list[str]:
    """Return the libraries that a name with extras means: of cohub those that pyproject.toml lists, else itself."""
    match = _WANTED.fullmatch(wanted)
    if match is None:
        raise SystemExit(f"expected a name such as cohub[hq,web], came {wanted}")
    if match[1] != PROJECT:
        return [match[1]]
    extras = [name.strip() for name in (match[2] or "").split(",") if name.strip()]
    texts = [*project["dependencies"], *(text for name in extras for text in project["optional-dependencies"][name])]
    return [re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0].lower().replace("_", "-") for text in texts]


def needed(libraries: Mapping[str, Pinned], names: Iterable[str]) -> list[Pinned]:
    """Return these libraries with all that they need, by name. Errors: SystemExit for one that is not pinned."""
    found = set(names)
    if missing := found - libraries.keys():
        raise SystemExit(f"requirements.lock does not pin {', '.join(sorted(missing))}; `make lock` writes it")
    while more := {one.name for one in libraries.values() if one.name not in found and one.needed_by & found}:
        found |= more
    return [libraries[name] for name in sorted(found)]


def part(wanted: str, folder: Path) -> list[Pinned]:
    """Return what a part of cohub needs, by the files in a folder. Errors: SystemExit."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    libraries = pinned((folder / "requirements.lock").read_text("utf-8"))
    return needed(libraries, named(wanted, project))


if __name__ == "__main__":
    sys.stdout.writelines(one.to_text() + "\n" for one in part(sys.argv[1], Path.cwd()))
