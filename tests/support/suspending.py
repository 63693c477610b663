"""A store that really waits: other tasks run for a random while before and behind every answer.

What an engine in this process answers within a turn or two takes a network's time elsewhere. Whoever relies on nobody
coming between a question and the next line is found by this, and again by its seed.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from functools import wraps
from typing import Any

PARTS = ("log", "topics", "access", "invitations", "repeats", "owed")
TURNS_MAX = 12
LONG_S = 0.4  # now and then a call waits for a lock, or for its network


class Suspending:
    """Stands before a store, or a part of one; Shapes: `chance` decides how long each call waits."""

    def __init__(self, asked: Any, chance: random.Random, *, waits: bool = False) -> None:
        self._asked = asked
        self._chance = chance
        self._waits = waits
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._asked, name)
        if name in PARTS and not inspect.iscoroutinefunction(found):  # `owed` also has a call of its own name
            part = Suspending(found, self._chance, waits=self._waits)
            setattr(self, name, part)
            return part
        if not inspect.iscoroutinefunction(found):
            return found

        @wraps(found)
        async def suspended(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            await self._suspend()
            answer = await found(*arguments, **named)
            await self._suspend()
            return answer

        return suspended

    async def _suspend(self) -> None:
        if self._waits and self._chance.random() < 0.1:
            await asyncio.sleep(self._chance.random() * LONG_S)
        for _ in range(self._chance.randrange(TURNS_MAX)):
            await asyncio.sleep(0)
