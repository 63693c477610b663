"""README.md shows what the commands really print."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[3]
STATES = ("accepted", "refused", "rejected", "unchanged", "blank")


def block(name: str) -> str:
    """Return the text between a README's marks."""
    found = re.search(
        rf"<!-- {name} -->\n```\n(.*?)```\n<!-- /{name} -->", (ROOT / "README.md").read_text("utf-8"), re.DOTALL
    )
    assert found, f"README.md has no block {name}"
    return found[1]


def test_demo_in_the_readme_counts_what_the_demo_network_holds() -> None:
    """The table of rows in README.md is the one that the demo's files give."""
    expected = json.loads((ROOT / "deploy/demo/expected.json").read_text("utf-8"))
    lines = [line.split() for line in block("demo").splitlines()]
    centers = next(line for line in lines if sorted(line) == sorted([*expected, "all"]))
    table = {line[0]: dict(zip(centers, line[1:], strict=True)) for line in lines if len(line) == len(centers) + 1}
    for center, files in expected.items():
        counts: Counter[str] = Counter()
        for said in files.values():
            counts["rows"] += said["rows"]
            for state in STATES:
                counts[state] += said[state]["rows"] if isinstance(said[state], dict) else said[state]
        assert {s: int(table[s][center]) for s in ("rows", *STATES, "pending")} == {
            **{s: counts[s] for s in ("rows", *STATES)},
            "pending": 0,
        }
