"""Make the connector alone: `python -m deploy.connector.make [--platform NAME]`.

What comes out has the connector and nothing of HQ, and is the same bytes wherever and whenever it is made:

    dist/cohub-connector-<version>-<platform>.pyz            one file that needs Python alone, which `deploy/pyz` packs
    dist/cohub_connector-<version>-py3-none-any.whl          for whoever has pip and an index of packages

Their SHA-256 goes to dist/SHA256SUMS.
"""

# ruff: noqa: INP001  a script of the repository
from __future__ import annotations

import base64
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.pyz import pack

MODULE: Final = "connectors.cli.main"
NAME: Final = "cohub-connector"
_ENTRY: Final = re.compile(
    r"^(?P<name>[a-z0-9-]+)==[^\s;]+(?: ; (?P<when>[^\\\n]+?))? \\\n(?P<more>(?: .*\n)+)", re.MULTILINE
)
_VIA: Final = re.compile(r"^ +#(?: via| {2}) ([a-z0-9-]+)$", re.MULTILINE)
_SYSTEMS: Final = {
    "linux": ("linux", "Linux", "posix"),
    "macos": ("darwin", "Darwin", "posix"),
    "windows": ("win32", "Windows", "nt"),
}


def libraries(platform: str, python: str) -> tuple[str, ...]:
    """Return the libraries that a connector needs: the base of pyproject.toml, and what the lock says that it needs."""
    lock = (pack.ROOT / "requirements.lock").read_text("utf-8")
    return needed(lock, (Requirement(text).name for text in base()), platform, python)


def base() -> list[str]:
    """Return what pyproject.toml wants for a connector, as pip reads it."""
    return list(_project()["dependencies"])


def needed(lock: str, names: Iterable[str], platform: str, python: str) -> tuple[str, ...]:
    """Return some libraries of a lock file with all that they need, without what is for other systems, by name.

    Shapes: below each library the lock says by which ones it is needed.
    """
    system, architecture = platform.split("-")
    sys_platform, platform_system, os_name = _SYSTEMS[system]
    environment = {
        "sys_platform": sys_platform, "platform_system": platform_system, "os_name": os_name,
        "platform_machine": architecture, "python_version": python, "python_full_version": f"{python}.0",
        "implementation_name": "cpython", "platform_python_implementation": "CPython",
    }  # fmt: skip
    needers = {
        entry["name"]: set(_VIA.findall(entry["more"]))
        for entry in _ENTRY.finditer(lock)
        if entry["when"] is None or Marker(entry["when"]).evaluate(environment)
    }
    found: set[str] = {canonicalize_name(name) for name in names}
    while more := {name for name, by in needers.items() if name not in found and by & found}:
        found |= more
    return tuple(sorted(found))


CONNECTOR: Final = pack.Program(NAME, f"{MODULE}:run_file", libraries, is_compared=False)


def main(arguments: list[str]) -> int:
    """Make both, tell what was made, and return the exit status."""
    given = pack.arguments_of("make connector", "Make the connector alone.", arguments)
    pack.write(given.dist / wheel_name(), wheel())
    pack.make(CONNECTOR, given.platform, given.dist)
    return 0


def wheel_name() -> str:
    """Return the file name of the wheel of this release."""
    return f"{NAME.replace('-', '_')}-{pack.release()}-py3-none-any.whl"


def wheel() -> bytes:
    """Return the bytes of the wheel: the modules of ours that the file has, and what pip has to know."""
    project = _project()
    info = f"{NAME.replace('-', '_')}-{pack.release()}.dist-info/"
    code = {path: data for path, data in pack.our_code(MODULE).items() if ".dist-info/" not in path}
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {NAME}",
        f"Version: {pack.release()}",
        "Summary: A co-center's connector of cohub, without HQ.",
        f"License: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {text}" for text in base()),
    ]
    files = {
        **code,
        f"{info}METADATA": "".join(f"{line}\n" for line in metadata).encode(),
        f"{info}WHEEL": b"Wheel-Version: 1.0\nGenerator: cohub\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}entry_points.txt": f"[console_scripts]\nconnector = {MODULE}:main\n".encode(),
        f"{info}licenses/LICENSE": (pack.ROOT / "LICENSE").read_bytes(),
    }
    files[f"{info}RECORD"] = _record(files, f"{info}RECORD").encode()
    return pack.zipped(files)


def _record(files: Mapping[str, bytes], own: str) -> str:
    """Return the list of a wheel's files, with their digests and sizes; of itself it can say neither."""
    lines = []
    for path, data in sorted(files.items()):
        digest = base64.urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{own},,\n"])


def _project() -> Any:
    return tomllib.loads((pack.ROOT / "pyproject.toml").read_text("utf-8"))["project"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
