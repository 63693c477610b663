"""The settings of one office: `connector.yaml` in its folder, and the few that the environment may override."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.runtime.told import OfficeError, os_reason
from connectors.source.table import Limits
from hub.base import files
from hub.base.access import Security, Servers, holds_table
from hub.base.ending import END_S
from hub.base.metrics.options import MetricsOptions
from hub.base.traces.options import TracesOptions
from hub.protocol import topics
from hub.protocol.address import without_login
from hub.protocol.errors import Malformed
from hub.protocol.plain_yaml import load_yaml
from hub.protocol.record import ID
from hub.protocol.session import read_address
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
NO_PROXY: Final = "none"
_HUB: Final = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"


class Guard(BaseModel):
    """How much of a file may change or vanish at once before it waits for `connector approve`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    percent: float = Field(default=20.0, ge=0, le=100)
    rows_min: int = Field(default=20, ge=1)


class Way(StrEnum):
    """A way in to HQ."""

    KAFKA = "kafka"
    HTTPS = "https"


class Https(BaseModel):
    """How HQ is reached over HTTPS. No address: not at all.

    Shapes: proxy is a URL, which may hold a name and a password, or `none`: then the environment's counts no more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str | None = None
    ca_file: Path | None = None
    proxy: SecretStr | None = None

    @field_validator("address")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        try:
            return None if value is None else read_address(value.strip().removesuffix("/").removesuffix(":443").lower())
        except Malformed as exc:
            raise PydanticCustomError("https_address", "{said}", {"said": str(exc)}) from exc

    @field_validator("proxy")
    @classmethod
    def _is_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value() != NO_PROXY and not is_proxy(value.get_secret_value()):
            raise PydanticCustomError("proxy", "not a proxy's URL")
        return value

    def beneath(self, folder: Path) -> Https:
        """Return the same with its file looked for from this folder on."""
        return self if self.ca_file is None else self.model_copy(update={"ca_file": folder / self.ca_file})


def is_proxy(url: str) -> bool:
    """Return whether a proxy can be reached by this URL: `http://[name:password@]host:port`, or `https://`."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class ConnectorSettings(BaseModel):
    """One co-center's connector. Paths are relative to the office folder.

    Units: names end in theirs; `linger_ms` is the least time between two seals of less than a full batch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hub: str = Field(pattern=_HUB)
    center: str
    way: Literal["kafka", "https", "auto"] = "auto"
    bootstrap: Servers = ()
    https: Https = Https()
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
    metrics: MetricsOptions = MetricsOptions()
    traces: TracesOptions = TracesOptions()

    @field_validator("center")
    @classmethod
    def _is_id(cls, value: str) -> str:
        if not ID.fullmatch(value):
            raise PydanticCustomError("center", "expected a center's id of a-z, 0-9 and -")
        return value

    @model_validator(mode="after")
    def _has_a_way(self) -> Self:
        if not self.ways:
            place = "https.address" if self.way == "https" else "bootstrap"
            raise PydanticCustomError("no_way", "no way in", {"place": place})
        return self

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways in that may be taken, the first choice first."""
        named = {Way.KAFKA: bool(self.bootstrap), Way.HTTPS: self.https.address is not None}
        return tuple(way for way in Way if named[way] and self.way in (way, "auto"))

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
    way: str | None = None
    linger_ms: float | None = None
    settle_s: float | None = None
    poll_s: float | None = None
    username: str | None = None
    password: SecretStr | None = None
    metrics_listen: str | None = None
    traces_endpoint: str | None = None


def read_settings(office: Path, overrides: Overrides | None = None) -> ConnectorSettings:
    """Return the settings of the office in a folder. Errors: UsageError, one line naming the file and the setting."""
    path = office / FILE
    try:
        data = load_yaml(files.read_text(path))
    except OSError as exc:
        raise OfficeError("errors.settings_unreadable", path=path, reason=os_reason(exc)) from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        mark = getattr(exc, "problem_mark", None)
        # What the parser says of the line is not shown: it may hold a password.
        raise OfficeError("errors.settings_no_yaml", path=path, line=mark.line + 1 if mark else "?") from None
    if not isinstance(data, dict):
        raise OfficeError("errors.settings_no_table", path=path)
    given = overrides.model_dump(exclude_none=True) if overrides else {}
    security = {name: given.pop(name) for name in ("username", "password") if name in given}
    if security and isinstance(there := data.get("security") or {}, dict):
        data["security"] = there | security
    for section, name in (("metrics", "listen"), ("traces", "endpoint")):
        value = given.pop(f"{section}_{name}", None)
        if value is not None and isinstance(there := data.get(section) or {}, dict):
            data[section] = there | {name: value}
    settings = make_settings(data | given, str(path))
    beneath = {"security": settings.security.beneath(office), "https": settings.https.beneath(office)}
    return settings.model_copy(update=beneath)


def is_exposed(office: Path) -> bool:
    """Return whether a password stands in the file of settings, and others may read it. Errors: OSError; YAMLError."""
    path = office / FILE
    data = load_yaml(files.read_text(path))
    security, https = data.get("security") or {}, data.get("https") or {}
    if not security.get("password") and not urlsplit(str(https.get("proxy") or "")).password:
        return False
    try:
        files.read_private(path)
    except files.ExposedError:
        return True
    return False


def make_settings(data: dict[str, Any], name: str) -> ConnectorSettings:
    """Return settings out of plain values. Errors: UsageError, one line; `name` says where they are from."""
    try:
        return ConnectorSettings.model_validate(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or first.get("ctx", {}).get("place", "")
        # Its own text shows what came, a password perhaps.
        raise OfficeError("errors.setting", path=name, place=place, fault=_fault(first)) from None


def _may_be_shown(place: tuple[int | str, ...], came: object) -> bool:
    """Return whether what stands at a place is no secret: neither a password nor a table, nor in place of one."""
    model: Any = ConnectorSettings
    for name in place:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            break
        field = model.model_fields.get(str(name))
        model = None if field is None else field.annotation
    is_section = isinstance(model, type) and issubclass(model, BaseModel)
    return not is_section and SecretStr not in (model, *get_args(model)) and not holds_table(came)


def _fault(error: Any) -> Said:
    """Return what is wrong with a setting, of pydantic's kinds and our own; English for a kind without words."""
    context, came = error.get("ctx", {}), without_login(str(error["input"]))[:CAME_MAX]
    kind = error["type"]
    if kind in ("extra_forbidden", "missing", "no_way", "proxy"):  # a proxy's URL may hold a password: it is not shown
        return said(f"setting.{kind}")
    if not _may_be_shown(error["loc"], error["input"]):
        return said("setting.not_shown", detail=error["msg"])
    if kind in BOUNDS:
        return said(f"setting.{BOUNDS[kind]}", bound=context[BOUNDS[kind]], came=came)
    if kind == "literal_error":
        return said("setting.literal_error", expected=context["expected"].replace(" or ", ", "), came=came)
    for start in ("address", "https_address", "center", "float", "int", "bool"):
        if kind.startswith(start):
            return said(f"setting.{start}", came=came)
    return said("setting.other", came=came, detail=error["msg"])
