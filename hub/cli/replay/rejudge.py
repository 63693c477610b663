"""`hub replay rejudge`: what today's rules would decide of past events."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer

from hub.base.output import as_json, line, note, table
from hub.cli.options import DataDir, Json, hub_folder
from hub.cli.progress import progress
from hub.cli.replay.subject import at, harmless, lane_name, open_ledger, written
from hub.cli.replay.to import bound, chosen_lanes

SHOWN: Final = 50


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rejudge")(rejudge)


def rejudge(
    ctx: typer.Context,
    lane: Annotated[list[str] | None, typer.Option("--lane", help="This lane alone; may be repeated.")] = None,
    center: Annotated[list[str] | None, typer.Option("--center", help="This center's; may be repeated.")] = None,
    begins: Annotated[
        str | None, typer.Option("--from", help="Recorded at or after this time; with one --lane, a sequence.")
    ] = None,
    ends: Annotated[
        str | None, typer.Option("--to", help="Recorded at or before this time; with one --lane, a sequence.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many changed verdicts to list.")] = SHOWN,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Report what this release, under the newest basis, would decide of past events. Nothing is changed by it.

    Each event is judged at its own recorded_at, against its own entity as recorded before it.

    Examples: hub replay rejudge --center uz --from 2026-03-01 · hub replay rejudge --lane uz/0000abcd --from 100 --json
    """
    from hub.replay.export import Selection, spans
    from hub.replay.rejudge import newest_basis
    from hub.replay.rejudge import rejudge as judgements

    counts: Counter[tuple[str, str]] = Counter()
    changed: list[dict[str, Any]] = []
    where = hub_folder(ctx, data_dir)
    with open_ledger(where) as ledger:
        first, begins_at = bound(begins, lane or [], begins=True)
        last, ends_at = bound(ends, lane or [], begins=False)
        chosen = chosen_lanes(ledger, lane or [], center or [])
        found = spans(ledger, Selection(chosen, begins_at, ends_at, first, last))
        with where.snapshot() as now:
            judged_under = newest_basis(now.lane)
        total = sum(end - begin + 1 for _, begin, end in found)
        with progress("judged again") as bar:
            bar.begin(total)
            for judgement in judgements(ledger, judged_under, found, bar.tick):
                counts[judgement.then[0], judgement.now[0]] += 1
                if judgement.is_other and len(changed) < limit:
                    changed.append(judgement.as_dict())
    others = sum(count for (then, now), count in counts.items() if then != now)
    report: dict[str, Any] = {
        "release": version("cohub"),
        "basis": judged_under.size,
        "events": sum(counts.values()),
        "other": others,
        "counts": [{"then": then, "now": now, "events": n} for (then, now), n in sorted(counts.items())],
        "changed": changed,
    }
    if json:
        as_json(report)
        return
    _tell(report)


def _tell(report: dict[str, Any]) -> None:
    line(
        f"{report['events']} events under the rules of {report['release']} and basis {report['basis']}: "
        f"{report['other']} would be decided otherwise"
    )
    table(
        "", ["then", "now", "events"], ([row["then"], row["now"], row["events"]] for row in report["counts"]),
        right=["events"],
    )  # fmt: skip
    if report["changed"]:
        table(
            "decided otherwise",
            ["recorded", "lane", "event", "id", "then", "now", "why"],
            (_row(judgement) for judgement in report["changed"]),
            right=["event"],
        )
    if report["other"] > len(report["changed"]):
        note(f"the first {len(report['changed'])} of {report['other']}; --limit lists more")


def _row(judgement: dict[str, Any]) -> list[Any]:
    then, now = judgement["then"], judgement["now"]
    why = now if now["code"] != "ACCEPTED" else then
    return [
        at(judgement["recorded_at"]),
        lane_name(judgement["origin"]),
        judgement["sequence"],
        written(judgement["subject"]),
        then["code"],
        now["code"],
        harmless(f"{why['field']} {why['params']}".strip()),
    ]
