"""Pure packages do no I/O, read no clock, draw no random number: by their calls, where import-linter sees modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PURE: Final = (
    "hub/protocol",
    "hub/domain",
    "hub/ledger",
    "hub/kafka/desired.py",
    "hub/kafka/rights.py",
    "connectors/mapping",
    "connectors/propose",
    "connectors/reconcile",
    "connectors/runtime/course.py",
    "connectors/runtime/lane_window.py",
    "connectors/runtime/registry.py",
    "connectors/runtime/witness.py",
)
BUILTINS: Final = {"open", "print", "input", "breakpoint"}
CLOCKS: Final = {"now", "utcnow", "today"}  # of datetime and date, however they were imported
MODULES: Final = {
    "time",
    "random",
    "secrets",
    "os",
    "pathlib",
    "socket",
    "subprocess",
    "tempfile",
    "shutil",
    "threading",
}
CALLS: Final = {
    "schemas.read",
    "schemas.every",
    "schemas.paths",
    "importlib.resources",
    "uuid.uuid1",
    "uuid.uuid4",
    "io.open",
    "sys.stdin",
    "sys.stdout",
    "sys.stderr",
    "asyncio.sleep",
    "logging.getLogger",
}

SEEDED: Final = """
import time, random as chance, os.path, uuid, io, datetime as dt, sys
from datetime import datetime, timezone
from pathlib import Path
from uuid import uuid4 as fresh
from secrets import token_bytes
import schemas
from importlib.resources import files

def impure(record, time_of):
    datetime.now(timezone.utc)  # 11
    dt.date.today()  # 12
    time.monotonic()  # 13
    chance.random()  # 14
    uuid.uuid1()  # 15
    fresh()  # 16
    token_bytes(8)  # 17
    os.urandom(8)  # 18
    open("x")  # 19
    io.open("x")  # 20
    Path("x")  # 21
    print("x")  # 22
    input()  # 23
    record.key or default(clock=time.time)  # 24
    sys.stdout.write("x")  # 25
    schemas.read("x")  # 26
    files("x")  # 27

def pure(record, random, time):
    random.decode()
    time.decode("utf-8")
    record.open()
    io.BytesIO(b"x")
    uuid.UUID(bytes=record)
    "print(now)"
"""


def imported(tree: ast.AST) -> dict[str, str]:
    """Return what each imported name of a module stands for, in full."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def impurities(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and full name of every use of a clock, of chance, or of the world outside."""
    tree = ast.parse(source)
    names = imported(tree)

    def visit(node: ast.AST, hidden: frozenset[str]) -> Iterator[tuple[int, str]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            given = node.args
            every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            hidden |= {argument.arg for argument in every if argument is not None}
        if isinstance(node, ast.Attribute | ast.Name):
            written = ast.unparse(node)
            first, _, rest = written.partition(".")
            if first not in hidden:
                full = f"{names.get(first, first)}.{rest}".rstrip(".")
                if _is_impure(full, is_imported=first in names):
                    yield node.lineno, full
                    return  # its parts are the same use
        for child in ast.iter_child_nodes(node):
            yield from visit(child, hidden)

    yield from visit(tree, frozenset())


def _is_impure(full: str, *, is_imported: bool) -> bool:
    if not is_imported:
        return full in BUILTINS
    if full.partition(".")[0] in MODULES:
        return True
    if full.startswith("datetime.") and full.rpartition(".")[2] in CLOCKS:
        return True
    return any(full == call or full.startswith(call + ".") for call in CALLS)


def files() -> list[Path]:
    found: list[Path] = []
    for name in PURE:
        place = ROOT / name
        found += [place] if place.is_file() else sorted(place.rglob("*.py"))
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_module_uses_no_clock_no_chance_and_no_file(path: Path) -> None:
    """Time, ids and bytes are arguments of what decides."""
    assert list(impurities(path.read_text("utf-8"))) == []


def test_every_seeded_impurity_is_found_and_nothing_else() -> None:
    """The walk sees through aliases and from-imports, and lets a parameter of the same name be."""
    assert [line for line, _ in impurities(SEEDED)] == list(range(11, 28))


@pytest.mark.parametrize("name", PURE)
def test_each_pure_place_is_there(name: str) -> None:
    """A package that was renamed must not drop out of the walk."""
    assert any(path.is_relative_to(ROOT / name) for path in files())
