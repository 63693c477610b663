"""`hub lane …`: how HQ stands with each center's lanes, and letting a stopped one go on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from hub.base.output import ago, as_json, facts_table, line, shown, table
from hub.cli.options import DataDir, Json, hub_folder, run_async

EXAMPLES: Final = """
\b
Examples:
  hub lane list                           every lane, what is missing
  hub lane show uz                        why one stopped, proofs of a fork
  hub lane resume uz                      let it be read again
"""

app = typer.Typer(help="Lanes: list, show, let one go on.\n" + EXAMPLES, no_args_is_help=True, rich_markup_mode=None)

_FACTS: Final = (
    "center", "status", "why", "cause", "origin", "position", "events", "accepted", "rejected", "duplicates", "missing",
    "strangers", "unkept", "unpublished",
)  # fmt: skip

Center = Annotated[str, typer.Argument(metavar="CENTER", help="The center's id, such as uz.")]


@app.command("list")
def list_lanes(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:
    """List every lane that HQ has taken events of, HQ's own too. Example: hub lane list"""
    with hub_folder(ctx, data_dir).snapshot() as now:
        found = now.lanes()
    if json:
        as_json([lane.model_dump() for lane in found])
        return
    table(
        "lanes",
        ["origin", "size", "published", "missing", "last receipt", "closed by"],
        ([x.origin, x.size, x.published, x.missing, ago(x.recorded_at), x.closed_by] for x in found),
        right=["size", "published", "missing"],
    )


@app.command()
def show(ctx: typer.Context, center: Center, data_dir: DataDir = None, json: Json = False) -> None:
    """Show one center's intake: why it stopped, its lanes, counts, proofs of a fork.

    Exit status 0: it is read, or was never stopped; 1: a person is needed, and `why` says for what.

    Example: hub lane show uz
    """
    from hub.hq.alarms import why_line
    from hub.hq.lookup import find_lanes
    from hub.hq.pulse import worker_standing
    from hub.hq.status import as_it_lives

    where = hub_folder(ctx, data_dir)
    with where.snapshot() as now:
        report = find_lanes(now, center)
    report = as_it_lives(report, worker_standing(where.worker_file, datetime.now(UTC)))
    is_stopped = report.status not in ("reading", "new")
    if json:
        as_json(report.model_dump())
        raise typer.Exit(1 if is_stopped else 0)
    said = report.presence
    facts: dict[str, object] = {
        **{name: getattr(report, name) for name in _FACTS},
        "why": why_line(report),
        "since": _when(report.told.since) if report.told else None,
        "last receipt": _when(report.last_receipt_at),
        "last heard": _when(report.seen_at),
        "it then said": said and f"{said.version}, lane of {said.size} events, {said.backlog} not answered yet",
        "connector ended": said and said.ended,
        "by its clock": said and said.time,
    }
    facts_table(facts)
    table(
        "lanes",
        ["origin", "size", "published", "missing", "closed by"],
        ([lane.origin, lane.size, lane.published, lane.missing, lane.closed_by] for lane in report.lanes),
        right=["size", "published", "missing"],
    )
    table("measures", ["lane and measure", "value"], report.measures.items(), right=["value"])
    for proof in report.evidence:
        line(f"fork of {proof.origin} at size {proof.size}: HQ has")
        for text in (proof.ours, "and was sent", proof.theirs):
            line(text)
    if is_stopped:
        raise typer.Exit(1)


def _when(moment: datetime | None) -> str | None:
    """Return a time, and how long ago that was."""
    return None if moment is None else f"{shown(moment)} UTC, {ago(moment)}"


@app.command()
def resume(ctx: typer.Context, center: Center, data_dir: DataDir = None) -> None:
    """Let a parked or forked lane be read again; a running worker goes on within a second.

    A lane that is parked for a gap is read on anyway: this has HQ ask its center again for what is missing.

    Example: hub lane resume uz
    """
    from hub.hq.lanes import resume as resume_lane

    done = run_async(resume_lane(hub_folder(ctx, data_dir), center))
    line(f"lane of {center}: it was {done.before}, it is read again" if done.was_stopped else f"{center} is being read")
