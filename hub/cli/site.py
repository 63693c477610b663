"""`hub site`: all that a hub on several brokers, with a database and several workers, is given before it starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from hub.base.output import as_json, count, line
from hub.cli.options import Json

DEFAULT_SITE: Final = Path("site")

app = typer.Typer(name="site", help="A hub on three brokers, PostgreSQL and several workers.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `init` a subcommand while it is the only one."""


@app.command()
def init(
    hub: Annotated[
        str | None, typer.Option("--hub", help="The hub's name, DNS-like, for good; at the first time only.")
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", metavar="HOST", help="The host that offices find it at; likewise.")
    ] = None,
    site: Annotated[Path, typer.Option("--site", metavar="FOLDER", help="Where all of it is kept.")] = DEFAULT_SITE,
    json: Json = False,
) -> None:
    """Make the keys, logins, certificates and settings of a site, or renew what is due. Nothing is drawn twice.

    docs/site.md says how it goes on. Run again, it tells which services are to be started anew.

    Examples: hub site init --hub hub.example.org --address hub.example.org · hub site init --site /srv/site
    """
    from hub.site.folder import SiteFolder

    plan, made = SiteFolder(site).make(hub, address, datetime.now(UTC))
    if json:
        facts = {"hub": plan.hub, "offices": plan.offices, "https": plan.https}
        as_json({"site": str(site), **facts, "made": made.files, "restart": made.restart})
        return
    line(f"{site}: the site of {plan.hub}; {count(len(made.files), 'file')} made")
    line(f"offices find it at {', '.join((*plan.offices, plan.https))}")
    if "hub/keys" in made.files:
        line("take hub/keys/root.key out of it, to a safe place; a new trust note alone needs it")
    if made.restart:
        line(f"what has changed is shown after a restart, one after the other: {', '.join(made.restart)}")
