"""The import rules of pyproject.toml catch what they are there for, and no package of ours is outside of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("hub", "connectors", "schemas")

# What each contract is to catch, one line at the end of one module each.
SEEDS: Final = (
    ("The hub's imports point one way", "hub.store.rows", "hub.hq.folder"),
    ("Replay, audit and evidence send nothing", "hub.replay.fold", "hub.base.kafka"),
    ("Replay, audit and evidence send nothing", "hub.audit.walk", "hub.base.diagnosis"),
    ("Replay, audit and evidence send nothing", "hub.evidence.select", "hub.base.clients"),
    ("Replay, audit and evidence send nothing", "hub.replay.diff", "hub.kafka.sending"),
    ("Replay, audit and evidence send nothing", "hub.audit.verify", "aiokafka"),
    ("Use cases and reads parse no arguments", "hub.hq.lanes", "typer"),
    ("The hub never imports connectors", "hub.worker.service", "connectors.mapping.compiled"),
    ("Connectors import the protocol", "connectors.runtime.notice", "hub.store.rows"),
    ("The connectors' imports point one way", "connectors.reconcile", "connectors.runtime.sender"),
    ("The connectors' imports point one way", "connectors.mapping.model", "connectors.propose.facts"),
    ("The pure packages do no I/O", "connectors.mapping.compiled", "hub.base.durable"),
    ("The pure packages do no I/O", "connectors.runtime.course", "hub.base.clients"),
    ("The pure packages do no I/O", "connectors.propose.facts", "schemas"),
    ("The pure packages do no I/O", "hub.protocol.leaf", "sqlite3"),
    ("Databases are read and written in hub.store alone", "connectors.runtime.sender", "sqlite3"),
    ("Databases are read and written in hub.store alone", "connectors.runtime.daemon", "sqlalchemy"),
    ("Databases are read and written in hub.store alone", "hub.hq.lookup", "sqlite3"),
    ("Databases are read and written in hub.store alone", "hub.web.registered", "sqlalchemy"),
    ("What strangers reach over HTTPS signs nothing", "hub.web.routes", "hub.hq.headquarters"),
    ("What strangers reach over HTTPS signs nothing", "hub.web.service", "hub.store.sqlite"),
    ("HTTP is spoken in hub.web alone", "hub.worker.again", "starlette"),
    ("HTTP is spoken in hub.web alone", "connectors.runtime.link", "h11"),
    ("Connectors import the protocol", "connectors.runtime.link", "hub.web.posted"),
    ("A worker knows the store by its ports alone", "hub.worker.again", "hub.store.sql_publication"),
)


def contracts() -> list[dict[str, Any]]:
    """Return the contracts as pyproject.toml has them."""
    found: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    return found


def contract(begin: str) -> dict[str, Any]:
    """Return the contract whose name begins like this."""
    (found,) = (contract for contract in contracts() if contract["name"].startswith(begin))
    return found


def packages(root: str) -> set[str]:
    """Return the packages right below one of ours."""
    return {f"{root}.{path.parent.name}" for path in (ROOT / root).glob("*/__init__.py")}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what import-linter says of our packages with every seed in them, line ends and all in one."""
    tree = tmp_path_factory.mktemp("seeded")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=lambda _, names: [n for n in names if not is_code(n)])
    shutil.copy(ROOT / "pyproject.toml", tree)
    for _, module, imported in SEEDS:
        place = tree / module.replace(".", "/")
        path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        path.write_text(f"{path.read_text('utf-8')}\nimport {imported}\n", "utf-8")
    command = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "COLUMNS": "500", "PYTHONPATH": str(tree)}
    done = subprocess.run(
        [command, "--no-cache"], cwd=tree, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def is_code(name: str) -> bool:
    """Return whether a file or folder is copied: Python's own, and the folders that it is in."""
    return name.endswith(".py") or ("." not in name and name != "__pycache__")


@pytest.mark.parametrize(("name", "module", "imported"), SEEDS)
def test_seeded_import_is_caught_by_its_contract(report: str, name: str, module: str, imported: str) -> None:
    """Without the rule a room could reach what it must not, and nobody would hear of it."""
    assert any(line.strip(" -").startswith(f"{module} -> {imported} ") for line in section(report, name)), report


def section(report: str, name: str) -> list[str]:
    """Return the lines that are said of a broken contract, whose title begins with `name`, to the next title."""
    lines = report.partition("Broken contracts")[2].splitlines()
    titles = [n for n, line in enumerate(lines) if n + 1 < len(lines) and set(lines[n + 1].strip()) == {"-"}]
    begins = next((n for n in titles if lines[n].strip().startswith(name)), len(lines))
    ends = next((n for n in titles if n > begins), len(lines))
    return lines[begins:ends]


def test_every_contract_has_a_seed() -> None:
    """A contract that catches nothing is none."""
    for found in contracts():
        assert any(found["name"].startswith(name) for name, _, _ in SEEDS), found["name"]


def test_every_package_is_in_the_lists_that_are_about_all_of_them() -> None:
    """A package that is new must not be outside of a rule because nobody thought of its list."""
    hub, connectors = packages("hub"), packages("connectors")
    layers = {name.strip() for layer in contract("The hub's imports")["layers"] for name in layer.split("|")}
    assert layers == hub
    assert {
        name.strip() for layer in contract("The connectors' imports")["layers"] for name in layer.split(":")
    } == connectors
    shared = {"hub.protocol", "hub.domain", "hub.base"}
    assert set(contract("Connectors import")["forbidden_modules"]) == hub - shared
    assert set(contract("Databases")["source_modules"]) == (hub | connectors | {"schemas"}) - {"hub.store"}
    assert set(contract("Databases")["ignore_imports"]) == {
        f"connectors.runtime.{room}.** -> sqlite3" for room in ("outbox", "persons")
    }
