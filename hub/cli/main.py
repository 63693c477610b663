"""`hub`: the entry point. It reads the environment once, and turns every error of ours into one line.

Exit status: 0 done, 1 it could not be done, 2 wrong use of a command or a setting.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from hub.base.output import print_version
from hub.cli import center, code_list, key, lane, ledger, log, quarantine, run, schema, show, status
from hub.cli.audit import group as audit
from hub.cli.options import Settings
from hub.cli.replay import group as replay
from hub.demo import command as demo
from hub.protocol.errors import CohubError, UsageError

EXAMPLES: Final = """
\b
Examples:
  hub up                                  the broker and the worker on this machine
  hub center add uz --name "…" --country UZ --direction north \\
      --language ru --stream offer --enrolment uz.note
  hub status                              how every center stands
  hub show offer uz:K-12                  one entity as HQ has it
  hub demo                                a whole network to look at, then forgotten
"""

app = typer.Typer(
    name="hub",
    help="HQ of a network of technology-transfer centers: sealed lanes in, one provable state out.\n" + EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
run.add_to(app)
app.add_typer(audit.app, name="audit")
app.add_typer(center.app, name="center")
app.add_typer(code_list.app, name="code-list")
app.add_typer(key.app, name="key")
app.add_typer(lane.app, name="lane")
app.add_typer(ledger.app, name="ledger")
app.add_typer(log.app, name="log")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(replay.app, name="replay")
app.add_typer(schema.app, name="schema")
status.add_to(app)
show.add_to(app)
demo.add_to(app)


def _version(wanted: bool) -> None:
    print_version("hub", wanted)


@app.callback()
def _global(
    ctx: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="The hub's data directory (or HUB_DATA_DIR). Default: ./hub-data."),
    ] = None,
    version: Annotated[  # noqa: ARG001 -- its callback has done what there is to do
        bool,
        typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    if data_dir is not None:
        ctx.obj = ctx.obj.with_data_dir(data_dir)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its status."""
    settings = Settings.read(os.environ)
    sys.exit(run_command(list(sys.argv[1:] if arguments is None else arguments), settings))


def run_command(arguments: list[str], settings: Settings) -> int:
    """Run one command; return the exit status. Every error has become one line on stderr."""
    command = typer.main.get_command(app)
    try:
        result = command.main(args=arguments, prog_name="hub", standalone_mode=False, obj=settings)
        return result if isinstance(result, int) else 0
    except typer.Exit as exc:
        return int(exc.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # The reader of a pipe had enough (`hub show offer | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as exc:
        if settings.debug or not isinstance(exc, (Exception, BaseExceptionGroup)):
            raise
        return _tell(_leaf(exc))


def _leaf(exc: BaseException) -> BaseException:
    """Return what really went wrong: the first of our own errors in a group, otherwise its first error."""
    if not isinstance(exc, BaseExceptionGroup):
        return exc
    leaves = [_leaf(inner) for inner in exc.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, CohubError)), leaves[0])


def _tell(exc: BaseException) -> int:
    text, status = f"{type(exc).__name__}: {exc} (set COHUB_DEBUG=1 and run it again to see where)", 1
    if isinstance(exc, CohubError):
        text, status = str(exc), 2 if isinstance(exc, UsageError) else 1
    elif type(exc).__name__ == "NoArgsIsHelpError":  # a group alone: its help is to be read, so it keeps its lines
        sys.stderr.write(f"{exc}\n")
        return 2
    elif hasattr(exc, "format_message"):  # typer's own: an unknown option, a value that does not parse
        context = getattr(exc, "ctx", None)
        path = context.command_path if context is not None else "hub"
        text, status = f"{exc.format_message()} Try `{path} --help`.", int(getattr(exc, "exit_code", 2))
    sys.stderr.write(f"hub: {' '.join(text.split()) if status == 2 else text}\n")
    return status


if __name__ == "__main__":
    main()
