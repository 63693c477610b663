"""A coroutine that stands still where it waits for the n-th time, as a process that was stopped: others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any


class Frozen:
    """Awaits what it is given; at its `nth` suspension nothing of it goes on until `thaw` is set.

    What its deadlines, or who cancels it, would have told it meanwhile it hears behind that. `is_frozen` is set once it
    stands still.
    """

    def __init__(self, work: Awaitable[Any], nth: int) -> None:
        self._work = work
        self._left = nth
        self.is_frozen, self.thaw = asyncio.Event(), asyncio.Event()

    def __await__(self) -> Generator[Any, Any, Any]:
        """See Awaitable."""
        steps = self._work.__await__()
        thrown: BaseException | None = None
        while True:
            try:
                waits_for = next(steps) if thrown is None else steps.throw(thrown)
            except StopIteration as done:
                return done.value
            thrown = None
            self._left -= 1
            try:
                yield waits_for
            except BaseException as exc:  # noqa: BLE001 - passed on to whoever waits
                thrown = exc
            if self._left == 0:
                self.is_frozen.set()
                while not self.thaw.is_set():
                    try:
                        yield from self.thaw.wait().__await__()
                    except BaseException as exc:  # noqa: BLE001 - so is this, once there is somebody to hear it
                        thrown = exc


async def whole(work: Awaitable[Any]) -> None:
    """Await it in a task of its own."""
    await work
