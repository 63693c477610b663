"""What stops, as the code has it: every name that docs/stops.md has to have a row for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final, get_args

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.needs import FILE_STATES
from connectors.runtime.outbox.rows import FileState
from connectors.runtime.witness import Why as Break
from connectors.source.problem import FileCode
from hub.hq.alarms import HqAlarm
from hub.hq.status import Need
from hub.ledger.halt import Why as Halt
from hub.ledger.lane import Status
from hub.protocol.cause import CauseCode

ROOT: Final = Path(__file__).parents[2]
PROCESSES: Final = (
    "hub/base",
    "hub/broker",
    "hub/hq",
    "hub/kafka",
    "hub/ledger",
    "hub/local",
    "hub/protocol",
    "hub/store",
    "hub/worker",
)
OFFICE: Final = ("connectors/runtime",)
# Of these rooms' files those that commands alone use: they end with a sentence, and have stopped nothing.
COMMANDS: Final = frozenset({"archive", "depot", "entities", "log_tree", "opener", "reads", "sqlite_archive", "state"})
ENDS: Final = frozenset(
    {"Damaged", "Fatal", "Newer", "OtherPartitions", "_exit_by"}
)  # what ends a process of HQ; of an office: whatever its runtime says with words
SAYS: Final = frozenset({"OfficeError", "OfficeFatal", "OfficeWaits", "OutboxBroken", "OutboxBusy", "OutboxFull"})


def named() -> set[str]:
    """Return the names of all stops that a list in the code has."""
    found: set[str] = set()
    lists: dict[str, type[StrEnum]] = {
        "Status": Status,
        "Halt": Halt,
        "HqAlarm": HqAlarm,
        "AlarmName": AlarmName,
        "Break": Break,
        "FileCode": FileCode,
        "CauseCode": CauseCode,
    }
    for name, members in lists.items():
        found |= {f"{name}.{member.name}" for member in members}
    found -= {"Status.READING"}
    found |= {f"FileState.{state.name}" for state in FileState} - {"FileState.TAKEN", "FileState.VANISHED"}
    assert {FileState(state).name for state in FILE_STATES} <= {state.name for state in FileState}
    return found | {f"need.{need}" for need in get_args(Need)}


def raised() -> set[str]:
    """Return where HQ's processes raise what ends them (`Class.method`), and what an office says (`errors.name`)."""
    found = {place for folder in PROCESSES for place, kind, _ in _raises(folder) if kind in ENDS}
    return found | {said for folder in OFFICE for _, kind, said in _raises(folder) if kind in SAYS and said}


def _raises(folder: str) -> Iterator[tuple[str, str, str]]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        if path.stem in COMMANDS:
            continue
        yield from _within(ast.parse(path.read_text("utf-8")), [path.stem])


def _within(node: ast.AST, names: list[str]) -> Iterator[tuple[str, str, str]]:
    for child in ast.iter_child_nodes(node):
        inner = names
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [*names, child.name]
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name | ast.Attribute):
            first = child.args[0] if child.args else None
            said = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
            called = child.func.id if isinstance(child.func, ast.Name) else child.func.attr
            yield ".".join(names[-2:]), called, said
        yield from _within(child, inner)
