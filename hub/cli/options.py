"""What every command of `hub` takes: its settings, its data directory, its form of output."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from hub.base.command import is_debugging
from hub.hq.folder import HubFolder

if TYPE_CHECKING:
    from hub.hq.settings import InForce
    from schemas.words import Language

DEFAULT_DATA_DIR: Final = Path("hub-data")

T = TypeVar("T")

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="The hub's data directory.", show_default=False)]
InLanguage = Annotated[str, typer.Option("--language", help="Of what is said is wrong: zh, en or ru.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment and the global options say."""

    data_dir: Path = DEFAULT_DATA_DIR
    given: bool = False  # the command line named the data directory
    debug: bool = False
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # the other HUB_*, a password perhaps

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings that this environment makes."""
        named = environment.get("HUB_DATA_DIR")
        ours = {n: value for n, value in environment.items() if n.startswith("HUB_") and n != "HUB_DATA_DIR"}
        data_dir = Path(named) if named else DEFAULT_DATA_DIR
        return cls(data_dir, debug=is_debugging(environment), environment=ours)

    def with_data_dir(self, data_dir: Path) -> Settings:
        """Return the settings with another data directory."""
        return replace(self, data_dir=data_dir, given=True)


def hub_folder(ctx: typer.Context, data_dir: Path | None) -> HubFolder:
    """Return the data directory of this command: its own option counts before the global one."""
    settings: Settings = ctx.obj
    return HubFolder(data_dir if data_dir is not None else settings.data_dir, settings.environment)


def hub_settings(ctx: typer.Context, where: HubFolder) -> InForce:
    """Return what hub.yaml and the environment set. Errors: UsageError, one line that says what to do."""
    from hub.hq.settings import read_settings

    settings: Settings = ctx.obj
    return read_settings(where.data_dir, settings.environment)


def read_language(text: str) -> Language:
    """Return the language that an option names. Errors: UsageError."""
    from hub.protocol.errors import Malformed, UsageError
    from schemas.words import to_language

    try:
        return to_language(text)
    except Malformed as exc:
        raise UsageError(f"--{exc}") from exc


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end."""
    return asyncio.run(work)
