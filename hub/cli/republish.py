"""`hub republish`: say what topics hold again, from the ledger."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hub.base.output import as_json, line, note, table
from hub.cli.options import DataDir, Json, hub_folder, hub_settings, run_async

if TYPE_CHECKING:
    from hub.hq.folder import HubFolder
    from hub.kafka.cluster import Cluster
    from hub.ledger.derived import Again

TELL_EVERY_S: Final = 1.0


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(republish)


def republish(
    ctx: typer.Context,
    topics: Annotated[
        list[str] | None, typer.Argument(metavar="TOPIC", help="Such as events, state.offer. Default: all.")
    ] = None,
    bootstrap: Annotated[
        str | None, typer.Option("--bootstrap", help="The broker, host:port. Default: as the worker's.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say again what topics hold: events, states, receipts, the hq lane, checkpoints, keys, schemas.

    HQ does so by itself where a broker has lost a topic. Readers pass over what they have. It is safe beside a running
    worker, which does the work then; stopped, it goes on where it was when it is asked again.

    Exit status 0: all was said; 1: the bytes of some events are in an archive that does not give them back.

    Examples: hub republish events state.offer · hub republish
    """
    from hub.cli.logs import log_to_stderr
    from hub.protocol.errors import UsageError

    log_to_stderr(warnings_only=True)
    where = hub_folder(ctx, data_dir)
    settings = hub_settings(ctx, where).settings
    cluster = where.known_cluster(settings, bootstrap)
    if cluster is None:
        raise UsageError("there is no broker to write to: set bootstrap in hub.yaml, or name it: --bootstrap host:port")
    done = run_async(_republish(where, cluster, topics or [], shown=sys.stderr.isatty() and not json))
    if json:
        as_json(
            [
                {
                    "topic": again.topic,
                    "records": again.done,
                    "missing": again.missing,
                    "asked_at": again.asked_at,
                    "finished_at": again.finished_at,
                }
                for again in done
            ]
        )
    else:
        table(
            "said again", ["topic", "records", "missing"], ([a.topic, a.done, a.missing] for a in done),
            right=["records", "missing"],
        )  # fmt: skip
        line("Readers pass over what they had already.")
    missing = sum(again.missing for again in done)
    if missing:
        note(f"{missing} events were not said: their bytes are in an archive that does not give them back now")
        raise typer.Exit(1)


async def _republish(where: HubFolder, cluster: Cluster, topics: list[str], *, shown: bool) -> list[Again]:
    """Ask, and keep the topics until all is said; where a worker keeps them, watch it.

    Errors: Retriable where no broker answers at the beginning: then nothing is asked.
    """
    from hub.hq.identity import load_identity
    from hub.hq.republishing import ask, standing, unfinished
    from hub.kafka.ends import topic_ends
    from hub.replay.source import Ledger
    from hub.store.released import released_schemas, state_forms, state_schemas
    from hub.worker.again import Kept
    from hub.worker.keeper import Keeper

    await topic_ends(cluster, [])
    released = released_schemas()
    async with where.headquarters() as (store, headquarters):
        centers = sorted((await headquarters.basis()).registry.centers.keys() - {"hq"})
        wanted = await ask(store, topics, centers, datetime.now(UTC))
        identity, ledger = load_identity(where.keys), partial(Ledger.open, where.place())
        kept = Kept(store, ledger, headquarters.lane, identity, state_forms(released), state_schemas(released))
        owner = f"{socket.gethostname()}:{os.getpid()}:republish"
        keeper = Keeper(store, cluster, kept, owner, lambda: centers)
        keeping = asyncio.create_task(keeper.run())
        try:
            while left := await unfinished(store, wanted):
                if shown:
                    note(f"{left[0].topic}: {left[0].done} records; {len(left)} of {len(wanted)} topics to go")
                await asyncio.wait([keeping], timeout=TELL_EVERY_S)
                if keeping.done():
                    keeping.result()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        return await standing(store, wanted)
