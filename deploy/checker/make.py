"""Make the checker of evidence bundles, one file for a platform: `python -m deploy.checker.make [--platform NAME]`.

What comes out is dist/cohub-check-<version>-<platform>.pyz, which `deploy/pyz` packs. Its SHA-256 goes to
dist/SHA256SUMS, and to hub/evidence/checkers.json, which the README of a bundle has it from; that is no part of it.
"""

# ruff: noqa: INP001  a script of the repository
from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from deploy.pyz import pack

# What a check imports, and what that imports; tests/integration/deploy/test_checker.py holds the list to it.
LIBRARIES: Final = (
    "annotated-doc", "annotated-types", "cffi", "cryptography", "fastavro", "orjson", "pydantic", "pydantic-core",
    "rich", "shellingham", "typer", "typing-extensions", "typing-inspection",
)  # fmt: skip
WINDOWS_LIBRARIES: Final = ("colorama",)  # typer wants it there


def libraries(platform: str, _python: str) -> tuple[str, ...]:
    """Return the libraries of the checker for a platform."""
    return (*LIBRARIES, *(WINDOWS_LIBRARIES if platform.startswith("windows") else ()))


CHECKER: Final = pack.Program("cohub-check", "hub.cli.checker:run", libraries, is_compared=True)


def main(arguments: list[str]) -> int:
    """Make the checker, tell what was made, and return the exit status."""
    given = pack.arguments_of("make checker", "Make the checker of evidence bundles.", arguments)
    file = pack.make(CHECKER, given.platform, given.dist)
    record(pack.ROOT / "hub/evidence/checkers.json", {file.name: sha256(file.read_bytes()).hexdigest()})
    return 0


def code_digest() -> str:
    """Return one digest of all of ours that a checker consists of: when it is another, so is every checker."""
    parts = {**pack.our_code(CHECKER.entry), **pack.starts(CHECKER)}
    return sha256("".join(f"{sha256(data).hexdigest()}  {path}\n" for path, data in parts.items()).encode()).hexdigest()


def record(file: Path, made: Mapping[str, str]) -> None:
    """Write what was made to the list that READMEs of bundles are made from; what other code gave leaves it."""
    head = {"release": pack.release(), "code": code_digest()}
    known: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
    kept = known["files"] if head.items() <= known.items() else {}
    file.write_text(json.dumps({**head, "files": dict(sorted({**kept, **made}.items()))}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
