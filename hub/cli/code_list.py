"""`hub code-list publish`: the lists of codes that HQ edits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.base import files
from hub.base.output import line
from hub.cli.options import DataDir, hub_folder, run_async
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from hub.hq.code_lists import Term

app = typer.Typer(help="Code lists: what keywords and industries may be used.", no_args_is_help=True)


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
    from hub.hq.code_lists import Term
    from hub.hq.code_lists import publish as publish_list

    if (file is None) == (not code):
        raise UsageError("expected either a FILE or at least one --code")
    terms = _read(file) if file is not None else [Term(one) for one in code or []]
    done = run_async(publish_list(hub_folder(ctx, data_dir), name, terms))
    line(f"code list {name} is {'published' if done.is_new else 'revised'}: {len(done.terms)} codes")


def _read(file: Path) -> list[Term]:
    """Return the codes of a CSV file. Errors: UsageError with the line."""
    from hub.hq.code_lists import read_terms

    try:
        text = files.read_named(file).decode("utf-8-sig")
    except FileNotFoundError as exc:
        raise UsageError(f"{file}: expected a CSV file of codes, there is no such file") from exc
    except (UnicodeDecodeError, OSError) as exc:
        raise UsageError(f"{file}: expected CSV in UTF-8: {exc}") from exc
    return read_terms(text, str(file))
