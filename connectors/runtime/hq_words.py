"""What HQ says of how it stands with this center, in the words of the office."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.runtime.local_time import show_time
from connectors.runtime.notice import Notice
from connectors.runtime.standing import Kept
from hub.protocol.moment import read_time
from hub.protocol.status import State
from schemas.words import Language
from schemas.words.causes import cause_said, remedy_said
from schemas.words.said import Said, said


def status_said(kept: Kept, *, is_stale: bool = False) -> Said:
    """Return in one sentence how HQ stands with us, since when and why; of what is stale, when it was said."""
    note = kept.note
    state = _state_said(note.state, note.since, note.why)
    return said("hq.stale", at=show_time(note.time), state=state) if is_stale else state


def todo_said(kept: Kept) -> Said | None:
    """Return what the office does about what HQ says; None where there is nothing."""
    note = kept.note
    return _todo_said(note.state, note.why)


def plain_said(hq: Mapping[str, Any]) -> Said:
    """Return in one sentence what `Kept.plain` has made."""
    state, why = State(hq["state"]), hq["why"]
    told = _state_said(state, read_time(hq["since"]), why)
    if hq["stale"]:
        return said("hq.stale", at=show_time(read_time(hq["said_at"])), state=told)
    return told


def plain_todo(hq: Mapping[str, Any]) -> Said | None:
    """Return what the office does about it; None where there is nothing."""
    return _todo_said(State(hq["state"]), hq["why"])


def _todo_said(state: State, why: str) -> Said | None:
    return remedy_said(_line(state, why), "office") if why or state is not State.READS else None


def _line(state: State, why: str) -> str:
    """Return why HQ stands so with us; where it does not say why, its state does if it is the center's own."""
    return why or (state.upper() if state in (State.SUSPENDED, State.CLOSED) else "")


def _state_said(state: State, since: datetime, why: str) -> Said:
    if state is not State.READS:
        return said(f"hq.{state}", since=show_time(since), why=cause_said(_line(state, why)))
    if why:
        return said("hq.but", since=show_time(since), why=cause_said(why))
    return said("hq.reads", since=show_time(since))


def hq_notice(kept: Kept, language: Language, *, is_stale: bool) -> Notice:
    """Return what stands above the verdicts where HQ does not read the lane."""
    todo, title = todo_said(kept), said("hq.title").text(language)
    told = status_said(kept, is_stale=is_stale).text(language)
    return Notice("", title, told, "" if todo is None else todo.text(language))
