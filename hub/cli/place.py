"""Where a hub is on this machine: what its data directory holds, and how a command opens it.

keys/            who this hub is (hub.name, its private keys) and trust.note, which centers pin
hub.sqlite3      ledger, entities, receipts, positions
broker/          the embedded broker's data, where `hub up` runs one
worker.json      what the last worker that got ready was told: its broker
worker.log       what the worker of `hub up` printed
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from hub.protocol.errors import Rejected, Retriable, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from hub.store.sqlite import SqliteStore
    from hub.worker.headquarters import Headquarters, Said

DEFAULT_DATA_DIR: Final = Path("hub-data")
SAY_TRIES: Final = 3

T = TypeVar("T")

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="The hub's data directory.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment and the global options say."""

    data_dir: Path = DEFAULT_DATA_DIR
    given: bool = False  # the command line named the data directory
    debug: bool = False

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings that this environment makes."""
        named = environment.get("HUB_DATA_DIR")
        debug = environment.get("COHUB_DEBUG", "") not in {"", "0"}
        return cls(Path(named) if named else DEFAULT_DATA_DIR, debug=debug)

    def with_data_dir(self, data_dir: Path) -> Settings:
        """Return the settings with another data directory."""
        return replace(self, data_dir=data_dir, given=True)


@dataclass(frozen=True, slots=True)
class Place:
    """A hub's data directory."""

    data_dir: Path

    @property
    def keys(self) -> Path:
        """Where its keys are."""
        return self.data_dir / "keys"

    @property
    def database(self) -> Path:
        """Where its database is."""
        return self.data_dir / "hub.sqlite3"

    @property
    def broker(self) -> Path:
        """Where the embedded broker keeps its data."""
        return self.data_dir / "broker"

    @property
    def worker_log(self) -> Path:
        """What the worker of `hub up` prints."""
        return self.data_dir / "worker.log"

    @property
    def worker_file(self) -> Path:
        """What the last worker that got ready was told."""
        return self.data_dir / "worker.json"

    def known_bootstrap(self) -> str | None:
        """Return the broker that the last worker read from, None where none ever did."""
        try:
            return str(json.loads(self.worker_file.read_text("utf-8"))["bootstrap"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def engine(self) -> Engine:
        """Return an engine for reads. Errors: UsageError where there is no database, or one of another release."""
        from hub.store.migrate import check_current
        from hub.store.sqlite import open_engine

        if not self.database.exists():
            raise UsageError(
                f"{self.database}: there is no hub here yet: run `hub up` or `hub init`, or name another --data-dir"
            )
        engine = open_engine(self.database)
        check_current(engine)
        return engine

    @asynccontextmanager
    async def headquarters(self) -> AsyncIterator[tuple[SqliteStore, Headquarters]]:
        """Yield the store and the writer of the hq lane. Errors: UsageError when there are no keys here."""
        from hub.store.released import released_schemas
        from hub.store.sqlite import SqliteStore
        from hub.worker.headquarters import Headquarters
        from hub.worker.identity import load_identity
        from hub.worker.service import prepare_hq

        identity = load_identity(self.keys)
        store = SqliteStore.open(self.database)
        try:
            headquarters = Headquarters(store, identity, released_schemas())
            await again(lambda: prepare_hq(headquarters, identity))
            yield store, headquarters
        finally:
            store.close()


async def again(work: Any, tries: int = SAY_TRIES) -> Any:
    """Return what `work()` gives; what another process writes to just now is asked again."""
    for attempt in range(tries):
        try:
            return await work()
        except Retriable:
            if attempt == tries - 1:
                raise
            await asyncio.sleep(0.1)
    raise AssertionError


async def say(headquarters: Headquarters, events: Sequence[Said]) -> None:
    """Append events to the hq lane. Errors: UsageError with the rule that forbids one of them."""
    await again(lambda: say_once(headquarters, events))


async def say_once(headquarters: Headquarters, events: Sequence[Said], expected_basis: int | None = None) -> None:
    """Do the same, but leave trying again to the caller. Errors: UsageError, Retriable."""
    from hub.protocol.verdict import message

    try:
        await headquarters.say(events, expected_basis=expected_basis)
    except Rejected as exc:
        place = f" ({' '.join(part for part in (exc.field, exc.params) if part)})" if exc.field or exc.params else ""
        raise UsageError(f"HQ's own rules refuse this: {message(exc.code, 'en')}{place}; nothing was written") from exc


def place(ctx: typer.Context, data_dir: Path | None) -> Place:
    """Return the data directory of this command: its own option counts before the global one."""
    settings: Settings = ctx.obj
    return Place(data_dir if data_dir is not None else settings.data_dir)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end."""
    return asyncio.run(work)
