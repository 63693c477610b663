"""Running one command of `hub` or `connector`: every error of ours becomes one line, every end an exit status.

Exit status: 0 done, 1 it could not be done, 2 wrong use of a command or a setting, 4 what was read is newer than this
release, 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hub.base.output import note
from hub.base.shell import quote
from hub.protocol.errors import CohubError, Newer, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import typer

    Tell = Callable[[BaseException], str | None]


NEWER_STATUS: Final = 4
_COLLECT_AT: Final = 50_000  # objects that have come and not gone: some megabytes


def typed(program: str, arguments: str) -> str:
    """Return a command of `hub` or `connector` as it can be typed here: by its path, where PATH does not find it."""
    if shutil.which(program) is None:
        beside = Path(sys.executable).with_name(program)
        if beside.exists():
            return f"{quote(os.path.relpath(beside))} {arguments}"
    return f"{program} {arguments}"


def is_debugging(environment: Mapping[str, str]) -> bool:
    """Return whether errors are to show where they were raised."""
    return environment.get("COHUB_DEBUG", "") not in {"", "0"}


def have_streams() -> None:
    """Have somewhere to print to: a program without a window has neither output nor errors on Windows."""
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:
            setattr(sys, stream, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


def collect_rarely() -> None:
    """Let Python's cyclic collector look rarely, for a whole process: to be called before the rest is imported.

    Modules, classes and what belongs to them come and stay. By default the collector walks through them a hundred
    times while a command is imported, for nothing: a tenth of its start. Cycles are still found.
    """
    gc.set_threshold(_COLLECT_AT, 20, 20)


def run_command(
    app: typer.Typer, program: str, arguments: list[str], *, debug: bool, obj: Any = None, tell: Tell | None = None
) -> int:
    """Run one command of `app`; return the exit status. Every error has become one line on stderr, unless `debug`.

    Shapes: `tell` returns what an error says to who reads here, None where its own message is right.
    """
    import typer

    command = _built(app)
    try:
        result = command.main(args=arguments, prog_name=program, standalone_mode=False, obj=obj)
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
        if debug or not isinstance(exc, (Exception, BaseExceptionGroup)):
            sys.excepthook = _show_traceback
            raise
        return _tell(program, _leaf(exc), tell)


@cache
def _built(app: typer.Typer) -> Any:
    """Return what reads an app's arguments. All of `hub` takes 0.05 s to build: once a process."""
    import typer

    return typer.main.get_command(app)


def _show_traceback(_kind: type[BaseException], exc: BaseException, _at: object) -> None:
    """Print where an error was raised, and what it says, as any other text."""
    note("".join(traceback.format_exception(exc)).removesuffix("\n"))


def _leaf(exc: BaseException) -> BaseException:
    """Return what really went wrong: the first of our own errors in a group, otherwise its first error."""
    if not isinstance(exc, BaseExceptionGroup):
        return exc
    leaves = [_leaf(inner) for inner in exc.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, CohubError)), leaves[0])


def _tell(program: str, exc: BaseException, tell: Tell | None) -> int:
    text, status = f"{type(exc).__name__}: {exc} (set COHUB_DEBUG=1 and run it again to see where)", 1
    if isinstance(exc, CohubError):
        text, status = str(exc), 2 if isinstance(exc, UsageError) else NEWER_STATUS if isinstance(exc, Newer) else 1
    elif type(exc).__name__ == "NoArgsIsHelpError":  # a group alone: its help is to be read, so it keeps its lines
        sys.stderr.write(f"{exc}\n")
        return 2
    elif hasattr(exc, "format_message"):  # typer's own: an unknown option, a value that does not parse
        context = getattr(exc, "ctx", None)
        path = context.command_path if context is not None else program
        text, status = f"{exc.format_message()} Try `{path} --help`.", int(getattr(exc, "exit_code", 2))
    text = (tell(exc) if tell is not None else None) or text
    note(f"{program}: {' '.join(text.split()) if status == 2 else text}")
    return status
