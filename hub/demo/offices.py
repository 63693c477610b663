"""The demo's co-centers: five real `connector run` processes, and what each says of itself.

The hub never imports connectors: they are asked by their own command line, as anybody would.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hub.local.child import Child
from hub.local.hub import BackOff, Tell
from hub.protocol.errors import Fatal

CONNECTOR: Final = ("-m", "connectors.cli.main")
STATUS_DEADLINE_S: Final = 20.0
STOP_S: Final = 4.0
WATCH_S: Final = 0.2
EXIT_USAGE: Final = 2
STATES: Final = ("accepted", "refused", "rejected", "unchanged", "blank", "pending")
# What an office folder holds beside its sheets.
OWN_FILES: Final = ("connector.yaml", "trust.note", "connector.log", "README.md")


class Office:
    """One center's folder and its connector."""

    def __init__(self, center: str, folder: Path) -> None:
        self.center = center
        self.folder = folder.absolute()
        self.connector = Child(
            f"connector {center}",
            [*CONNECTOR, "run", "--office", str(self.folder)],
            self.folder,
            self.folder / "connector.log",
        )

    def sheets(self) -> set[str]:
        """Return the names of the sheets in the folder."""
        return {
            path.name
            for path in self.folder.iterdir()
            if path.is_file()
            and path.name not in OWN_FILES
            and not path.name.startswith((".", "~", "outbox."))
            and path.suffix.lower() not in {".lock", ".part", ".note"}
        }

    async def status(self) -> dict[str, Any] | None:
        """Return what `connector status --json` says, None while the connector has not written anything yet.

        Errors: Fatal when it says nothing that can be read.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *CONNECTOR,
            "status",
            "--json",
            "--office",
            str(self.folder),
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(STATUS_DEADLINE_S):
                out, err = await process.communicate()
            if process.returncode == EXIT_USAGE:
                return None
            found = json.loads(out)
            assert isinstance(found["totals"], dict)
        except (TimeoutError, ValueError, KeyError, TypeError) as exc:
            said = err.decode("utf-8", "replace").strip()[-300:] if process.returncode is not None else "no answer"
            raise Fatal(f"connector status of {self.center} is not as expected: {said or exc!r}") from exc
        else:
            return dict(found)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def is_finished(office: Office, status: Mapping[str, Any] | None) -> bool:
    """Return whether every sheet was taken and every row has its answer."""
    if status is None:
        return False
    totals = status["totals"]
    return not totals["pending"] and not totals["backlog"] and office.sheets() <= status["files"].keys()


def rows_of(status: Mapping[str, Any] | None) -> dict[str, int]:
    """Return the counts of one center as the demo's summary has them."""
    names = ("rows", *STATES, "events", "duplicates", "receipts", "backlog")
    totals = status["totals"] if status else {}
    return {name: int(totals.get(name, 0)) for name in names}


def is_accounted(rows: Mapping[str, int]) -> bool:
    """Return whether every row is in exactly one state, and none is still pending."""
    return rows["rows"] == sum(rows[state] for state in STATES) and not rows["pending"]


async def watch_offices(offices: list[Office], tell: Tell) -> None:
    """Start a connector again when it dies, for ever. Errors: Fatal when one can't work with its settings."""
    back_offs = {office.center: BackOff() for office in offices}
    starts: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(WATCH_S)
        for office in offices:
            status = office.connector.status()
            if status is None:
                continue
            words = office.connector.last_words()
            if status == EXIT_USAGE:
                raise Fatal(f"the connector of {office.center} can't work: {words}")
            if office.center not in starts:
                wait_s = back_offs[office.center].next()
                starts[office.center] = loop.time() + wait_s
                tell(f"the connector of {office.center} ended (status {status}: {words}); again in {wait_s:g} s")
            elif loop.time() >= starts[office.center]:
                del starts[office.center]
                office.connector.start()


async def stop_offices(offices: list[Office]) -> None:
    """Stop all connectors at once. Idempotent."""
    await asyncio.gather(*(office.connector.stop(STOP_S) for office in offices), return_exceptions=True)
