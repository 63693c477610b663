"""`hub replay as-of` and `hub replay diff`: the state at another time, and what changed between two."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.base.output import as_json, hanging, line, note, table
from hub.base.shell import quote
from hub.cli.options import DataDir, Json, hub_folder
from hub.cli.replay.subject import (
    EntityId,
    Happened,
    Limit,
    Stream,
    at,
    json_array,
    lane_name,
    limited,
    moment,
    open_ledger,
    shown,
    subject,
    written,
)
from hub.cli.show import title
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from hub.replay.asof import State
    from hub.replay.diff import Difference

TIME = "RFC 3339 with offset, or a date (the end of that day, UTC), or now."
FIELD_SHOWN_MAX = 4_000
Time = Annotated[str, typer.Argument(metavar="T", help=TIME)]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("as-of")(as_of)
    app.command("diff")(diff)


def as_of(
    ctx: typer.Context,
    time: Time,
    stream: Stream = None,
    entity_id: EntityId = None,
    happened: Happened = False,
    limit: Limit = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show one entity, a stream or everything as HQ knew it at T, or of what had happened by T.

    Examples: hub replay as-of 2026-03-01T12:00:00+08:00 offer uz:K-12 · hub replay as-of 2026-03-01 deal --happened
    """
    from hub.replay.asof import AsOf
    from hub.replay.chain import newest
    from hub.replay.decoding import Decoder

    when = moment(time)
    if when > datetime.now(UTC) and not happened:
        note(f"{at(when)} is yet to come: this is what HQ knows now")
    with open_ledger(hub_folder(ctx, data_dir)) as ledger:
        streams, found_id = subject(ledger, stream, entity_id)
        state = AsOf(ledger, Decoder(ledger), when, happened=happened)
        if found_id:
            newest_known = newest(ledger, streams[0], found_id)
            found = state.entity(newest_known) if newest_known else None
            if found is None:
                raise UsageError(_not_there(streams[0], found_id, when, happened=happened))
            _one(found, when, json=json)
            return
        states = (found for name in streams for found in state.all(name))
        if json:
            json_array((found.as_dict() for found in states), limit)
            return
        rows = [_row(found) for found in limited(states, limit)]
        if not rows:
            line(f"{'nothing had happened' if happened else 'HQ knew of nothing'} at {at(when)}")
            return
        table(
            f"{'what had happened' if happened else 'as HQ knew it'} at {at(when)}",
            ["stream", "id", "status", "version", "last event recorded", "what"],
            rows,
            right=["version"],
        )


def _row(found: State) -> list[Any]:
    entity = found.entity
    return [
        entity.stream,
        written(entity.id),
        entity.status,
        entity.version,
        found.recorded_at,
        title(entity.record),
    ]


def _not_there(stream: str, entity_id: str, when: datetime, *, happened: bool) -> str:
    what = "nothing of it had happened" if happened else "HQ had accepted nothing of it"
    name = f"{stream} {written(entity_id)}"
    return f"{name}: {what} at {at(when)}; `hub replay history {quote(stream)} {quote(written(entity_id))}` shows when"


def _one(found: State, when: datetime, *, json: bool) -> None:
    if json:
        as_json(found.as_dict())
        return
    entity = found.entity
    line(f"{entity.stream} {written(entity.id)}  {entity.status}, version {entity.version}, at {at(when)}")
    line(f"after event {found.sequence} of {lane_name(found.origin)}, recorded {at(found.recorded_at)}")
    line(f"which happened {at(found.occurred_at)}; digest {found.digest.hex()}")
    if found.left_out:
        many = "1 event before that one is" if found.left_out == 1 else f"{found.left_out} events before that one are"
        note(f"{many} left out: not yet happened by then")
    document = found.as_dict()
    for part in ("record", "changed"):
        values = (document[part] or {}).items()
        rows = [[name, shown(value, FIELD_SHOWN_MAX)] for name, value in values if value not in (None, [])]
        if rows:
            table(part, ["field", "value"], rows)


def diff(
    ctx: typer.Context,
    time_1: Annotated[str, typer.Argument(metavar="T1", help=TIME)],
    time_2: Annotated[str, typer.Argument(metavar="T2", help=TIME)],
    stream: Stream = None,
    entity_id: EntityId = None,
    happened: Happened = False,
    limit: Limit = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List what changed from T1 to T2, by entity and field.

    Examples: hub replay diff 2026-02-28 2026-03-31 deal · hub replay diff 2026-03-01T12:00:00Z now uz:K-12
    """
    from hub.replay.asof import AsOf
    from hub.replay.decoding import Decoder
    from hub.replay.diff import diff as differences

    before_at, after_at = moment(time_1), moment(time_2)
    with open_ledger(hub_folder(ctx, data_dir)) as ledger:
        streams, found_id = subject(ledger, stream, entity_id)
        decoder = Decoder(ledger)
        before = AsOf(ledger, decoder, before_at, happened=happened)
        after = AsOf(ledger, decoder, after_at, happened=happened)
        found = differences(ledger, before, after, streams, found_id)
        if json:
            json_array((difference.as_dict() for difference in found), limit)
            return
        first = next(found, None)
        if first is None:
            line(f"nothing changed from {at(before_at)} to {at(after_at)} in what {_compared(happened=happened)}")
            note(f"{'--known' if happened else '--happened'} compares what {_compared(happened=not happened)}")
            return
        for difference in limited(chain([first], found), limit):
            _tell(difference)


def _compared(*, happened: bool) -> str:
    return "had happened by then" if happened else "HQ knew then"


def _tell(difference: Difference) -> None:
    was, now = difference.before, difference.after
    status = " → ".join(dict.fromkeys(state.entity.status for state in (was, now) if state))
    version = " → ".join(str(state.entity.version) for state in (was, now) if state)
    line(f"{difference.what:8} {difference.stream} {written(difference.id)}  {status}, version {version}")
    for change in difference.fields:
        hanging(f"         {change.field:24} ", _change(change.old, change.new))


def _change(old: Any, new: Any) -> str:
    return shown(new) if old is None else f"{shown(old)} → {shown(new)}"
