"""Every file is opened, written, renamed and listed by the one door to files, in `hub.base`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DOOR: Final = ("hub/base/files.py", "hub/base/durable.py", "hub/base/zips.py")
# What may do without: folders that nobody else writes, and what is no file of a folder.
OTHERS: Final = {
    "hub/broker/aot.py": "the user's own cache, checked by its digest",
    "hub/broker/formatted.py": "the user's own cache, checked by its digest, and a new folder for the broker alone",
    "hub/broker/jars.py": "the user's own cache, checked by digests",
    "hub/broker/transfer.py": "the user's own cache, checked by digests",
    "hub/broker/warm.py": "a temporary folder in the user's own cache",
    "hub/broker/relock.py": "run by who releases, in the source tree",
    "hub/audit/verify.py": "a temporary folder of this process alone",
    "hub/evidence/checkers.py": "a part of the package",
    "hub/demo/network.py": "the demonstration's own folder",
    "hub/demo/offices.py": "the demonstration's own folder",
    "hub/demo/run.py": "the demonstration's own folder",
    "hub/demo/view.py": "the demonstration's own folder",
    "hub/broker/process.py": "no file: it starts a process",
    "hub/base/metrics/page.py": "run by who releases, in the source tree",
    "hub/base/ending.py": "a file without a name, which nobody else can open",
    "hub/base/command.py": "the null device, in place of a closed pipe",
}
PATH_CALLS: Final = frozenset(
    {
        "write_text", "write_bytes", "read_text", "read_bytes", "touch", "unlink", "mkdir", "rmdir", "iterdir",
        "rglob", "glob", "symlink_to", "hardlink_to", "chmod", "rename",
    }
)  # fmt: skip
OS_CALLS: Final = frozenset(
    {
        "open", "fdopen", "replace", "rename", "link", "symlink", "remove", "unlink", "mkdir", "makedirs", "chmod",
        "scandir", "listdir", "walk", "fwalk", "rmdir", "truncate",
    }
)  # fmt: skip
# The last follows no link, and the one before asks a file system how much room there is.
SHUTIL_GOOD: Final = frozenset({"which", "get_terminal_size", "disk_usage", "rmtree"})


def test_every_file_goes_through_the_door() -> None:
    """What opens a file by itself follows links, waits at pipes and writes over keys."""
    found = [
        f"{path}:{line}: {what}"
        for path in sorted(str(path.relative_to(ROOT)) for room in ("hub", "connectors") for path in _code(room))
        if path not in DOOR and path not in OTHERS
        for line, what in direct((ROOT / path).read_text("utf-8"))
    ]
    assert found == []


def test_exceptions_are_needed() -> None:
    """An exception that nobody needs any more is taken away."""
    for path in OTHERS:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    "text",
    [
        "open('x')",
        "path.open('rb')",
        "path.read_text('utf-8')",
        "os.replace(a, b)",
        "path.replace(other)",
        "shutil.copy(a, b)",
        "zipfile.ZipFile(path)",
        "tempfile.mkstemp()",
        "logging.FileHandler(path)",
        "io.open('x')",
    ],
)
def test_direct_opening_is_seen(text: str) -> None:
    """The test above sees each way to open a file."""
    assert direct(f"import os\n{text}\n")


def direct(text: str) -> list[tuple[int, str]]:
    """Return the lines of code that open, write, rename or list files by themselves."""
    return [
        (node.lineno, ast.unparse(node.func))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and _is_direct(node)
    ]


def _is_direct(call: ast.Call) -> bool:  # noqa: PLR0911  one line for each way to open a file
    if not isinstance(call.func, ast.Attribute):
        return isinstance(call.func, ast.Name) and call.func.id == "open"
    name, owner = call.func.attr, ast.unparse(call.func.value)
    given = [ast.unparse(argument) for argument in call.args]
    match owner, name:
        case "files", _:
            return False
        case _, "fdopen":
            return not given[0].startswith("files.")
        case (("os" | "io"), _):
            return name in OS_CALLS
        case "shutil", _:
            return name not in SHUTIL_GOOD
        case ("tempfile", _) | (_, "RotatingFileHandler" | "FileHandler" | "TimedRotatingFileHandler"):
            return True
        case _, "ZipFile":
            return not any("BytesIO" in text or text == "out" for text in given)
        case _, "open":
            return any(text.startswith(("'", '"')) for text in given)
        case _, "replace":
            return len(given) == 1 and not call.keywords
    return name in PATH_CALLS


def _code(room: str) -> list[Path]:
    return list((ROOT / room).rglob("*.py"))
