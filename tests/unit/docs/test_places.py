"""Folders and files that the pages name are there, and README.md's table has every package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = ("README.md", "CONTRIBUTING.md", "schemas/PROTOCOL.md", "deploy/demo/README.md")
_PLACE: Final = re.compile(r"`((?:benchmarks|connectors|deploy|docs|hub|schemas|tests)/[\w./-]+)`")


@pytest.mark.parametrize("page", [*PAGES, *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_places_that_a_page_names_are_there(page: str) -> None:
    """A room that was moved is not looked for where it was."""
    text = (ROOT / page).read_text("utf-8")
    assert [place for place in _PLACE.findall(text) if not (ROOT / place).exists()] == []
    assert [to for to in _links(text) if not (ROOT / page).parent.joinpath(to).exists()] == []


def test_table_of_folders_has_every_package() -> None:
    """Whoever looks for a room finds it in README.md, and what is in it."""
    table = (ROOT / "README.md").read_text("utf-8").split("\n## Where things are\n", 1)[1].split("\n## ", 1)[0]
    named = set()
    for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
        first, *others = re.findall(r"`([\w/]+)`", row)
        folder = first.rpartition("/")[0]
        named |= {first, *(other if (ROOT / other).exists() else f"{folder}/{other}" for other in others)}
    packages = {
        f"{end}/{path.parent.name}" for end in ("hub", "connectors") for path in (ROOT / end).glob("*/__init__.py")
    }
    assert packages <= named
    assert [name for name in named if not (ROOT / name).exists()] == []


def _links(text: str) -> list[str]:
    """Return the files of the repository that a page links to."""
    found = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    return [to for to in found if not to.startswith(("http://", "https://"))]
