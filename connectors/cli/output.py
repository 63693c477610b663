"""What commands print: tables for people, JSON for programs, lines for both."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

PIPE_WIDTH: Final = 200  # a table that is not read on a terminal is not cut to one


def print_version(program: str, wanted: bool) -> None:
    """Print what this program is, where that was asked for, and stop."""
    if not wanted:
        return
    from importlib.metadata import version

    import typer

    line(f"{program} {version('cohub')}")
    raise typer.Exit


def line(text: str = "") -> None:
    """Print one line at once; a character that the terminal cannot show becomes a question mark."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print one line beside the result, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def as_json(value: Any, *, indent: bool = True) -> None:
    """Print one JSON document."""
    import json

    line(json.dumps(value, default=str, ensure_ascii=False, indent=2 if indent else None))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> None:
    """Print a table. `right` names the columns of numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    numbers = set(right)
    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*("" if value is None else str(value) for value in row))
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, markup=False, highlight=False, emoji=False)
    console.print(made)
