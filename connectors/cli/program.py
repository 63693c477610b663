"""How this connector is started: by its name where it was installed, or as one file by a Python."""

from __future__ import annotations

import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Final

from hub.base.shell import quote

NAME: Final = "connector"
ALONE: Final = "-IS"  # what the file would start Python again with: a service has one process, and not two


def own_file() -> Path | None:
    """Return the self-unpacking file that this process was started from; None if there is none."""
    loader = getattr(sys.modules.get("__main__"), "__loader__", None)
    archive = getattr(loader, "archive", None)  # of a module in a zip
    return None if archive is None else Path(str(archive)).resolve()


def service_words(file: Path | None, *, windows: bool) -> tuple[str, ...]:
    """Return how the system starts a connector: on Windows without a window."""
    python = Path(sys.executable)
    if windows and (without := python.with_name("pythonw.exe")).exists():
        python = without
    return (str(python), ALONE, str(file)) if file else (str(python), "-P", "-m", "connectors.cli.main")


@cache
def typed_name() -> str:
    """Return how a person starts it here: what `connector` stands for in a command that is shown."""
    file = own_file()
    if file is None:
        return NAME
    here = Path(file.name) if file.parent == Path.cwd() else file
    return f"{_python()} {quote(here)}"


def _python() -> str:
    """Return a name of this Python that PATH finds; where none is, its path."""
    if sys.platform == "win32" and shutil.which("py"):
        return f"py -{sys.version_info.major}.{sys.version_info.minor}"  # without, it takes the newest
    for name in ("python3", "python"):
        found = shutil.which(name)
        if found is not None and Path(found).resolve() == Path(sys.executable).resolve():
            return name
    return quote(sys.executable)
