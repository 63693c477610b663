"""Where the broker's jars come from and where they are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def user_cache_dir() -> Path:
    """Return the folder for things of this user that can be fetched again, by the platform's own convention."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cohub"


class BrokerSettings(BaseSettings):
    """Settings of the embedded broker, read once from the environment."""

    model_config = SettingsConfigDict(env_prefix="COHUB_", env_ignore_empty=True, frozen=True, extra="forbid")

    cache_dir: Path = Field(default_factory=user_cache_dir, description="Jars and AOT caches, fetched or made again.")
    maven_url: str | None = Field(default=None, description="A mirror of Maven Central; unset means Maven Central.")
