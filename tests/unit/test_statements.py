"""No SQL stands outside of hub/store and the connector's outbox and persons; import-linter has the rule for drivers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
ROOMS: Final = ("hub/store/", "connectors/runtime/outbox/", "connectors/runtime/persons/")
STATEMENT: Final = re.compile(
    r"\s*(SELECT\b.+|INSERT (OR \w+ )?INTO \w|UPDATE \w+ SET |DELETE FROM \w|CREATE (UNIQUE )?(TABLE|INDEX|VIEW) "
    r"|DROP (TABLE|INDEX) |ALTER TABLE |PRAGMA \w|WITH (RECURSIVE )?\w+(\(.*\))? AS|VACUUM$"
    r"|BEGIN( IMMEDIATE)?$|COMMIT$|ROLLBACK$|FROM \w+ (WHERE|JOIN|LEFT JOIN) |WHERE \w+ (=|>|<|IN|BETWEEN) )",
    re.DOTALL,
)
SEEDED: Final = '''
"""SELECT this docstring is none"""
db.execute("SELECT 1")  # 3
name = "lane"
db.execute(f"SELECT {name} FROM x")  # 5
db.execute("UPDATE lane SET size = 1")  # 6
db.execute("BEGIN")  # 7
sql = ("DELETE "
       "FROM lane")  # 8
text = "select a file, then BEGIN again; UPDATE your sheet"
more = f"{name} FROM lane WHERE id = ?"  # 11
'''


def statements(source: str) -> Iterator[int]:
    """Yield the lines of texts that are SQL, or parts of it; docstrings are none."""
    tree = ast.parse(source)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            # What is put in stands for a name; then the whole may be a statement, and each part of it.
            parts = [str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values]
            texts = ["".join(parts), *parts]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            texts = [node.value]
        else:
            continue
        if any(STATEMENT.match(text) for text in texts):
            yield node.lineno


def test_finder_finds_what_was_seeded() -> None:
    """Every seeded statement, and no prose."""
    assert sorted(set(statements(SEEDED))) == [3, 5, 6, 7, 8, 11]


@pytest.mark.parametrize("package", ["hub", "connectors"])
def test_no_statement_outside_of_its_rooms(package: str) -> None:
    """What a module elsewhere asks of a database is a method of hub.store's, or of the outbox's."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        if not path.relative_to(ROOT).as_posix().startswith(ROOMS)
        for line in sorted(set(statements(path.read_text("utf-8"))))
    ]
    assert found == []


def test_rooms_have_statements() -> None:
    """The finder is not blind: what the rooms hold, it finds."""
    for room in ROOMS:
        assert any(list(statements(path.read_text("utf-8"))) for path in (ROOT / room).rglob("*.py")), room
