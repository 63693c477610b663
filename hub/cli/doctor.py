"""`hub doctor`: is everything of this hub as it should be, and what to do where it is not?"""

from __future__ import annotations

import logging
from typing import Annotated, Final

import typer

from hub.base.output import as_json, line
from hub.cli.options import DataDir, InLanguage, Json, Settings, hub_folder, read_language, run_async

ENDS: Final = (".", "?", "!", "。", "？", "！")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    ctx: typer.Context,
    bootstrap: Annotated[
        str | None,
        typer.Option("--bootstrap", help="The broker to look at. Default: hub.yaml's, or the last worker's."),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
    language: InLanguage = "en",
) -> None:
    """Look at data directory, settings, keys, database, disk, worker, broker, rights, certificates, topics, clock.

    Each line is ok, warns or fails, with what to do. Nothing is made or mended; the broker gets one record of HQ's own,
    by which it tells its time. --json has for each check its code and its values, and what is in the way of a broker by
    the codes of docs/obstacles.md.

    Exit status 0: nothing fails; 1: something does.

    Example: hub doctor --json
    """
    from hub.hq.doctor.examination import examine
    from hub.hq.doctor.examined import Mark
    from schemas.words import words

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would say is in what was found, once
    where, told_in = hub_folder(ctx, data_dir), read_language(language)
    settings: Settings = ctx.obj
    found = run_async(examine(where, settings.environment, bootstrap))
    if json:
        as_json([one.plain() for one in found])
    else:
        say = words("doctor").say
        for one in found:
            mark, name = say(f"marks.{one.mark}", told_in), say(f"names.{one.check}", told_in)
            told = one.said.text(told_in)
            if one.remedy is not None:
                told += f"{'' if told.endswith(ENDS) else '.'} {one.remedy.text(told_in)}"
            line(f"{mark:<5}  {name}: {told}")
    if any(one.mark is Mark.FAILS for one in found):
        raise typer.Exit(1)
