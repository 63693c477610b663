"""What the commands of `hub replay` have in common: the ledger, the entity that a person means, how they print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar
from urllib.parse import unquote

import typer

from hub.base.output import line, note
from hub.domain.key import typed_id
from hub.domain.sealed import told
from hub.hq.folder import HubFolder
from hub.protocol.errors import UsageError
from hub.protocol.moment import write_time

if TYPE_CHECKING:
    from hub.replay.source import Ledger

T = TypeVar("T")
SHOWN: Final = 20
VALUE_SHOWN_MAX: Final = 60
NOTHING: Final = "·"

Stream = Annotated[
    str | None, typer.Argument(metavar="STREAM", help="Such as offer, partner, request, deal.", show_default=False)
]
EntityId = Annotated[
    str | None,
    typer.Argument(metavar="ID", help="Such as uz:K-12 or kz:З-1, as a person writes it.", show_default=False),
]
Happened = Annotated[
    bool,
    typer.Option(
        "--happened/--known",
        help="What had happened by then (ce_time), or what HQ knew then (recorded_at, the default).",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help=f"How many at most. Default: {SHOWN} in a table, all with --json."),
]


def open_ledger(where: HubFolder) -> Ledger:
    """Open the ledger to be read. Errors: UsageError where there is no hub."""
    from hub.replay.source import Ledger

    place = where.place()
    if place == where.database and not where.database.exists():
        raise UsageError(f"{place}: there is no hub here: name its data directory with --data-dir")
    return Ledger.open(place)


def moment(text: str, *, begins: bool = False) -> datetime:
    """Return the moment that the command line names. Errors: UsageError."""
    from hub.replay.moment import read_moment

    return read_moment(text, datetime.now(UTC), begins=begins)


def subject(ledger: Ledger, stream: str | None, entity_id: str | None) -> tuple[list[str], str]:
    """Return the streams that are meant and the id as the ledger has it, '' for all of them.

    An id alone stands for the one stream that has it; it is what has a colon. Errors: UsageError.
    """
    from hub.domain.catalogue import STREAMS
    from hub.domain.stream import HQ
    from hub.replay.chain import streams_of

    if entity_id is None and stream is not None and ":" in stream:
        stream, entity_id = None, stream
    if stream is not None and stream not in STREAMS:
        raise UsageError(f"there is no stream {stream}; expected one of {', '.join(STREAMS)}")
    if entity_id is None:
        # What centers say stands before what the protocol and HQ keep of themselves.
        every = sorted(STREAMS.values(), key=lambda one: (one.writer == HQ, one.name == "lane"))
        return ([stream] if stream else [one.name for one in every]), ""
    for spelling in (entity_id, typed_id(entity_id)):
        found = streams_of(ledger, spelling)
        if stream in found:
            return [stream], spelling
        if stream is None and len(found) == 1:
            return found, spelling
        if stream is None and found:
            raise UsageError(f"{entity_id} is in {' and '.join(found)}: name one before the id")
    what = f"{stream} {entity_id}" if stream else entity_id
    raise UsageError(f"HQ never had an event about {what}; `hub show STREAM` lists what it has")


def entities(ledger: Ledger, wanted: str) -> list[tuple[str, str]]:
    """Return stream and id of what HQ knows under an id, as it is typed or as a connector writes it; often nothing."""
    from hub.replay.chain import streams_of

    for spelling in (wanted, typed_id(wanted)) if ":" in wanted else ():
        found = streams_of(ledger, spelling)
        if found:
            return [(stream, spelling) for stream in found]
    return []


def written(entity_id: str) -> str:
    """Return an id as a person writes it, where nothing in it would draw on the terminal."""
    readable = unquote(entity_id, errors="replace")
    return readable if readable.isprintable() else harmless(entity_id)


def harmless(text: str) -> str:
    """Return a text that a stranger may have sent without what draws on a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def lane_name(origin: str) -> str:
    """Return a lane's origin without the hub: all of them have it."""
    return origin.partition("/")[2]


def at(when: datetime | None) -> str:
    """Return a moment to the microsecond, so that it can be typed again."""
    return NOTHING if when is None else write_time(when)


def shown(value: Any, length_max: int = VALUE_SHOWN_MAX) -> str:
    """Return a field's value in one short line; what is sealed for its center, or erased, is said to be so."""
    if value is None:
        return NOTHING
    personal = told(value, "its center")
    if personal is not None:
        return personal
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    text = harmless(text.replace("\n", " "))
    return text if len(text) <= length_max else f"{text[:length_max]}…"


def json_array(items: Iterable[Any], limit: int | None) -> None:
    """Print one JSON document, an array, an item a line as it comes: nothing is kept."""
    import orjson

    first = True
    for item in islice(items, limit):
        line(("[" if first else ",") + orjson.dumps(item, default=_text).decode())
        first = False
    line("[]" if first else "]")


def limited(items: Iterator[T], limit: int | None) -> Iterator[T]:
    """Yield the first ones, and say on stderr if that was not all."""
    count = limit or SHOWN
    yield from islice(items, count)
    if next(items, None) is not None:
        note(f"the first {count}; --limit shows more")


def _text(value: Any) -> str:
    return write_time(value) if isinstance(value, datetime) else str(value)
