"""Views brought up to the ledger's end, and held there: one reading of the ledger for all that stand at the same place.

A view that is new, has another version or was told to be rebuilt is built beside the one that is asked, which goes on
meanwhile; when it has come to the end it takes its place. Whoever is stopped goes on from the cursors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hub.deriving.changes import Changes
from hub.protocol.errors import Retriable
from hub.replay.source import Ledger
from hub.store.opener import Place
from hub.store.rows import StoredLane
from hub.store.view_store import Build, Overtaken, ViewStore, Work
from hub.views.view import Facts, View, key_of

PAGE: Final = 2_000  # events that one transaction takes, about

Tick = Callable[[int], None]


def _untold(_events: int) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class _Crew:
    """Builds that are taken on together, and how far each lane was taken for each of them."""

    builds: list[Build]
    cursors: dict[int, dict[int, int]]  # by the build's number, by lane
    changes: Changes

    def at(self, lane: StoredLane) -> int:
        """Return from where a lane has to be read."""
        return min(self.cursors[build.number].get(lane.id, 0) for build in self.builds)


class Runner:
    """Keeps views up to date. For one task; `place` is the hub's database."""

    def __init__(self, place: Place, store: ViewStore, views: Sequence[View], tick: Tick = _untold) -> None:
        self._place = place
        self._store = store
        self._views = views
        self._tick = tick
        self._ledger: Ledger | None = None
        self._crews: dict[bool, _Crew] | None = None  # by whether its builds are asked
        self._upto: Mapping[int, int] | None = None  # how far lanes are read, where that is not to their ends

    async def rebuild(self, names: Sequence[str]) -> None:
        """Begin to build these views anew, beside those that are asked. Errors: as a Store's."""
        await self._store.settle()
        for view in self._views:
            if view.name in names:
                await self._store.begin(view)
        self._crews = None

    async def catch_up(self, upto: Mapping[int, int] | None = None) -> None:
        """Go on until every view is at the end that the ledger has now, and is the one that is asked.

        Shapes: `upto` are other ends, by lane; a lane that is not in it is not read.
        Errors: as a Store's, Ledger's.
        """
        self._upto = upto
        self._renew()
        while await self._step():
            pass

    async def step(self) -> bool:
        """Look at what is new, and take a page of it; return whether there may be more. Errors: as `catch_up`."""
        self._upto = None
        self._renew()
        return await self._step()

    def close(self) -> None:
        """Close the ledger. Idempotent."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def _renew(self) -> None:
        self._ledger = Ledger.open(self._place) if self._ledger is None else self._ledger.now()
        for crew in (self._crews or {}).values():
            crew.changes.renew(self._ledger)

    async def _step(self) -> bool:
        try:
            crews = await self._gathered()
            more = False
            for is_live in (True, False):  # those that are asked come first
                crew = crews.get(is_live)
                if crew is not None:
                    more |= await self._take(crew)
            return more | await self._finish(crews)
        except (Overtaken, Retriable):
            self._crews = None  # nobody knows what was done: the cursors say it
            raise

    async def _gathered(self) -> dict[bool, _Crew]:
        """Return the crews; a view without a build of its version gets one."""
        if self._crews is None:
            await self._store.settle()
            builds = await self._store.builds(self._views)
            built = {build.view for build in builds}
            builds += [await self._store.begin(view) for view in self._views if view not in built]
            self._crews = {}
            for is_live in (True, False):
                await self._put(is_live, [build for build in builds if build.is_live == is_live])
        return self._crews

    async def _put(self, is_live: bool, builds: list[Build]) -> None:  # noqa: FBT001 - it says which of two crews
        assert self._ledger is not None
        assert self._crews is not None
        self._crews.pop(is_live, None)
        if builds:
            cursors = {build.number: await self._store.cursors(build) for build in builds}
            streams = frozenset[str]().union(*(build.view.streams for build in builds))
            self._crews[is_live] = _Crew(builds, cursors, Changes(self._ledger, streams))

    async def _take(self, crew: _Crew) -> bool:
        """Take a page of what is new, of all lanes; return whether more is there."""
        assert self._ledger is not None
        said: dict[int, dict[str, list[tuple[int, Facts]]]] = {build.number: {} for build in crew.builds}
        read: dict[int, tuple[int, int]] = {}
        room = PAGE
        for lane in self._ledger.lanes:
            after = crew.at(lane)
            if after >= self._end(lane) or not room:
                continue
            upto = min(self._end(lane), after + room)
            room -= upto - after
            read[lane.id] = (after, upto)
            for change in crew.changes.of(lane, after + 1, upto):
                entity = key_of(change.after.stream, change.after.id)
                for build in crew.builds:
                    is_new = change.sequence > crew.cursors[build.number].get(lane.id, 0)
                    if is_new and change.after.stream in build.view.streams:
                        facts = build.view.facts_of(change.after)
                        said[build.number].setdefault(entity, []).append((change.at_us, facts))
        if not read:
            return False
        for build in crew.builds:
            cursors = crew.cursors[build.number]
            moves = {
                lane: (cursors.get(lane, 0), upto) for lane, (_, upto) in read.items() if cursors.get(lane, 0) < upto
            }
            await self._store.take(build, Work(said[build.number], moves))
            cursors.update({lane: upto for lane, (_, upto) in moves.items()})
        self._tick(sum(upto - after for after, upto in read.values()))
        return not room

    def _end(self, lane: StoredLane) -> int:
        return lane.size if self._upto is None else min(lane.size, self._upto.get(lane.id, 0))

    async def _finish(self, crews: dict[bool, _Crew]) -> bool:
        """Let those that have come to the end be the ones that are asked; return whether any has."""
        assert self._ledger is not None
        crew = crews.get(False)
        if crew is None or any(crew.at(lane) < self._end(lane) for lane in self._ledger.lanes):
            return crew is not None
        for build in crew.builds:
            await self._store.make_live(build)
        self._crews = None
        return True
