"""What commands print: tables for people, JSON for programs, lines for both. All of it goes through `hub.base.text`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from hub.base.text import visible, visible_json

PIPE_WIDTH: Final = 200  # a table that is not read on a terminal is not cut to one


def line(text: str = "") -> None:
    """Print one line at once."""
    _print(sys.stdout, text)


def raw(data: bytes) -> None:
    """Write bytes for programs as they are; on a terminal, as any other text."""
    if sys.stdout.isatty():
        line(data.decode("utf-8", "replace").removesuffix("\n"))
        return
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def note(text: str) -> None:
    """Print one line beside the result, on stderr."""
    _print(sys.stderr, text)


def _print(stream: TextIO, text: str) -> None:
    # A legacy console can't show every script: such a character becomes a question mark, and the command goes on.
    encoding = stream.encoding or "utf-8"
    if not encoding.lower().startswith("utf"):
        text = text.replace("─", "-")
    stream.write(visible(text).encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def ask(question: str, default: str | None = None) -> str:
    """Return what a person answers on the terminal."""
    import typer

    shown = None if default is None else visible(default)
    return str(typer.prompt(visible(question), default=shown, show_default=bool(default))).strip()


def confirm(question: str, *, abort: bool = False, err: bool = False) -> bool:
    """Return whether a person says yes. Errors: typer.Abort, where a no is to end the command."""
    import typer

    return bool(typer.confirm(visible(question), abort=abort, err=err))


def print_version(program: str, wanted: bool) -> None:
    """Print what this program is, where that was asked for, and stop."""
    if not wanted:
        return
    import typer

    from hub.base.release import release

    line(f"{program} {release()}")
    raise typer.Exit


def as_json(value: Any, *, indent: bool = True) -> None:
    """Print one JSON document."""
    import orjson

    text = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 if indent else None)
    line(visible_json(text.decode()))


def facts_table(facts: Mapping[str, Any]) -> None:
    """Print names and what they are, a line each, wrapped under themselves."""
    from hub.base.layout import fact_lines

    for text in fact_lines([(name, shown(value) or "-") for name, value in facts.items()], width()):
        line(text)


def hanging(head: str, text: str) -> None:
    """Print a text behind its head, wrapped under itself."""
    from hub.base.layout import wrapped

    first, *others = wrapped(text, max(width() - len(head), 20))
    line(f"{head}{first}")
    for other in others:
        line(f"{'':{len(head)}}{other}")


def width() -> int:
    """Return how wide a table may be: the terminal's width, COLUMNS where that is set, else what a pipe takes."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
    return PIPE_WIDTH


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> None:
    """Print a table. `right` names the columns of numbers."""
    from hub.base.layout import lines_of

    line()
    if title:
        line(title)
        line()
    for text in lines_of(columns, [[shown(value) for value in row] for row in rows], width(), frozenset(right)):
        line(text)
    line()


def ago(moment: datetime | None) -> str:
    """Return how long ago that was, in words."""
    if moment is None:
        return "never"
    return f"{span(int((datetime.now(UTC) - moment).total_seconds()))} ago"


def span(seconds: int) -> str:
    """Return how long that is, in words."""
    seconds = max(0, seconds)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def count(number: int, one: str) -> str:
    """Return so many of a thing, such as `1 finding` and `2 findings`."""
    return f"{number} {one if number == 1 else one + 's'}"


def shown(value: Any) -> str:
    """Return a value as people read it, never as Python writes it."""
    if value is None or value in ({}, [], (), ""):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {shown(each)}" for name, each in value.items() if each is not None) or "-"
    if isinstance(value, list | tuple | set | frozenset):
        return "; ".join(shown(each) for each in value)
    return str(value)
