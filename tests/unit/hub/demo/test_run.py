"""The demo's summary has all that HQ has, on a slow machine too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from hub.demo.offices import Office
from hub.demo.run import Patience, until_through
from hub.demo.view import View
from hub.store.read.reads import Reads
from hub.store.read.totals import Totals

HASTY = Patience(quiet_s=0.0, ask_again_s=0.0)


class GrowingHub:
    """What the view reads of HQ: `totals` as a test sets them."""

    def __init__(self, first: Totals) -> None:
        self.now = first
        self.reads = 0

    @contextmanager
    def snapshot(self) -> Iterator[GrowingHub]:
        self.reads += 1
        yield self

    def intakes(self) -> tuple[Any, ...]:
        return ()

    def totals(self) -> Totals:
        return self.now


def finished() -> dict[str, Any]:
    return {"uz": {"totals": {"pending": 0, "backlog": 0}, "files": {}}}


async def test_what_comes_while_the_connectors_are_asked_is_in_the_summary(tmp_path: Path) -> None:
    """Asking takes seconds where cores are busy: the view goes on meanwhile, and has the last of it at the end."""
    hq = GrowingHub(Totals(events=1, entities={"offer": 1}))
    view = View(cast("Reads", hq), began=0.0)

    async def ask() -> dict[str, dict[str, Any] | None]:
        before = hq.reads
        while hq.reads < before + 2:
            await asyncio.sleep(0.01)
        hq.now = Totals(events=3, entities={"offer": 2, "deal": 1})
        return finished()

    await until_through(view, [Office("uz", tmp_path)], ask, HASTY)
    assert view.entities == {"offer": 2, "deal": 1}


async def test_what_is_not_published_yet_is_waited_for(tmp_path: Path) -> None:
    """That every connector has its answers is not the end: what HQ decided must be out."""
    hq = GrowingHub(Totals(events=1, entities={"offer": 1}))
    view = View(cast("Reads", hq), began=0.0)
    decided = Totals(events=2, entities={"offer": 2}, published_backlog=1)
    asked = 0

    async def ask() -> dict[str, dict[str, Any] | None]:
        nonlocal asked
        asked += 1
        if asked == 1:
            hq.now = decided
            asyncio.get_running_loop().call_later(0.1, publish)
        return finished()

    def publish() -> None:
        hq.now = decided.model_copy(update={"published_backlog": 0})

    await until_through(view, [Office("uz", tmp_path)], ask, HASTY)
    assert asked == 2
