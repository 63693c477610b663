"""Saying something in the hq lane, for whoever shares it with other commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from hub.hq.headquarters import Headquarters, HqEvent
from hub.protocol.errors import AgainstRules, Rejected, Retriable
from schemas.words import verdict_text

TRIES: Final = 3
WAIT_S: Final = 0.1

T = TypeVar("T")


async def again(work: Callable[[], Awaitable[T]], tries: int = TRIES) -> T:
    """Return what `work()` gives; what another process writes to just now is asked again. Errors: Retriable at last."""
    for _ in range(tries - 1):
        try:
            return await work()
        except Retriable:
            await asyncio.sleep(WAIT_S)
    return await work()


async def say(headquarters: Headquarters, events: Sequence[HqEvent]) -> None:
    """Append events to the hq lane, once.

    An attempt that was written although its answer was lost is no Retriable: `Headquarters.say` asks the lane. So who
    tries again says nothing twice.
    Errors: AgainstRules with the rule that forbids one of them; Retriable; Fatal where nobody knows.
    """
    await again(lambda: say_once(headquarters, events))


async def say_once(headquarters: Headquarters, events: Sequence[HqEvent], expected_basis: int | None = None) -> None:
    """Do the same, but leave trying again to the caller. Errors: AgainstRules, Retriable, Fatal."""
    try:
        await headquarters.say(events, expected_basis=expected_basis)
    except Rejected as exc:
        place = f" ({' '.join(part for part in (exc.field, exc.params) if part)})" if exc.field or exc.params else ""
        text = f"HQ's own rules reject this: {verdict_text(exc.code, 'en')}{place}; nothing was written"
        raise AgainstRules(text, exc.code, exc.field, exc.params) from exc
