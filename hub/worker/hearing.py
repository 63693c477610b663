"""Whether HQ has heard its witnesses since it started: before that the notary signs nothing.

A database that was put back from a copy looks like any other from within. Two things tell: what centers have cosigned
and this database has not read yet, and what they say when they see that HQ's log ends before what they stand by. So a
notary that starts waits

    until every witness's topic is read up to where it ended at the start; not for one whose position stands still
    until whoever has cosigned before has written anything new, and a few seconds more; but not for long, since an
        office may be closed for weeks

A new hub, and one whose log nobody ever cosigned, waits for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from hub.protocol.topics import topic_in
from hub.store.log_rows import Heard

log = structlog.get_logger(__name__)

STILL_S: Final = 10.0  # a lane whose position stands still for so long may wait for a seal: nobody waits for it
ANSWER_S: Final = 5.0  # from a witness's first word to its cosignature: it reads the whole topic in between

Ends = Callable[[Collection[str]], Awaitable[Mapping[str, tuple[int, int]]]]


@dataclass(frozen=True, slots=True)
class _Begun:
    """Where the topics ended when we began to listen, and when that was."""

    ends: Mapping[str, int]
    at_s: float


class Hearing:
    """Asked before each checkpoint, until it has said once that HQ has heard what there was to hear.

    `hearing` gives how far each witness is heard, `ends` where topics end; `wait_s` is how long nobody is waited for
    any more. Errors: Retriable of either.
    """

    def __init__(
        self,
        hearing: Callable[[], Awaitable[Mapping[str, Heard]]],
        ends: Ends,
        wait_s: float,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hearing = hearing
        self._ends = ends
        self._wait_s = wait_s
        self._monotonic_s = monotonic_s
        self._begun: _Begun | None = None
        self._behind: Mapping[str, int] = {}
        self._moved_s = 0.0
        self._all_spoke_s: float | None = None
        self._is_done = False

    async def is_done(self) -> bool:
        """Return whether the notary may sign."""
        if not self._is_done:
            self._is_done = await self._listen()
        return self._is_done

    async def _listen(self) -> bool:
        heard = {center: each for center, each in (await self._hearing()).items() if each.reads}
        if not any(each.cosigned or each.position is not None for each in heard.values()):
            return True
        now_s = self._monotonic_s()
        if self._begun is None:
            ends = await self._ends([topic_in(center) for center in heard])
            self._begun = _Begun({topic: end for topic, (_, end) in ends.items()}, now_s)
            log.info("notary_listens", witnesses=len(heard), wait_s=self._wait_s)
        # Of those alone who are behind: whoever has come to the end goes on for as long as the hub lives.
        behind = {c: at for c, each in heard.items() if (at := each.position or 0) < self._end(self._begun, c)}
        if behind != self._behind:
            self._behind, self._moved_s = behind, now_s
        if behind and now_s - self._moved_s < STILL_S:
            return False
        if now_s - self._begun.at_s >= self._wait_s:
            return True
        # A center's topic that is not there yet has no end: whoever writes into it has spoken.
        silent = [c for c, each in heard.items() if each.cosigned and (each.position or 0) <= self._end(self._begun, c)]
        if not silent:
            self._all_spoke_s = now_s if self._all_spoke_s is None else self._all_spoke_s
            return now_s - self._all_spoke_s >= ANSWER_S or not any(each.cosigned for each in heard.values())
        return False

    @staticmethod
    def _end(begun: _Begun, center: str) -> int:
        return begun.ends.get(topic_in(center), 0)
