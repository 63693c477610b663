"""Which PostgreSQL holds HQ's database, and how a connection to it is made: what it has to promise is set here."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlsplit

from hub.base import files
from hub.base.tls import tidy
from hub.protocol.errors import Fatal, UsageError
from hub.store.postgres_text import kept_bytes, kept_list, said_bytes

if TYPE_CHECKING:
    import asyncpg

CONNECT_S: Final = 10.0
STATEMENT_S: Final = 25.0
READ_S: Final = 600.0  # a person's question may go through a whole table
VERSION_MIN: Final = 15  # of PostgreSQL: the oldest that the tests run on

WORKER: Final = "cohub worker"  # as the server names its connections; whoever blocks a claim and is one is ended
# A worker that was frozen within a transaction holds nobody up for long, and waits for no table that is moved.
WORKER_SETTINGS: Final = {"application_name": WORKER, "lock_timeout": "10s"}
_TRANSACTION: Final = "SET transaction_timeout = '40s'"  # longer than a call takes (`postgres_database.CALL_S`)
_TRANSACTION_FROM: Final = 17  # the first that knows it: it ends a transaction that is not idle, too
_SETTINGS: Final = {
    "application_name": "cohub",
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "4s",
    "tcp_user_timeout": "8s",
    "client_min_messages": "warning",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A database's address, and how we get in.

    Shapes: `password_file` is read for each connection, so that one that was replaced counts; with `ca_file` the server
            must show a certificate of this authority for its name. Without it, nothing is encrypted, and only this
            machine's addresses are taken.
    """

    host: str
    port: int
    database: str
    user: str
    password_file: Path | None = None
    ca_file: Path | None = None

    @classmethod
    def at(cls, url: str, password_file: Path | None = None, ca_file: Path | None = None) -> Server:
        """Return the server of `postgresql://user@host:port/database`.

        Errors: UsageError. It shows nothing of an address that it refuses: a password may stand anywhere in it, and a
            sign in one that is not written as `%..` moves it to where nobody looks for it.
        """
        form = "database.url: expected postgresql://user@host:5432/database and nothing else, without a password"
        try:
            parts = urlsplit(url)
            port = parts.port or 5432
        except ValueError:
            raise UsageError(f"{form}; the host or the port of the one given can't be read") from None
        user, name = unquote(parts.username or ""), unquote(parts.path.lstrip("/"))
        if parts.password is not None or ":" in user:
            raise UsageError("database.url: no password stands in an address; name its file: database.password_file")
        if parts.scheme not in {"postgresql", "postgres"} or not (parts.hostname and user and name):
            raise UsageError(f"{form}; the one given lacks a part, or begins with something else")
        if parts.query or parts.fragment or "/" in name or "@" in name:
            raise UsageError(f"{form}; the one given goes on behind the database's name")
        if ca_file is None and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            raise UsageError(
                f"database.ca_file: {parts.hostname} is another machine: name the authority of its certificate; without"
                " it, anybody on the way could read and change what is HQ's"
            )
        return cls(parts.hostname, port, name, user, password_file, ca_file)

    @property
    def address(self) -> str:
        """What stands in hub.yaml as `database.url`: `Server.at` reads the same server from it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{quote(self.user, safe='')}@{host}:{self.port}/{quote(self.database, safe='')}"

    @property
    def location(self) -> str:
        """What messages call it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{self.user}@{host}:{self.port}/{self.database}"

    async def connect(self, timeout_s: float | None = STATEMENT_S, **settings: str) -> asyncpg.Connection[Any]:
        """Return a new connection. Errors: those of asyncpg, OSError, TimeoutError; Fatal for a server too old."""
        with needing_extra():
            import asyncpg  # noqa: PLC0415 - a hub in SQLite has none
        connection = await asyncpg.connect(
            host=self.host,
            port=self.port,
            database=self.database,
            user=self.user,
            password=self.password(),
            ssl=self.tls() or False,
            timeout=CONNECT_S,
            command_timeout=timeout_s,
            statement_cache_size=0,  # a connection prepares what it needs itself
            server_settings={**_SETTINGS, **settings},
        )
        version = connection.get_server_version()
        if version.major < VERSION_MIN:
            connection.terminate()
            raise Fatal(f"{self.location} is PostgreSQL {version.major}, expected {VERSION_MIN} or newer")
        # Of single texts and JSON lists. Of lists of texts, a column each, asyncpg has its own (`kept_column`).
        try:
            if version.major >= _TRANSACTION_FROM and settings.get("application_name") == WORKER:
                await connection.execute(_TRANSACTION)
            await connection.set_type_codec(
                "text", schema="pg_catalog", encoder=kept_bytes, decoder=said_bytes, format="binary"
            )
            await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=kept_list, decoder=str)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def password(self) -> str | None:
        """Return the user's password, None where none is asked for. Errors: UsageError for a file that has none."""
        if self.password_file is None:
            return None
        try:
            text = files.read_private(self.password_file).decode().removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageError(f"database.password_file: {self.password_file} can't be read: {exc}") from None
        if not text or "\n" in text:
            raise UsageError(f"database.password_file: expected one line in {self.password_file}")
        return text

    def tls(self) -> ssl.SSLContext | None:
        """Return how the server is known; None where nothing is encrypted. Errors: UsageError."""
        if self.ca_file is None:
            return None
        try:
            return tidy(ssl.create_default_context(cafile=str(self.ca_file)))
        except (OSError, ssl.SSLError) as exc:
            raise UsageError(f"database.ca_file: {self.ca_file} can't be read as certificates: {exc}") from exc


@contextmanager
def needing_extra() -> Iterator[None]:
    """Let a driver be imported inside. Errors: UsageError with the remedy where it is not installed."""
    try:
        yield
    except ModuleNotFoundError as exc:
        raise UsageError(
            f"{exc.name} is not installed: a hub in PostgreSQL needs `pip install cohub[postgres]`"
        ) from exc
