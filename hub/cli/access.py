"""How centers reach HQ's broker: `hub center rotate`, and what `hub center set` and `show` have of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.base import files
from hub.base.durable import create_private, disk_errors
from hub.base.output import ago, as_json, line, note, shown
from hub.cli.options import DataDir, Json, hub_folder, run_async
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from hub.hq.access import AccessStanding
    from hub.hq.folder import HubFolder


def rotate(
    ctx: typer.Context,
    center: Annotated[str, typer.Argument(metavar="ID", help="The center's id, which is its login too.")],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where the password goes; only you can read it.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Give a center a new password for its login at the broker. The one before ends within seconds.

    Connections that are open stay so for up to an hour at the hub's own broker: where the password was stolen, suspend
    the center meanwhile.

    Example: hub center rotate uz --to uz.password
    """
    from hub.hq.access import issue

    def hand_over(password: str) -> None:
        if files.kind_at(to) is not None:
            raise UsageError(f"{to} is there already: name a file that is not")
        with disk_errors(to, f"and {center} has the password that it had"):
            create_private(to, password + "\n")

    version = run_async(issue(hub_folder(ctx, data_dir), center, hand_over))
    if json:
        as_json({"center": center, "credential": version, "file": to})
        return
    line(f"{to}: password {version} of {center}, whose login is {center}; give it to its office by a way you trust")
    line(
        f"an office that has joined by HQ's file puts {to.name} in place of keys/kafka.password; another one names it "
        "as security.password_file in connector.yaml"
    )


def set_quota(where: HubFolder, center: str, rate: int | None, quota: str) -> None:
    """Set what a center may write, and say so as it was given. Errors: NotFound, Conflict."""
    from hub.hq.access import limit

    run_async(limit(where, center, rate))
    note(f"quota of {center}: {quota}; a running worker tells the broker within seconds")


def access_facts(access: AccessStanding) -> dict[str, object]:
    """Return what people are shown of it."""
    given = access.given_at and f"{shown(access.given_at)} UTC, {ago(access.given_at)}"
    kept = access.kept_at and f"{shown(access.kept_at)} UTC, {ago(access.kept_at)}"
    states = {
        "kept": f"{access.may}; the broker has it so since {kept}",
        "waits": f"{access.may}; the broker does not have it so yet, a running worker sees to it",
        "open": "the broker lets in everybody: it keeps no rights",
        "none": "nothing: its id is one of HQ's own logins there",
    }
    return {
        "may at the broker": states[access.state],
        "its password": f"number {access.version}, {given}" if access.version else "HQ gave it none",
        "its quota": access.quota,
    }
