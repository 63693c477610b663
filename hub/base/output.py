"""What commands print: tables for people, JSON for programs, lines for both."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TextIO

PIPE_WIDTH: Final = 200  # a table that is not read on a terminal is not cut to one


def line(text: str = "") -> None:
    """Print one line at once."""
    _print(sys.stdout, text)


def note(text: str) -> None:
    """Print one line beside the result, on stderr."""
    _print(sys.stderr, text)


def _print(stream: TextIO, text: str) -> None:
    # A legacy console can't show every script: such a character becomes a question mark, and the command goes on.
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def print_version(program: str, wanted: bool) -> None:
    """Print what this program is, where that was asked for, and stop."""
    if not wanted:
        return
    from importlib.metadata import version

    import typer

    line(f"{program} {version('cohub')}")
    raise typer.Exit


def as_json(value: Any, *, indent: bool = True) -> None:
    """Print one JSON document."""
    import orjson

    text = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 if indent else None)
    line(text.decode())


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> None:
    """Print a table. `right` names the columns of numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    numbers = set(right)
    made = Table(title=title or None, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, markup=False, highlight=False, emoji=False)
    with console.capture() as printed:
        console.print(made)
    line(printed.get().rstrip("\n"))


def ago(moment: datetime | None) -> str:
    """Return how long ago that was, in words."""
    if moment is None:
        return "never"
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def count(number: int, one: str) -> str:
    """Return so many of a thing, such as `1 finding` and `2 findings`."""
    return f"{number} {one if number == 1 else one + 's'}"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)
