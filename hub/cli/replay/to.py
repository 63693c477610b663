"""`hub replay to`: a range of the ledger published again, into a topic of its own or a file."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.base.output import as_json, line, note
from hub.cli.options import DataDir, Json, hub_folder, hub_settings
from hub.cli.progress import progress
from hub.cli.replay.subject import moment, open_ledger
from hub.hq.folder import HubFolder
from hub.protocol.errors import Retriable, UsageError

if TYPE_CHECKING:
    from hub.kafka.cluster import Cluster
    from hub.replay.export import RepublishedEvent, Selection
    from hub.replay.source import Ledger
    from hub.store.rows import StoredLane

FLUSH_EVENTS: Final = 1_000
FLUSH_S: Final = 30.0
STOP_S: Final = 5.0


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("to")(to)


def to(
    ctx: typer.Context,
    target: Annotated[
        str, typer.Argument(metavar="TOPIC|FILE", help="A new topic, or a file that ends in .avro or .jsonl.")
    ],
    speed: Annotated[
        float | None,
        typer.Option("--speed", min=0.001, help="Keep the pauses as recorded, N times as fast. Default: no pauses."),
    ] = None,
    expression: Annotated[
        str | None, typer.Option("--filter", help="JMESPath over the event's JSON, as a .jsonl file shows it.")
    ] = None,
    lane: Annotated[list[str] | None, typer.Option("--lane", help="This lane alone; may be repeated.")] = None,
    center: Annotated[list[str] | None, typer.Option("--center", help="This center's; may be repeated.")] = None,
    stream: Annotated[list[str] | None, typer.Option("--stream", help="This stream's; may be repeated.")] = None,
    begins: Annotated[
        str | None, typer.Option("--from", help="Recorded at or after this time; with one --lane, a sequence.")
    ] = None,
    ends: Annotated[
        str | None, typer.Option("--to", help="Recorded at or before this time; with one --lane, a sequence.")
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="LANE:SEQUENCE", help="Go on behind this event.")
    ] = None,
    rejected: Annotated[bool, typer.Option("--all", help="Rejected events too.")] = False,
    append: Annotated[bool, typer.Option("--append", help="The topic has replayed events: add to them.")] = False,
    bootstrap: Annotated[
        str | None, typer.Option("--bootstrap", help="The broker. Default: hub.yaml's, or the last worker's.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Publish a range of the ledger again, for a new consumer or a sandbox: original bytes and headers.

    Each record has three headers more: cohub-replay (hub, time), cohub-recorded-at, cohub-verdict. A live topic is
    refused, and so is one with other records.

    Examples: hub replay to sandbox.events --center uz · hub replay to march.avro --from 2026-03-01 --to 2026-03-31
    · hub replay to big.jsonl --stream offer --filter 'value.trl >= `7`'
    """
    from hub.replay.target import check_name

    where = hub_folder(ctx, data_dir)
    path = Path(target) if Path(target).suffix in (".avro", ".jsonl") else None
    if path is None:
        check_name(target)
    elif speed is not None or append:
        raise UsageError("--speed and --append are for a topic: a file is written at once, as a whole")
    with open_ledger(where) as ledger:
        selection = _selection(
            ledger, lane or [], center or [], stream or [], begins, ends, after, expression, rejected
        )
        told = (
            _to_file(ledger, selection, path, _hub(ledger))
            if path is not None
            else _to_topic(ledger, selection, target, _cluster(ctx, where, bootstrap), speed, append=append)
        )
    _tell(told, target, json=json)
    if told["stopped"]:
        raise typer.Exit(1)


def _selection(
    ledger: Ledger,
    lanes: list[str],
    centers: list[str],
    streams: list[str],
    begins: str | None,
    ends: str | None,
    after: str | None,
    expression: str | None,
    rejected: bool,
) -> Selection:
    from hub.replay.export import Filter, Selection, place_of

    chosen = chosen_lanes(ledger, lanes, centers)
    first, begins_at = bound(begins, lanes, begins=True)
    last, ends_at = bound(ends, lanes, begins=False)
    _check_streams(streams)
    return Selection(
        chosen,
        begins_at,
        ends_at,
        first,
        last,
        None if after is None else place_of(ledger, after),
        frozenset(streams),
        rejected,
        None if expression is None else Filter(expression),
    )


def chosen_lanes(ledger: Ledger, lanes: list[str], centers: list[str]) -> list[StoredLane]:
    """Return the lanes of these names and centers, all of them where neither is named. Errors: UsageError."""
    from hub.replay.export import find_lane

    named = {find_lane(ledger, name).id for name in lanes}
    known = {lane.center for lane in ledger.lanes}
    for center in centers:
        if center not in known:
            raise UsageError(f"there is no lane of a center {center}; there are {', '.join(sorted(known))}")
    return [
        lane for lane in ledger.lanes if (not named or lane.id in named) and (not centers or lane.center in centers)
    ]


def bound(text: str | None, lanes: list[str], *, begins: bool) -> tuple[int | None, datetime | None]:
    """Return a bound as a sequence or as a moment. Errors: UsageError."""
    from hub.replay.moment import read_sequence

    if text is None:
        return None, None
    if not text.isdecimal():
        return None, moment(text, begins=begins)
    if len(lanes) != 1:
        raise UsageError(f"{text} is a sequence, and they are counted in each lane: name one with --lane")
    return read_sequence(text), None


