"""`connector`: the entry point. It turns every error of ours into one line.

Exit status: 0 done, 1 it could not be done, 2 wrong use of a command or a setting.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from connectors.cli import approve, check, epoch, erase, init, key, person, preview, run, status, witness
from connectors.cli.output import print_version
from hub.protocol.errors import CohubError, UsageError

EXAMPLES: Final = """
\b
Examples:
  connector init --trust trust.note --center uz --bootstrap hub.example:9092
  connector check                 is everything in place, and does HQ answer?
  connector preview offers.xlsx   what a sheet says; nothing is sent
  connector run                   keep HQ up to date until stopped
  connector status                what became of every row
"""

app = typer.Typer(
    name="connector",
    help="A co-center's connector: from the office's sheets to HQ, and HQ's answers back to the office.\n" + EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
init.add_to(app)
check.add_to(app)
preview.add_to(app)
run.add_to(app)
status.add_to(app)
approve.add_to(app)
app.add_typer(epoch.app, name="epoch")
app.add_typer(key.app, name="key")
app.add_typer(witness.app, name="witness")
erase.add_to(app)
app.add_typer(person.app, name="person")


def _version(wanted: bool) -> None:
    print_version("connector", wanted)


@app.callback()
def _global(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its status."""
    sys.exit(run_command(list(sys.argv[1:] if arguments is None else arguments)))


def run_command(arguments: list[str]) -> int:
    """Run one command; return the exit status. Every error has become one line on stderr."""
    command = typer.main.get_command(app)
    try:
        result = command.main(args=arguments, prog_name="connector", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except typer.Exit as exc:
        return int(exc.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # The reader of a pipe had enough (`connector preview | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as exc:
        if os.environ.get("COHUB_DEBUG", "") not in ("", "0") or not isinstance(exc, Exception | BaseExceptionGroup):
            raise
        return _tell(_leaf(exc))


def _leaf(exc: BaseException) -> BaseException:
    """Return what really went wrong: the first of our own errors in a group, otherwise its first error."""
    if not isinstance(exc, BaseExceptionGroup):
        return exc
    leaves = [_leaf(inner) for inner in exc.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, CohubError)), leaves[0])


def _tell(exc: BaseException) -> int:
    text, code = f"{type(exc).__name__}: {exc} (set COHUB_DEBUG=1 and run it again to see where)", 1
    if isinstance(exc, CohubError):
        text, code = str(exc), 2 if isinstance(exc, UsageError) else 1
    elif type(exc).__name__ == "NoArgsIsHelpError":  # a group alone: its help is to be read, so it keeps its lines
        sys.stderr.write(f"{exc}\n")
        return 2
    elif hasattr(exc, "format_message"):  # typer's own: an unknown option, a value that does not parse
        context = getattr(exc, "ctx", None)
        path = context.command_path if context is not None else "connector"
        text, code = f"{exc.format_message()} Try `{path} --help`.", int(getattr(exc, "exit_code", 2))
    sys.stderr.write(f"connector: {' '.join(text.split())}\n")
    return code


if __name__ == "__main__":
    main()
