"""The settings of one office: `connector.yaml` in its folder, and the few that the environment may override."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.runtime.told import OfficeError, os_reason
from connectors.source.table import Limits
from hub.base import files
from hub.base.access import Security, Servers
from hub.base.ending import END_S
from hub.protocol import topics
from hub.protocol.plain_yaml import load_yaml
from hub.protocol.record import ID
from schemas.words import Language
from schemas.words.said import Said, said

FILE: Final = "connector.yaml"
OUTBOX: Final = "outbox.sqlite3"
TRUST: Final = "trust.note"
SEAL_KEY: Final = "keys/seal.key"
LONG_KEY: Final = "keys/seal-mldsa44.key"
WITNESS_KEY: Final = "keys/witness.key"
CAME_MAX: Final = 70  # characters of a wrong value that are shown
# Pydantic's kinds of bounds, and the name that each gives its bound.
BOUNDS: Final = {
    "greater_than_equal": "ge",
    "greater_than": "gt",
    "less_than_equal": "le",
    "less_than": "lt",
    "too_short": "min_length",
}
_HUB: Final = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"


class Guard(BaseModel):
    """How much of a file may change or vanish at once before it waits for `connector approve`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    percent: float = Field(default=20.0, ge=0, le=100)
    rows_min: int = Field(default=20, ge=1)


class ConnectorSettings(BaseModel):
    """One co-center's connector. Paths are relative to the office folder.

    Units: names end in theirs; `linger_ms` is the least time between two seals of less than a full batch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hub: str = Field(pattern=_HUB)
    center: str
    bootstrap: Annotated[Servers, Field(min_length=1)]
    language: Language = "en"
    folder: Path = Path()
    depth_max: int = Field(default=0, ge=0, le=16)
    mappings: Path = Path("mappings")
    linger_ms: float = Field(default=5.0, ge=0, le=60_000)
    settle_s: float = Field(default=60.0, ge=0, le=86_400)
    file_settle_s: float = Field(default=2.0, ge=0, le=3_600)
    poll_s: float = Field(default=2.0, gt=0, le=3_600)
    presence_s: float = Field(default=30.0, gt=0, le=3_600)
    receipt_wait_s: float = Field(default=60.0, gt=0, le=3_600)
    registry_wait_s: float = Field(default=30.0, gt=0, le=3_600)
    logged_within_s: float = Field(default=600.0, ge=1, le=86_400)
    request_timeout_s: float = Field(default=15.0, ge=1, le=300)
    end_s: float = Field(default=END_S, ge=1, le=3_600)
    compression: Literal["none", "gzip"] = "none"
    long_seals: bool = False
    guard: Guard = Guard()
    limits: Limits = Limits()
    security: Security = Security()

    @field_validator("center")
    @classmethod
    def _is_id(cls, value: str) -> str:
        if not ID.fullmatch(value):
            raise PydanticCustomError("center", "expected a center's id of a-z, 0-9 and -")
        return value

    @property
    def topic_in(self) -> str:
        """Where this center writes."""
        return topics.topic_in(self.center)

    @property
    def topic_out(self) -> str:
        """Where HQ answers it."""
        return topics.topic_out(self.center)


class Overrides(BaseSettings):
    """What the environment may set instead of the file: `COHUB_CONNECTOR_<NAME>`. Read once, in main."""

    model_config = SettingsConfigDict(env_prefix="COHUB_CONNECTOR_", frozen=True, extra="ignore")

    bootstrap: str | None = None
    linger_ms: float | None = None
    settle_s: float | None = None
    poll_s: float | None = None
    username: str | None = None
    password: SecretStr | None = None


def read_settings(office: Path, overrides: Overrides | None = None) -> ConnectorSettings:
    """Return the settings of the office in a folder. Errors: UsageError, one line naming the file and the setting."""
    path = office / FILE
    try:
        data = load_yaml(files.read_text(path))
    except OSError as exc:
        raise OfficeError("errors.settings_unreadable", path=path, reason=os_reason(exc)) from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        mark = getattr(exc, "problem_mark", None)
        raise OfficeError("errors.settings_no_yaml", path=path, line=mark.line + 1 if mark else "?") from exc
    if not isinstance(data, dict):
        raise OfficeError("errors.settings_no_table", path=path)
    given = overrides.model_dump(exclude_none=True) if overrides else {}
    security = {name: given.pop(name) for name in ("username", "password") if name in given}
    if security:
        data["security"] = (data.get("security") or {}) | security
    settings = make_settings(data | given, str(path))
    return settings.model_copy(update={"security": settings.security.beneath(office)})


def make_settings(data: dict[str, Any], name: str) -> ConnectorSettings:
    """Return settings out of plain values. Errors: UsageError, one line; `name` says where they are from."""
    try:
        return ConnectorSettings.model_validate(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise OfficeError("errors.setting", path=name, place=place, fault=_fault(first)) from exc


def _fault(error: Any) -> Said:
    """Return what is wrong with a setting, of pydantic's kinds and our own; English for a kind without words."""
    context, came = error.get("ctx", {}), str(error["input"])[:CAME_MAX]
    kind = error["type"]
    if kind in ("extra_forbidden", "missing"):
        return said(f"setting.{kind}")
    if kind in BOUNDS:
        return said(f"setting.{BOUNDS[kind]}", bound=context[BOUNDS[kind]], came=came)
    if kind == "literal_error":
        return said("setting.literal_error", expected=context["expected"].replace(" or ", ", "), came=came)
    for start in ("address", "center", "float", "int", "bool"):
        if kind.startswith(start):
            return said(f"setting.{start}", came=came)
    return said("setting.other", came=came, detail=error["msg"])
