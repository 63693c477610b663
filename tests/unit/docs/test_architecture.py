"""ARCHITECTURE.md is true where that can be checked: rooms, layers, purity, words, paths, sizes of files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[3]
TEXT: Final = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
CONTRACTS: Final[dict[str, dict[str, Any]]] = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
}
SHARED: Final = {"hub.base", "hub.domain", "hub.protocol"}  # what connectors may import of the hub
LINES_MAX: Final = 400


def packages(top: str) -> set[str]:
    """Return the packages right below a top-level package, as they are imported."""
    return {f"{top}.{path.parent.name}" for path in (ROOT / top).glob("*/__init__.py")}


def rooms() -> dict[str, str]:
    """Return each room of the table with what stands in its column `pure`."""
    found: dict[str, str] = {}
    for names, pure in re.findall(r"^\| (`[a-z/`, _]+`) \|([^|]*)\|", TEXT, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", names):
            found[name.replace("/", ".")] = pure.strip()
    return found


def contract(beginning: str) -> dict[str, Any]:
    """Return the import contract whose name begins so."""
    (found,) = (value for name, value in CONTRACTS.items() if name.startswith(beginning))
    return found


def named(layers: list[str]) -> set[str]:
    return {part.strip() for layer in layers for part in re.split(r"[|:]", layer)}


def test_every_package_is_a_room_of_the_table() -> None:
    """A reader finds each package's promise, and no room that is gone."""
    there = packages("hub") | packages("connectors")
    told = {room for room in rooms() if room.startswith(("hub.", "connectors."))}
    assert told == there


def test_every_package_has_its_layer() -> None:
    """A package that no contract names could import anything."""
    assert named(contract("The hub's imports")["layers"]) == packages("hub")
    assert named(contract("The connectors' imports")["layers"]) == packages("connectors")


def test_connectors_are_kept_from_all_of_the_hub_but_what_is_shared() -> None:
    """A new package of the hub is closed to connectors until somebody opens it."""
    assert set(contract("Connectors import")["forbidden_modules"]) == packages("hub") - SHARED


def test_pure_rooms_are_the_pure_packages_of_the_contract() -> None:
    """What the table calls pure is what is checked; a part of a room is named in its column."""
    told = set()
    for room, pure in rooms().items():
        if pure == "✓":
            told.add(room)
        told |= {f"{room}.{part}" for part in re.findall(r"`([a-z_]+)`", pure)}
    assert told == set(contract("The pure packages")["source_modules"])


def test_layers_stand_in_the_text_as_they_are_checked() -> None:
    """The order that a reader learns is the order that CI checks."""
    layers = [" | ".join(sorted(p.strip().removeprefix("hub.") for p in layer.split("|"))) for layer in
              reversed(contract("The hub's imports")["layers"])]  # fmt: skip
    assert "`" + " ← ".join(layer.replace(" | ", ", ") for layer in layers) + "`" in TEXT


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`((?:hub|connectors|schemas|tests|docs|deploy)/[\w/.*-]+)`", TEXT)))
)
def test_path_in_the_text_is_there(name: str) -> None:
    """Whoever follows a path arrives."""
    assert list(ROOT.glob(name)) or list(ROOT.glob(name + ".py")), name


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)", TEXT))))
def test_link_in_the_text_leads_somewhere(link: str) -> None:
    """No decision is named that was not written."""
    assert (ROOT / link).exists(), link


def test_every_decision_is_named() -> None:
    """A reader finds each ADR from the text."""
    assert [path.name for path in sorted((ROOT / "docs/adr").glob("0*.md")) if path.name not in TEXT] == []


def test_no_file_is_entered_twice_on_a_walk() -> None:
    """A record's way and a row's way lead forward: what is left behind is not needed again."""
    walks = re.findall(r"<!-- walk -->\n(.*?)<!-- /walk -->", TEXT, re.DOTALL)
    assert len(walks) == 2
    for walk in walks:
        entered = re.findall(r"`((?:hub|connectors)/[\w/]+\.py)`", walk)
        assert len(entered) > 9
        assert sorted(set(entered)) == sorted(entered)


def test_no_file_is_two_rooms() -> None:
    """A file over 400 lines is two."""
    long = []
    for top in ("hub", "connectors", "schemas", "tests", "benchmarks", "deploy"):
        for path in sorted((ROOT / top).rglob("*.py")):
            lines = path.read_text("utf-8").splitlines()
            if len(lines) > LINES_MAX:
                long.append(f"{path.relative_to(ROOT)}: {len(lines)}")
    assert long == []
