"""A second implementation, written in Go from PROTOCOL.md, passes all vectors; with a mistake put into it, some fail.

The program of tests/interop/go/protocol makes any mistake of mistakes.toml on purpose. A mistake that no vector tells
from the protocol is a hole in the vectors: whoever makes it learns of it from HQ, or never.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.spec import TARGET
from schemas.vectors.make import HERE
from tests.support.interop import PROGRAM, go_program, needs_go

LIST: Final = Path(__file__).with_name("mistakes.toml")
LISTED: Final[dict[str, dict[str, str]]] = tomllib.loads(LIST.read_text("utf-8"))
SURVIVORS: Final = LISTED["survivors"]
MISTAKES: Final = {name: said for section, rows in LISTED.items() if section.isdecimal() for name, said in rows.items()}
CAUGHT_MIN: Final = 0.9


def run_vectors(*mistakes: str) -> dict[str, Any]:
    """Return, for an honest run ('') and for one with each mistake, how many vectors it met and which went wrong."""
    command: list[str | Path] = [go_program("./protocol"), HERE, *mistakes]
    thrifty = os.environ | {"GOGC": "800"}  # it lives for seconds: its garbage may lie
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=120, env=thrifty)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_list_has_every_mistake_that_the_program_can_make() -> None:
    """The list and the program name the same mistakes, each once."""
    source = "".join(path.read_text("utf-8") for path in sorted((PROGRAM / "protocol").glob("*.go")))
    assert set(re.findall(r'wrong\("(\w+)"\)', source)) == set(MISTAKES)
    assert len(MISTAKES) == sum(len(rows) for section, rows in LISTED.items() if section.isdecimal())
    assert len(MISTAKES) >= 66


def test_list_has_a_mistake_of_every_section_that_says_what_to_do() -> None:
    """No section of PROTOCOL.md is left out but the example and the list of what conforms."""
    headings = dict(re.findall(r"^## (\d+)\. (.+)$", TARGET.read_text("utf-8"), re.MULTILINE))
    without = {number for number, title in headings.items() if title in {"A worked example", "Conformance"}}
    assert {section for section in LISTED if section.isdecimal()} == set(headings) - without


@needs_go
def test_another_implementation_passes_every_vector() -> None:
    """What PROTOCOL.md says is enough to read and refuse what the vectors want read and refused."""
    honest = run_vectors()[""]
    assert honest["failed"] == []
    assert honest["cases"] >= 1221


@needs_go
@pytest.mark.long
def test_vectors_catch_the_mistakes() -> None:
    """At least nine of ten mistakes make a vector go wrong; those that don't are listed with the reason."""
    said = run_vectors(*MISTAKES)
    assert said.pop("")["failed"] == []
    caught = {name for name, outcome in said.items() if outcome["failed"]}
    assert set(MISTAKES) - caught == set(SURVIVORS)
    assert all(SURVIVORS.values())
    assert len(caught) >= CAUGHT_MIN * len(MISTAKES)


@needs_go
@pytest.mark.parametrize("name", ["", "no_such_mistake"])
def test_program_without_a_mistake_that_it_knows_is_honest(name: str) -> None:
    """What is caught is the mistake, not that one was asked for."""
    assert run_vectors(name)[name]["failed"] == []
