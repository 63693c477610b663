"""`hub schema check`: the released schemas are as they were released."""

from __future__ import annotations

from dataclasses import asdict

import typer

from hub.base.output import as_json, line
from hub.cli.options import Json

app = typer.Typer(help="The released Avro schemas.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `check` a subcommand while it is the only one."""


@app.command()
def check(json: Json = False) -> None:
    """Check every released schema: unedited, listed, compatible. Exit status 1 with findings.

    Example: hub schema check
    """
    import schemas
    from hub.protocol.schema import check_released, parse_released

    released = schemas.read("released.json")
    findings = check_released(schemas.every(), released)
    if json:
        as_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            line(f"{finding.path}: {finding.fault}: {finding.detail}")
        if not findings:
            line(f"{len(parse_released(released))} released schemas are as released")
    if findings:
        raise typer.Exit(1)
