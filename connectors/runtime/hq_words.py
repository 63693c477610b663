"""What HQ says of how it stands with this center, in the words of the office."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.runtime.notice import Notice
from connectors.runtime.standing import Kept
from hub.protocol.moment import read_time
from hub.protocol.remark import RepeatedIds
from hub.protocol.status import State
from schemas.words import Language
from schemas.words.said import Said, said


def status_said(kept: Kept, *, is_stale: bool = False) -> Said:
    """Return in one sentence how HQ stands with us, since when and why; of what is stale, when it was said."""
    note = kept.note
    state = _state_said(note.state, note.since, note.why)
    return said("hq.stale", at=_local(note.time), state=state) if is_stale else state


def plain_said(hq: Mapping[str, Any]) -> Said:
    """Return the same of what `Kept.plain` has made."""
    state = _state_said(State(hq["state"]), read_time(hq["since"]), hq["why"])
    return said("hq.stale", at=_local(read_time(hq["said_at"])), state=state) if hq["stale"] else state


def _state_said(state: State, since: datetime, why: str) -> Said:
    if state is State.READS and (found := RepeatedIds.read(why)):
        return said("hq.repeated", since=_local(since), count=found.count, epoch=found.epoch, sequence=found.sequence)
    if state is State.READS and why:
        return said("hq.but", since=_local(since), why=why)
    return said(f"hq.{state}", since=_local(since), why=why or "-")


def hq_notice(kept: Kept, language: Language, *, is_stale: bool) -> Notice:
    """Return what stands above the verdicts where HQ does not read the lane."""
    todo = said(f"hq.{kept.note.state}_remedy")
    title = said("hq.title").text(language)
    return Notice("", title, status_said(kept, is_stale=is_stale).text(language), todo.text(language))


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
