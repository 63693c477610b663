"""What people read in Chinese or Russian stands in the catalogue: no module of the product holds such a text.

An English sentence can't be told from a log's line or an error's by looking at it, so none is looked for here. What
guards those are the closed lists: `schemas.words.check` wants a text for every verdict, problem, file, finding and
alarm of both ends by its code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
FOREIGN: Final = re.compile(r"[\u0400-\u04ff\u4e00-\u9fff]")
# Whoever reads people's sheets has to know what they write there; an example of an id shows that any script will do.
READERS: Final = {
    "connectors/mapping/convert.py",
    "connectors/mapping/formed.py",
    "connectors/mapping/moment.py",
    "connectors/mapping/month.py",
    "connectors/mapping/row_words.py",
    "connectors/mapping/unit.py",
    "connectors/mapping/written.py",
    "connectors/source/copy.py",
    "connectors/source/encoding.py",
    "connectors/source/error_text.py",
    "connectors/source/folding.py",
    "connectors/source/plausible.py",
}
EXAMPLES: Final = ("Such as uz:K-12 or kz:З-1",)


def foreign_texts(source: str) -> Iterator[str]:
    """Yield every text of a module in Chinese or Russian that is no docstring."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        said = node.value if isinstance(node, ast.Constant) and id(node) not in docstrings else None
        if isinstance(said, str) and FOREIGN.search(said) and not said.startswith(EXAMPLES):
            yield said


def test_product_holds_no_chinese_or_russian_text() -> None:
    """Translators find every text in one place, and none is forgotten in a module."""
    found = {
        str(path.relative_to(ROOT)): texts
        for package in ("hub", "connectors")
        for path in sorted((ROOT / package).rglob("*.py"))
        if (texts := list(foreign_texts(path.read_text("utf-8"))))
    }
    assert found.keys() == READERS


def test_text_in_code_is_seen_and_a_docstring_is_not() -> None:
    """The walk finds what it looks for."""
    assert list(foreign_texts('"""Пример."""\nsaid = "привет"\nsame = f"{said} 你好"\n')) == ["привет", " 你好"]