def _check_streams(streams: list[str]) -> None:
    from hub.domain.catalogue import STREAMS

    for name in streams:
        if name not in STREAMS:
            raise UsageError(f"there is no stream {name}; expected one of {', '.join(STREAMS)}")


def _hub(ledger: Ledger) -> str:
    return ledger.lanes[0].origin.partition("/")[0] if ledger.lanes else ""


def _cluster(ctx: typer.Context, where: HubFolder, bootstrap: str | None) -> Cluster:
    found = where.admin_cluster(hub_settings(ctx, where).settings, bootstrap)
    if found is None:
        raise UsageError(
            "which broker? bootstrap in hub.yaml or --bootstrap host:port names one; no worker has run here"
        )
    return found


class _Told:
    """What has been published so far."""

    def __init__(self) -> None:
        self.events = 0
        self.first: RepublishedEvent | None = None
        self.last: RepublishedEvent | None = None
        self.stopped = False

    def add(self, event: RepublishedEvent) -> None:
        self.events += 1
        self.first = self.first or event
        self.last = event

    def as_dict(self) -> dict[str, Any]:
        return {
            "events": self.events,
            "first": None if self.first is None else self.first.place,
            "last": None if self.last is None else self.last.place,
            "stopped": self.stopped,
        }


def _to_file(ledger: Ledger, selection: Selection, path: Path, hub: str) -> dict[str, Any]:
    from hub.replay.decoding import Decoder
    from hub.replay.export import again, spans
    from hub.replay.files import event_file

    told, decoder = _Told(), Decoder(ledger)
    total = sum(last - first + 1 for _, first, last in spans(ledger, selection))
    with progress(path.name) as bar, event_file(path, decoder, hub, datetime.now(UTC)) as out:
        bar.begin(total)
        for event, decoded in again(ledger, decoder, selection, bar.tick):
            out.write(event, decoded)
            told.add(event)
    return told.as_dict()


def _to_topic(
    ledger: Ledger, selection: Selection, topic: str, cluster: Cluster, speed: float | None, *, append: bool
) -> dict[str, Any]:
    import logging

    from hub.local.hub import run_until_signal

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what goes wrong is said once, in our words
    told = _Told()

    async def work() -> int:
        partitions = await _prepare(cluster, topic, append=append)
        await _publish(ledger, selection, (cluster, topic, partitions), speed, told)
        return 0

    try:
        run_until_signal(work)
    except Retriable as exc:
        raise Retriable(f"{exc}; {_go_on(told.as_dict())}") from exc
    return told.as_dict()


async def _prepare(cluster: Cluster, topic: str, *, append: bool) -> int:
    """Return how many partitions the topic has; it is made if there is none. Errors: UsageError, if it isn't ours."""
    from hub.kafka.sandbox import contents, make_topic
    from hub.replay.target import REPLAY_HEADER, TopicFacts, check_topic

    found = await contents(cluster, topic, REPLAY_HEADER)
    check_topic(topic, TopicFacts(found.partitions, found.records, found.without_header), append=append)
    if not found.partitions:
        await make_topic(cluster, topic)
    return found.partitions or 1


async def _publish(
    ledger: Ledger, selection: Selection, to_where: tuple[Cluster, str, int], speed: float | None, told: _Told
) -> None:
    """Send what is selected; `told` has what the broker acknowledged, also when this is cancelled."""
    from hub.domain.state import partition_of
    from hub.kafka.sandbox import sink
    from hub.replay.decoding import Decoder
    from hub.replay.export import again, spans

    cluster, topic, partitions = to_where
    loop, hub, replayed_at = asyncio.get_running_loop(), _hub(ledger), datetime.now(UTC)
    total = sum(last - first + 1 for _, first, last in spans(ledger, selection))
    waiting: list[RepublishedEvent] = []
    began: tuple[float, int] | None = None
    with progress(topic) as bar:
        bar.begin(total)
        async with sink(cluster, topic) as out:

            async def settle(deadline_s: float) -> None:
                await out.flush(deadline_s)
                for event in waiting:
                    told.add(event)
                waiting.clear()

            try:
                for event, _ in again(ledger, Decoder(ledger), selection, bar.tick):
                    if speed is not None:
                        began = began or (loop.time(), event.recorded_at_us)
                        due = began[0] + (event.recorded_at_us - began[1]) / 1e6 / speed
                        if due > loop.time():
                            await settle(FLUSH_S)
                            await asyncio.sleep(due - loop.time())
                    await out.write(event.record(hub, replayed_at), partition_of(event.lane.center) % partitions)
                    waiting.append(event)
                    if len(waiting) >= FLUSH_EVENTS:
                        await settle(FLUSH_S)
                await settle(FLUSH_S)
            except asyncio.CancelledError:
                told.stopped = True
                await settle(STOP_S)


def _tell(told: dict[str, Any], target: str, *, json: bool) -> None:
    if json:
        as_json({"target": target, **told})
    elif not told["events"]:
        line(f"{target}: no event is selected")
    else:
        line(f"{target}: {told['events']} events, {told['first']} to {told['last']}")
    if told["stopped"]:
        note(f"stopped; {_go_on(told)}")


def _go_on(told: dict[str, Any]) -> str:
    return f"go on with --after {told['last']} --append" if told["last"] else "nothing was published"
