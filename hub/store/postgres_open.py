"""HQ's database in PostgreSQL for whoever waits for its answers: people's commands, tools, and what makes its tables.

Tables are made and migrated all of them in one transaction, and by one program at a time.

A worker never does it by itself: of several workers one may be of the release before (docs/adr/0037).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from hub.protocol.errors import CohubError, Fatal, Retriable
from hub.store.migrate import migrate
from hub.store.postgres_server import READ_S, Server, needing_extra
from hub.store.postgres_text import kept, said
from hub.store.version import Version

_LOCK: Final = 0x636F6875  # "cohu": of the advisory locks of this database
_WAIT: Final = "20s"
_TEXT: Final = 25  # what the server calls the type of a text
_LASTING: Final = (
    "22",  # a value
    "28",  # who we are
    "3D",  # which database
    "42",  # what we may or ask
    "XX001",  # damaged pages
    "XX002",  # a damaged index
)  # SQLSTATE, by its class or whole


def engine_of(server: Server, name: str = "cohub", timeout_s: float | None = READ_S) -> Engine:
    """Return what reads and migrates, for whoever waits for the answer: no worker, whose loop would stand still.

    Shapes: `name` is what the server calls it. Units: an answer that does not come in `timeout_s` is given up.
    """
    url = URL.create("postgresql+pg8000", server.user, server.password(), server.host, server.port, server.database)
    tls = server.tls()
    with needing_extra():
        engine = create_engine(
            url,
            poolclass=NullPool,
            isolation_level="REPEATABLE READ",
            connect_args={"timeout": timeout_s, "application_name": name, "ssl_context": tls},
        )
    event.listen(engine, "connect", lambda driver, _: keep_texts(driver))
    return engine


def keep_texts(driver: Any) -> None:
    """Let a connection of pg8000 take any text, and give it back (`postgres_text`)."""
    driver.register_in_adapter(_TEXT, said)
    driver.register_out_adapter(str, kept)


def bring_up_to_date(server: Server) -> Version:
    """Make or migrate the tables in one transaction; of programs that do it at once, one does, and the others wait.

    Returns their version, which may be a newer one that this release may use.
    Errors: Fatal when the database is not ours, or too new for this release; Retriable while the server is away.
    """
    # A migration of a large table takes its time; a server that is gone is found out by TCP's own keepalive.
    engine = engine_of(server, "cohub migrate", None)
    try:
        with (
            speaking(server.location),
            engine.execution_options(isolation_level="READ COMMITTED").begin() as transaction,
        ):
            transaction.execute(text(f"SET LOCAL lock_timeout = '{_WAIT}'"))
            # By itself, before anything is read: what is read then is what the one before us has left.
            transaction.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            return migrate(transaction)
    except Fatal as exc:
        raise Fatal(f"{server.location}: {exc}") from exc
    finally:
        engine.dispose()


@contextmanager
def speaking(location: str) -> Iterator[None]:
    """Let what a driver raises inside be told in our words. Errors: Retriable, Fatal."""
    try:
        yield
    except DBAPIError as exc:
        raise heard(location, exc.orig or exc) from exc
    except OSError as exc:
        raise Retriable(f"{location}: {exc}") from exc


def heard(location: str, exc: BaseException) -> CohubError:
    """Return what pg8000 raises, in our words: what may pass by itself is Retriable."""
    said = exc.args[0] if exc.args else exc
    code, why = (str(said.get("C", "")), said.get("M", said)) if isinstance(said, dict) else ("", said)
    return (Fatal if code.startswith(_LASTING) else Retriable)(f"{location}: {why}")
