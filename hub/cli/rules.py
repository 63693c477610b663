"""`hub rules`: the rules that HQ judges by, and how it adopts newer ones."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hub.base.output import as_json, confirm, line, table
from hub.cli.options import DataDir, Json, hub_folder, run_async

if TYPE_CHECKING:
    from hub.hq.rules import RulesStanding

EXAMPLES: Final = """
\b
Examples:
  hub rules                               which are in force, which each worker knows
  hub rules adopt 2                       take newer ones into force, for good
"""

app = typer.Typer(help="The rules that HQ judges by, by their number.\n" + EXAMPLES, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def rules(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:
    """Show which rules are in force, and which rules each worker knows.

    Example: hub rules
    """
    if ctx.invoked_subcommand is not None:
        return
    from hub.hq.rules import read_rules

    standing = read_rules(hub_folder(ctx, data_dir))
    if json:
        as_json(standing.model_dump())
        return
    _show(standing)


def _show(standing: RulesStanding) -> None:
    line(f"rules {standing.in_force} are in force; this release knows the rules {_numbers(standing.known)}")
    if standing.workers:
        rows = ([w.owner, w.release or "before 0.3", _numbers(w.rules)] for w in standing.workers)
        table("workers", ["worker", "release", "knows the rules"], rows)
    number = standing.adoptable
    if number is None:
        return
    lacking = standing.lacking(number)
    if lacking:
        line(
            f"rules {number} can be adopted when every worker knows them: {', '.join(w.owner for w in lacking)} not yet"
        )
    else:
        line(f"rules {number} can be adopted: `hub rules adopt {number}`")


@app.command()
def adopt(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The number of the rules.", min=2)],
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for those who read it later.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Adopt rules: HQ judges by them from now on, and never again by older ones. What was decided stays decided.

    What a number changes stands in schemas/PROTOCOL.md, section 8. Connectors from release 0.3 on keep to the newest
    rules already; of what older ones send, rows are rejected that these refuse, such as those with control characters.

    It asks; without a terminal it does nothing and ends with status 2, unless --yes. HQ refuses while a worker lives
    that does not know them.

    Examples: hub rules adopt 2 · hub rules adopt 2 --yes --json
    """
    from hub.hq.rules import adopt as adopt_rules
    from hub.hq.rules import check_adoptable, read_rules
    from hub.protocol.errors import UsageError

    where = hub_folder(ctx, data_dir)
    if not yes:
        check_adoptable(read_rules(where), number)
        if json or not sys.stdin.isatty():
            raise UsageError(f"rules {number} can't be taken back once adopted: --yes says that you mean it")
        confirm(f"HQ will never judge by older rules than {number} again. Go on?", abort=True, err=True)
    done = run_async(adopt_rules(where, number, reason))
    if json:
        as_json({"before": done.before, "in_force": done.number})
        return
    line(f"rules {done.number} are in force; they were {done.before}. A running worker goes by them within a second")


def _numbers(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers)) or "none"
