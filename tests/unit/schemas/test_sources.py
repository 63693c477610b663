"""docs/domain.md: every stream, and a source for each of its events, statuses and fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub.domain.catalogue import STREAMS
from schemas import sources
from schemas.sources import MARK, PARTS, TARGET, faults, generated, names_of, page, sources_of

ROOT = Path(__file__).parents[3]


def test_nothing_of_a_stream_lacks_its_source() -> None:
    """No event, status or field of any stream, old ones included, and no source that nobody knows or has."""
    assert list(faults()) == []


@pytest.mark.parametrize("part", PARTS)
def test_name_without_a_source_is_found(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Of each part: what is missing, what is too much, and a source that does not exist."""
    said: dict[str, Any] = {name: {**sources_of(name)} for name in STREAMS}
    name = min(names_of(STREAMS["project"])[part])
    said["project"][part] = {other: text for other, text in said["project"][part].items() if other != name}
    said["project"][part]["nothing"] = "hearsay, own: a remark"
    monkeypatch.setattr(sources, "sources_of", said.__getitem__)
    found = list(faults())
    assert found == [
        f"project: {part}: {name} has no source",
        f"project: {part}: there is no nothing",
        "hearsay: this source is not known",
    ]


def test_page_is_up_to_date() -> None:
    """A field that was added, or a source that was changed, stands in the page: `python -m schemas.sources`."""
    assert TARGET.relative_to(ROOT).as_posix() == "docs/domain.md"
    assert TARGET.read_text("utf-8") == page()


def test_page_tells_of_every_stream() -> None:
    """Its own text stands above the mark; below it every stream has its section."""
    own, _, made = TARGET.read_text("utf-8").partition(MARK)
    assert own.startswith("# The domain")
    assert made == generated()
    for stream in STREAMS:
        assert f"\n## `{stream}`: " in made
