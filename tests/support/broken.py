"""A hub's folder whose command is killed on its way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hub.hq.folder import HubFolder


class Broken(HubFolder):
    """A hub's folder whose command is killed: at the n-th opening of HQ's lane, or at the n-th call of the store's."""

    def break_at(self, step: str, nth: int) -> None:
        object.__setattr__(self, "_left", {step: nth})

    def pass_by(self, step: str) -> None:
        left: dict[str, int] = self._left  # type: ignore[attr-defined]
        left[step] = left.get(step, 0) - 1
        if left[step] == 0:
            raise KeyboardInterrupt

    @asynccontextmanager
    async def headquarters(self) -> AsyncIterator[Any]:
        self.pass_by("headquarters")
        async with super().headquarters() as found:
            yield found

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Any]:
        async with super().store() as found:
            yield BrokenStore(self, found)


class BrokenStore:
    """A store that counts what the folder is to be killed at."""

    def __init__(self, where: Broken, store: Any) -> None:
        self.access = BrokenPart(where, store.access)
        self.invitations = BrokenPart(where, store.invitations)


class BrokenPart:
    """A part of it."""

    def __init__(self, where: Broken, part: Any) -> None:
        self._where = where
        self._part = part

    def __getattr__(self, name: str) -> Any:
        self._where.pass_by(name)
        return getattr(self._part, name)
