"""Whether a connector lives, since when, and how the last one ended: a small file beside the log.

It is no part of the outbox, for it has to be written when that is damaged, or its disk full; whether a process lives
is told by the folder's lock, which ends with it however it ends. The file is written at the start, now and then while
it lives, and at the end: a record without an end, and a lock that nobody holds, is a connector that was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Self

import orjson

from connectors.runtime.lock import lock_of
from connectors.runtime.told import told_of
from hub.base import durable, files
from hub.base.lock import find_holder
from hub.protocol.errors import Malformed
from hub.protocol.moment import read_time, write_time
from schemas.words.said import Said, said

FILE: Final = "cohub/connector.life.json"  # beside the log: no folder that is looked through for sheets
BEAT_S: Final = 15.0
BYTES_MAX: Final = 1 << 20
STOPPED: Final = "stopped"  # because somebody wished it

Standing = Literal["never", "running", "stopped", "ended", "killed"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a connector ended: the name of what happened, and the sentence for it."""

    at: datetime
    code: str
    why: Said

    @property
    def is_wished(self) -> bool:
        """Whether somebody stopped it on purpose, so that nobody is needed."""
        return self.code == STOPPED

    @classmethod
    def by(cls, exc: BaseException | None, now: datetime) -> Self:
        """Return the end that an error is; None: it was stopped, as a cancelled task was."""
        if exc is None or isinstance(exc, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
            return cls(now, STOPPED, said("ends.stopped"))
        why = told_of(exc)
        return cls(now, why.name.rpartition(".")[2], why)


@dataclass(frozen=True, slots=True)
class Life:
    """One run of a connector, as its file tells it."""

    process: int
    started_at: datetime
    seen_at: datetime  # when it was last known to live
    ended: Ended | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the record that `to_bytes` has written. Errors: Malformed."""
        try:
            found = orjson.loads(data)
            end = found["ended"]
            ended = None if end is None else Ended(read_time(end["at"]), end["code"], Said.from_json(end["why"]))
            return cls(int(found["process"]), read_time(found["started_at"]), read_time(found["seen_at"]), ended)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise Malformed(f"{FILE} is no record of a connector's life") from exc

    def to_bytes(self) -> bytes:
        """Return the record as it is kept."""
        ended: dict[str, Any] | None = None
        if self.ended is not None:
            end = self.ended
            ended = {"at": write_time(end.at), "code": end.code, "said": end.why.text(), "why": end.why.to_json()}
        found = {
            "process": self.process,
            "started_at": write_time(self.started_at),
            "seen_at": write_time(self.seen_at),
            "ended": ended,
        }
        return orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n"


@dataclass(frozen=True, slots=True)
class Vital:
    """What is known now of an office's connector."""

    standing: Standing
    life: Life | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        life = self.life
        ended = None if life is None else life.ended
        return {
            "state": self.standing,
            "process": None if life is None or self.standing != "running" else life.process,
            "started_at": None if life is None else write_time(life.started_at),
            "last_true": None if life is None else write_time(life.seen_at),
            "ended_at": None if ended is None else write_time(ended.at),
            "code": None if ended is None else ended.code,
            "reason": None if ended is None else ended.why.text(),
        }


class LifeFile:
    """The record of one office's connector. Who writes it has the folder's lock."""

    def __init__(self, office: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = office / FILE
        self._clock = clock
        self._life: Life | None = None

    def begin(self) -> None:
        """Note that a connector lives from now on; how the last one ended is forgotten."""
        now = self._clock()
        self._put(Life(os.getpid(), now, now))

    async def beat(self) -> None:
        """Note now and then that it lives still, for as long as the task lives."""
        while True:
            await asyncio.sleep(BEAT_S)
            if self._life is not None:
                self._put(replace(self._life, seen_at=self._clock()))

    def has_ended(self) -> bool:
        """Return whether the record says already how this very process ended."""
        life = read_life(self.path.parents[1])
        return life is not None and life.ended is not None and life.process == os.getpid()

    def end(self, exc: BaseException | None) -> Ended:
        """Note how it ended: None, if it was stopped. It may have ended before it began."""
        now = self._clock()
        ended = Ended.by(exc, now)
        self._put(replace(self._life or Life(os.getpid(), now, now), seen_at=now, ended=ended))
        return ended

    def _put(self, life: Life) -> None:
        self._life = life
        with contextlib.suppress(OSError):
            files.make_folder(self.path.parent, under=self.path.parents[1])
        with contextlib.suppress(OSError):  # a full disk: whoever looks is told that the end came without a word
            durable.write(self.path, life.to_bytes(), under=self.path.parents[1])


def read_life(office: Path) -> Life | None:
    """Return the record of an office's connector, None where there is none that can be read."""
    try:
        return Life.from_bytes(files.read(office / FILE, BYTES_MAX, office))
    except (OSError, Malformed):
        return None


def look(office: Path, outbox: Path) -> Vital:
    """Return what is known of an office's connector, for those who look from another process."""
    life = read_life(office)
    if find_holder(lock_of(outbox)) is not None:
        return Vital("running", life)
    if life is None:
        return Vital("never")
    if life.ended is None:
        return Vital("killed", life)
    return Vital("stopped" if life.ended.is_wished else "ended", life)
