"""`hub code-list publish`: the lists of codes that HQ edits."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from hub.base.output import line
from hub.cli.options import DataDir, hub_folder, run_async
from hub.hq.folder import HubFolder, say
from hub.protocol.errors import UsageError

app = typer.Typer(help="Code lists: what keywords and industries may be used.", no_args_is_help=True)

PUBLISHED: Final = "net.cohub.code_list.published.v1"
REVISED: Final = "net.cohub.code_list.revised.v1"
COLUMNS: Final = ("code", "zh", "en", "ru")


@app.callback()
def _group() -> None:
    """Keep `publish` a subcommand while it is the only one."""


@app.command()
def publish(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as technology, market.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="CSV in UTF-8: a line `code,zh,en,ru`, then the codes.")
    ] = None,
    code: Annotated[list[str] | None, typer.Option("--code", help="One code; may be repeated.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Publish a list, or replace it as a whole: a code that is not in it may not be used from now on.

    Examples: hub code-list publish technology technology.csv · hub code-list publish market --code food --code health
    """
    if (file is None) == (not code):
        raise UsageError("expected either a FILE or at least one --code")
    codes = read_codes(file) if file is not None else [term(one) for one in code or []]
    what = run_async(put_list(hub_folder(ctx, data_dir), name, codes))
    line(f"code list {name} is {what}: {len(codes)} codes")


def term(code: str, zh: str | None = None, en: str | None = None, ru: str | None = None) -> dict[str, Any]:
    """Return one code as the list's record has it."""
    return {"code": code, "zh": zh or None, "en": en or None, "ru": ru or None}


def read_codes(file: Path) -> list[dict[str, Any]]:
    """Return the codes of a CSV file. Errors: UsageError with the line."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            rows = csv.DictReader(source)
            names = [n.strip() for n in rows.fieldnames or []]
            if "code" not in names or not set(names) <= set(COLUMNS):
                raise UsageError(f"{file}: expected a first line of {', '.join(COLUMNS)}, got {', '.join(names)[:100]}")
            rows.fieldnames = names
            found = []
            for row in rows:
                values = {n: (row.get(n) or "").strip() for n in names}
                if not values["code"]:
                    raise UsageError(f"{file} line {rows.line_num}: expected a code, got an empty cell")
                found.append(term(**values))
            return found
    except FileNotFoundError as exc:
        raise UsageError(f"{file}: expected a CSV file of codes, there is no such file") from exc
    except (UnicodeDecodeError, csv.Error, OSError) as exc:
        raise UsageError(f"{file}: expected CSV in UTF-8: {exc}") from exc


async def put_list(where: HubFolder, name: str, codes: list[dict[str, Any]]) -> str:
    """Publish or revise a list; return which. Errors: UsageError."""
    from hub.hq.headquarters import Said

    async with where.headquarters() as (store, headquarters):
        known = await store.entities([("code_list", f"hq:{name}")])
        await say(headquarters, [Said(REVISED if known else PUBLISHED, name, {"name": name, "codes": codes})])
    return "revised" if known else "published"
