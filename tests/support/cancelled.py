"""A coroutine that is cancelled where it waits for the n-th time: each place at which that can come, by turns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any


class Cancelled:
    """Awaits what it is given; at its `nth` suspension the task is told to end, as by a deadline or a stop.

    `came` says whether it waited so often.
    """

    def __init__(self, work: Awaitable[Any], nth: int) -> None:
        self._work = work
        self._left = nth
        self.came = False

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
            if self._left == 0:
                self.came = True
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_soon(task.cancel)
            try:
                yield waits_for
            except BaseException as exc:  # noqa: BLE001 - passed on to whoever waits
                thrown = exc


async def cancelled_at(work: Awaitable[Any], nth: int) -> bool:
    """Return whether `work` waited for the n-th time, and was cancelled there."""
    waiting = Cancelled(work, nth)

    async def whole() -> None:
        await waiting

    task = asyncio.ensure_future(whole())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return waiting.came
