"""`hub settings`: what is in force, and where each value comes from."""

from __future__ import annotations

import typer

from hub.base.output import as_json, line, table
from hub.cli.options import DataDir, Json, hub_folder, hub_settings

app = typer.Typer(name="settings", help="The settings of this hub: hub.yaml and the environment.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `show` a subcommand while it is the only one."""


@app.command()
def show(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:
    """Show every setting that is in force, and where its value comes from. Secrets are masked.

    Example: hub settings show --json
    """
    from hub.hq.settings import FILE

    where = hub_folder(ctx, data_dir)
    path = where.data_dir / FILE
    rows = list(hub_settings(ctx, where).rows())
    if json:
        found = [{"setting": name, "value": value, "from": origin} for name, value, origin in rows]
        as_json({"file": str(path), "exists": path.exists(), "settings": found})
        return
    table("settings", ["setting", "value", "from"], ([name, _text(value), origin] for name, value, origin in rows))
    line(
        f"file: {path}"
        + ("" if path.exists() else ", which does not exist; docs/settings.md says what may stand there")
    )


def _text(value: object) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, bool):
        return str(value).lower()  # as hub.yaml has it
    return ", ".join(value) if isinstance(value, tuple) else str(value)
