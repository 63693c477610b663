"""Which texts of an office the code asks for: found by reading the code, so that no list has to be kept of them.

A text is asked for by its name and its values, `said("status.running", process=…)`. A name that is put together, as in
`said(f"os.{code}")`, asks for every text that begins and ends so.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import schemas

ROOT: Final = Path(schemas.__file__).parents[1]
ROOMS: Final = ("connectors", "hub/base")
# What takes the name of a text and its values: functions, methods and errors.
LEVELS: Final = frozenset({"info", "warning", "error"})
LOGGERS: Final = frozenset({"log", "_seldom"})  # the second counts too: hub/base/seldom.py
METHODS: Final = frozenset({"say", "tell"})
ASKS: Final = frozenset(
    {"said", "OfficeError", "OfficeFatal", "OfficeWaits", "BrokerAway", "TopicHidden", "MayNotWrite"}
    | {"OutboxFull", "OutboxBusy", "OutboxBroken"}
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One place that asks for a text. `values` are None where they are put together elsewhere."""

    where: str
    name: re.Pattern[str]
    values: frozenset[str] | None
    is_log: bool = False  # then there may be no text: the line is for the log file alone

    def faults(self, texts: dict[str, frozenset[str]]) -> Iterator[str]:
        """Yield what is wrong, with the places to fill in of each text by its name."""
        found = [name for name in texts if self.name.fullmatch(name)]
        if not found and not self.is_log:
            yield f"{self.where}: there is no text {self.name.pattern}"
        for name in found if self.values is not None else ():
            assert self.values is not None
            if missing := texts[name] - self.values:
                yield f"{self.where}: {name} wants {', '.join(sorted(missing))}"


def asked_texts(root: Path = ROOT) -> Iterator[Asked]:
    """Yield every place in the code that asks for a text of an office."""
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.Call) or not node.args:
                    continue
                is_log = _logs(node)
                if is_log or _asks(node):
                    name = _pattern(node.args[0])
                    if name is not None:
                        name = rf"log\.(?:{name})" if is_log else name
                        values = {word.arg for word in node.keywords} | ({"times"} if is_log else set())
                        is_known = isinstance(node.args[0], ast.Constant) and None not in values
                        known = frozenset(filter(None, values)) if is_known else None
                        yield Asked(f"{path.relative_to(root)}:{node.lineno}", re.compile(name), known, is_log)


def _logs(call: ast.Call) -> bool:
    """Return whether a call is a line of the log, which an office's terminal may have words for."""
    function = call.func
    if isinstance(function, ast.Attribute):
        logger = function.value
        named = logger.id if isinstance(logger, ast.Name) else logger.attr if isinstance(logger, ast.Attribute) else ""
        return named in LOGGERS and function.attr in LEVELS
    return isinstance(function, ast.Name) and function.id == "say"  # one of two levels, where the level is chosen


def _asks(call: ast.Call) -> bool:
    """Return whether a call asks for a text: `say` and `tell` are a speaker's, and take nothing else by its place."""
    name = _name(call.func)
    if name in METHODS:
        return isinstance(call.func, ast.Attribute) and len(call.args) == 1
    return name in ASKS and bool(call.args)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _pattern(name: ast.expr) -> str | None:
    """Return a pattern of the names that an argument may be; None for one that says nothing of it."""
    if isinstance(name, ast.IfExp):
        either = _pattern(name.body), _pattern(name.orelse)
        return None if None in either else "|".join(f"(?:{one})" for one in either)
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        return re.escape(name.value)
    if isinstance(name, ast.JoinedStr):
        return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+" for part in name.values)
    return None
