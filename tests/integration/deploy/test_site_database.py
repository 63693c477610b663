"""PostgreSQL by what docker-compose.yml gives to it: its command, its rules of who comes in, its script, its secrets.

It needs a PostgreSQL of this machine's own, for the one of the tests knows no TLS.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from hub.site.folder import SiteFolder
from tests.support.composed import compose
from tests.support.locked import command_lines
from tests.support.ports import free_port

asyncpg = pytest.importorskip("asyncpg")

ROOT: Final = Path(__file__).parents[3]
SERVICE: Final[dict[str, Any]] = compose()["services"]["postgres"]


def programs() -> Path | None:
    """Return the folder of a PostgreSQL that knows TLS, the newest that is here."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    found += [Path(name).resolve().parent] if (name := shutil.which("postgres")) else []
    for folder in sorted(found, key=lambda path: int((re.findall(r"\d+", str(path)) or ["0"])[0]), reverse=True):
        said = subprocess.run([folder / "pg_config", "--configure"], capture_output=True, text=True, check=False).stdout
        if "--with-openssl" in said or "--with-ssl" in said:
            return folder
    return None


pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(programs() is None, reason="NO POSTGRESQL WITH TLS IS HERE: the site's own was not tried"),
]


class Database:
    """The service as a process of a user who is not root."""

    def __init__(self, folder: Path) -> None:
        here = programs()
        assert here is not None
        self.bin, self.folder, self.port = here, folder, free_port()
        SiteFolder(folder / "site").make("hub.example", "127.0.0.1", datetime.now(UTC))
        self.secrets = folder / "site/secrets"
        self.authority = folder / "site/hub/keys/ca.pem"
        for name in ("pg_hba.conf", "hub.sql"):
            text = (ROOT / "deploy/compose/postgres" / name).read_text("utf-8")
            (folder / name).write_text(text.replace("/run/secrets", str(self.secrets)), "utf-8")
        self.who: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, nobody.pw_uid, nobody.pw_gid)

    def run(self, program: str, *words: str, **environment: str) -> str:
        done = subprocess.run(
            [self.bin / program, *words], cwd=self.folder, env={"PATH": "/usr/bin:/bin", **environment},
            capture_output=True, text=True, check=False, **self.who,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def start(self) -> subprocess.Popen[bytes]:
        """Do what the image's entry point does: make the database cluster, then run the service's command."""
        data, admin = str(self.folder / "data"), str(self.secrets / "postgres-admin")
        options = SERVICE["environment"]["POSTGRES_INITDB_ARGS"].split()
        self.run(
            "initdb", "-D", data, f"--username={SERVICE['environment']['POSTGRES_USER']}", f"--pwfile={admin}", *options
        )
        words = [
            word.replace("/run/secrets", str(self.secrets)).replace("/etc/cohub", str(self.folder))
            for word in SERVICE["command"][1:]
        ]
        more = ["-D", data, "-p", str(self.port), "-k", str(self.folder), "-c", "listen_addresses=127.0.0.1"]
        return subprocess.Popen(
            [self.bin / "postgres", *words, *more], cwd=self.folder, env={"PATH": "/usr/bin:/bin"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.who,
        )  # fmt: skip

    def is_ready(self) -> bool:
        """Return what the service's own health check says."""
        words = SERVICE["healthcheck"]["test"][2:]
        asked = [self.bin / "pg_isready", *words, f"--port={self.port}"]
        return subprocess.run(asked, check=False).returncode == 0

    def password(self, user: str) -> str:
        return (self.secrets / f"postgres-{user}").read_text("ascii").strip()


@pytest.fixture
def database() -> Iterator[Database]:
    folder = Path(tempfile.mkdtemp(prefix="cohub-database-"))
    folder.chmod(0o755)
    made = Database(folder)
    process = made.start()
    try:
        ends = time.monotonic() + 60
        while not made.is_ready():
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.1)
        yield made
    finally:
        process.send_signal(signal.Signals[SERVICE["stop_signal"]])
        process.wait(60)
        shutil.rmtree(folder)


def test_hq_comes_in_by_tls_and_its_password_into_its_own_database_alone(database: Database) -> None:
    """What else is tried is refused; checksums are on, HQ is no superuser, and no password was in a command line."""
    words = {user: database.password(user) for user in ("admin", "hub")}
    script = str(database.folder / "hub.sql")
    user = SERVICE["environment"]["POSTGRES_USER"]
    where = ("-h", str(database.folder), "-p", str(database.port), "-U", user)
    database.run("psql", *where, "--no-psqlrc", "-f", script, PGPASSWORD=words["admin"])
    assert not [word for word in words.values() if word.encode() in command_lines()]
    context = ssl.create_default_context(cafile=database.authority)
    good = {"host": "127.0.0.1", "port": database.port, "user": "hub", "database": "hub", "password": words["hub"]}

    async def tried() -> list[Any]:
        connection = await asyncpg.connect(**good, ssl=context)
        await connection.execute("CREATE TABLE tried (a int)")
        found = [
            await connection.fetchval("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"),
            await connection.fetchval("SHOW data_checksums"),
            await connection.fetchval("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = 'hub'"),
        ]
        await connection.close()
        return found

    async def is_refused(**other: Any) -> bool:
        loop: Any = asyncio.get_running_loop()
        connect, made = loop.create_connection, []

        async def kept(*args: Any, **named: Any) -> Any:
            transport, protocol = await connect(*args, **named)
            made.append(transport)
            return transport, protocol

        loop.create_connection = kept
        try:
            await (await asyncpg.connect(**(good | {"ssl": context} | other))).close()
        except (asyncpg.PostgresError, OSError):
            return True
        finally:  # asyncpg waits for no good-bye on TLS of a server that let nobody in, and the loop ends now
            for transport in made:
                transport.abort()
            await asyncio.sleep(0)
        return False

    assert asyncio.run(tried()) == ["TLSv1.3", "on", False]
    for other in ({"ssl": False}, {"database": "postgres"}, {"password": "x"}, {"user": "postgres", "ssl": False}):
        assert asyncio.run(is_refused(**other)), other
