"""Whatever a YAML text says, it is read in time of its size, or refused as no YAML."""

from __future__ import annotations

import time
from typing import Final

import pytest
import yaml

from hub.protocol.plain_yaml import DEPTH_MAX, VALUES_MAX, load_yaml
from tests.support.growth import check_growth


def nine(line: str) -> str:
    """Return lines each of which names the one before it nine times."""
    lines = ["a0: &a0 [x]" if "[" in line[:4] else "a0: &a0 {x0: 1}"]
    named = (", ".join([f"*a{at}"] * 9) for at in range(30))
    lines += [f"a{at}: &a{at} {line.replace('N', n).replace('M', str(at))}" for at, n in enumerate(named, 1)]
    return "\n".join(lines)


HOSTILE: Final = {
    "lists of lists": nine("[N]"),
    "merged tables": nine("{<<: [N], xM: 1}"),
    "names itself": "a: &a [*a]",
    "a table in itself": "a: &a {b: *a}",
    "deep lists": "[" * 100_000,
    "deep tables": "{a: " * 50_000,
    "a long number": "a: " + "9" * 6_000,
    "base 60": "a: 1" + ":59" * 20_000,
    "no day": "a: 2001-99-99",
    "no hour": "a: 2001-01-01 99:00:00",
    "a key that is a table": "? {a: b}\n: c",
    "a program": "!!python/object/apply:os.system [true]",
    "many values": "- 1\n" * (VALUES_MAX + 1),
    "no character": "a: \x00",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_at_once(name: str) -> None:
    """It never comes to more values than the limit, nor to an error of another kind."""
    begun = time.process_time()
    with pytest.raises(yaml.YAMLError) as caught:
        load_yaml(HOSTILE[name])
    assert time.process_time() - begun < 10
    assert len(str(caught.value)) < 1_000


def test_depth_has_a_limit_that_is_told_with_the_line() -> None:
    """A text as deep as may be is read; one level more is refused, by its line."""
    for begins, ends in (("[", "]"), ("{a: ", "}")):
        levels = DEPTH_MAX - 1  # what stands in the innermost is a level, too
        assert load_yaml(begins * levels + "b" + ends * levels)
        with pytest.raises(yaml.MarkedYAMLError, match=f"at most {DEPTH_MAX} lists and tables in one another"):
            load_yaml(begins * (levels + 1) + "b" + ends * (levels + 1))


def test_names_and_merged_tables_work() -> None:
    """Who writes settings with them goes on to."""
    said = load_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]")
    assert said == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": [{"x": 1}, {"x": 1}]}


def test_time_grows_with_the_text() -> None:
    """Lists, tables, texts and names."""
    for line in ("- a\n", "- {a: 1}\n", "- &a b\n- *a\n", "# a\n", "- 'a''b'\n"):
        check_growth(lambda size, line=line: line * size, load_yaml, start=64, size_max=1 << 12, refused=yaml.YAMLError)  # type: ignore[misc]
