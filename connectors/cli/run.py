"""`connector run`: keep HQ up to date with the office's sheets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from connectors.cli.office import OfficeFolder, OpenedOffice
from connectors.cli.speaker import Speaker, speaker_for
from hub.base.output import as_json, note

if TYPE_CHECKING:
    from connectors.runtime.daemon import Connector
    from connectors.runtime.office import Office
    from hub.base.ending import Ending
    from hub.base.metrics.book import Book
    from hub.base.traces.spans import Traces
    from schemas.words.said import Said

POLL_S: Final = 0.1
# SQLite gives up the interpreter at every row: so long waits the sender, an event, for a thread that reads a sheet.
SWITCH_S: Final = 0.0005
SHEETS_S: Final = 3.0  # verdict sheets follow the last receipt within this


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    once: Annotated[bool, typer.Option("--once", help="End when every row is decided; print a JSON summary.")] = False,
    deadline_s: Annotated[
        float, typer.Option("--deadline", min=1, help="With --once: seconds to wait at most.")
    ] = 300.0,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Only warnings on the terminal; the log file has all.")
    ] = False,
    office: OfficeFolder = Path(),
) -> None:
    r"""Watch the sheets, send what is new, write what HQ decided into cohub/. Runs until stopped (Ctrl-C).

    With the link down it goes on collecting; nothing is lost. The log is cohub/connector.log.

    Examples:

      connector run

      connector run --office D:\cohub --quiet

      connector run --once --deadline 120
    """
    from connectors.cli.log import configure_logging

    opened = _open(office)
    speaker = Speaker(opened.settings.language, office)
    configure_logging(opened.folder, speaker, quiet=quiet)
    sys.setswitchinterval(SWITCH_S)
    if not once:
        asyncio.run(_run(opened))
        return
    started = time.monotonic()
    found = asyncio.run(_run_once(opened, deadline_s))
    summary = {"center": opened.settings.center, **found["totals"], "seconds": round(time.monotonic() - started, 3)}
    if found["undecided"]:
        undecided = tuple(found["undecided"])
        note(f"connector: {speaker.say('run.undecided', seconds=f'{deadline_s:g}', undecided=undecided)}")
    as_json(summary, indent=False)
    if found["undecided"]:
        raise typer.Exit(1)


def _open(folder: Path) -> Office:
    """Return the office; where it can't be read, what a running connector would leave at its end is left now.

    Errors: UsageError.
    """
    from connectors.runtime.office import read_office
    from connectors.runtime.settings import FILE, Overrides

    try:
        return read_office(folder, Overrides())
    except Exception as exc:
        if (folder / FILE).exists():
            _leave_word(folder, exc)
        raise


def _leave_word(folder: Path, exc: Exception) -> None:
    from connectors.cli.log import configure_logging
    from connectors.runtime.daemon import leave_word
    from connectors.runtime.life import LifeFile
    from connectors.runtime.lock import FolderLock
    from connectors.runtime.settings import OUTBOX, read_settings
    from hub.protocol.errors import CohubError

    speaker = speaker_for(["--office", str(folder)], os.environ)
    try:
        sources = folder / read_settings(folder).folder
    except CohubError:
        sources = folder
    with contextlib.suppress(CohubError), FolderLock(folder / OUTBOX):  # a connector that runs has words of its own
        configure_logging(folder, speaker, quiet=True, terminal=False)
        leave_word(LifeFile(folder).end(exc), sources, speaker.language)


async def _run(office: Office) -> None:
    from hub.base.metrics.book import Book
    from hub.base.metrics.server import Readiness, serving
    from hub.base.traces.telemetry import tracing

    place, book, readiness = office.settings.metrics.place, Book(), Readiness()
    with tracing(office.settings.traces, "cohub-connector") as traces:
        connector, ending = _connector(office, traces, None if place is None else book, readiness.ready)
        async with serving(place, book, readiness):
            try:
                await connector.run()
            finally:
                ending.unwatch_loop()


async def _run_once(office: Office, deadline_s: float) -> dict[str, Any]:
    """Return the totals when every row is decided, or the deadline has passed; `undecided` says what is not."""
    from hub.base.traces.telemetry import tracing

    with tracing(office.settings.traces, "cohub-connector") as traces:
        return await _run_until_decided(office, deadline_s, traces)


async def _run_until_decided(office: Office, deadline_s: float, traces: Traces) -> dict[str, Any]:
    connector, ending = _connector(office, traces)
    running = asyncio.create_task(connector.run())
    watching = asyncio.create_task(_watch(connector, OpenedOffice(office.folder, office.settings), deadline_s))
    await asyncio.wait([running, watching], return_when=asyncio.FIRST_COMPLETED)
    if running.done():  # stopped by a signal, or failed: then this raises
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await running
        raise typer.Exit(130)
    connector.stop()
    await running
    ending.unwatch_loop()
    return watching.result()


def _connector(
    office: Office, traces: Traces, book: Book | None = None, lives: Callable[[], None] = lambda: None
) -> tuple[Connector, Ending]:
    """Return the connector, which ends by a signal, and who watches that it does, and that its loop turns meanwhile.

    `traces` is told of rows and batches, `book` gets what it measures, and `lives` is called once it runs.
    """
    from connectors.runtime.daemon import Connector, leave_word_of_force
    from hub.base.ending import Ending
    from hub.base.supervisor import Supervisor

    supervisor = Supervisor.take(os.environ)

    def ask() -> None:
        supervisor.stopping()
        ending.begin("it was asked to stop")
        connector.stop()

    ending = Ending(office.settings.end_s, lambda _: leave_word_of_force(office))

    def begun() -> None:
        ending.watch_loop()
        supervisor.ready()
        lives()

    connector = Connector(office, ends=ending.begin, lives=begun, book=book, traces=traces)
    _stop_on_signals(ask)
    return connector, ending


async def _watch(connector: Connector, folder: OpenedOffice, deadline_s: float) -> dict[str, Any]:
    ends = time.monotonic() + deadline_s
    await connector.started.wait()
    mappings = folder.mappings()
    while True:
        sheets = {
            path.relative_to(folder.sources).as_posix(): path
            for path in folder.sheets()
            if any(mapping.matches(path.name) for mapping in mappings)
        }
        read = connector.folder.dealt_with  # before the status, which then has all rows of these files
        found = connector.outbox.status()
        undecided = find_undecided(found, set(sheets), read)
        if not undecided:
            await _wait_for_verdict_files(sheets, min(ends, time.monotonic() + SHEETS_S))
        if not undecided or time.monotonic() >= ends:
            return {"totals": found["totals"], "undecided": undecided}
        await asyncio.sleep(POLL_S)


def find_undecided(found: dict[str, Any], sheets: set[str], read: Collection[str]) -> list[Said]:
    """Return what is still to be decided, one text each; none if nothing is.

    Shapes: found is an outbox's status; of `sheets`, those in `read` were read as they are now.
    """
    from schemas.words.said import Said, said

    totals = found["totals"]
    waiting = [name for name, entry in found["files"].items() if entry["state"] == "waiting"]
    undecided: list[Said] = []
    if locked := [name for name in sorted(sheets) if found["files"].get(name, {}).get("state") == "locked"]:
        undecided.append(said("run.locked", files=", ".join(locked)))
    if unread := sorted(sheets.difference(read)):
        undecided.append(said("run.unread", files=", ".join(unread)))
    if waiting:
        undecided.append(said("run.waiting", files=", ".join(waiting), command="connector approve"))
    if totals["pending"] or totals["backlog"]:
        undecided.append(said("run.pending", rows=totals["pending"], events=totals["backlog"]))
    link = found["link"]
    if undecided and link["state"] != "up":
        reason = Said.from_json(link["why"]) if link.get("why") else link["reason"]
        undecided.append(said("run.link_down", reason=reason) if reason else said("run.never_linked"))
    return undecided


async def _wait_for_verdict_files(sheets: dict[str, Path], ends: float) -> None:
    """Wait until each sheet has its verdicts written after the last receipt, for a moment at most."""
    from connectors.runtime.verdicts import verdicts_path

    decided = time.time()
    left = {verdicts_path(path) for path in sheets.values()}
    while left and time.monotonic() < ends:
        left = {path for path in left if not path.exists() or path.stat().st_mtime < decided}
        await asyncio.sleep(POLL_S)


def _stop_on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
        else:
            loop.add_signal_handler(number, stop)
