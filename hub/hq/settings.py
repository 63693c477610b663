"""The settings of one hub: `hub.yaml` in its data directory, and the few that the environment may override.

What counts, the first that is there: a command's own option, the environment, the file, the default. Where each value
comes from is kept with it, for `hub settings show`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from hub.base import files
from hub.base.access import Servers, holds_table, host_and_port
from hub.base.ending import END_S
from hub.base.metrics.options import MetricsOptions
from hub.base.traces.options import TracesOptions
from hub.hq.other_security import OtherSecurity
from hub.hq.web_options import WebOptions
from hub.kafka.security import ClusterSecurity
from hub.protocol.address import without_login
from hub.protocol.errors import Malformed, UsageError
from hub.protocol.host import require_one_reading
from hub.protocol.invitation import check_broker_address
from hub.protocol.plain_yaml import load_yaml
from hub.store.postgres_server import Server
from hub.store.store import QUARANTINE_QUOTA_BYTES

FILE: Final = "hub.yaml"
EVERY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - it is looked for, and nothing is bound
DEFAULT: Final = "default"
CHECKPOINT_EVERY_S: Final = 1.0  # at most this often, rarer where commits never rest, at once after a rest
STALL_S: Final = 60.0
WITNESSES_WAIT_S: Final = 30.0  # a connector's presence comes this often
# From the signal to the end of a worker: reading has most of it, then what publishes closes its clients (CLOSE_S) and
# stores its cursors. With the embedded broker's share behind it (`hub up`) a whole stop stays within the ten seconds
# after which a container is killed.
WORKER_STOP_S: Final = 6.0

# What the environment may set instead of the file. A secret is better there than in a file.
VARIABLES: Final = {
    "HUB_KEYS": "keys",
    "HUB_BOOTSTRAP": "bootstrap",
    "HUB_USERNAME": "security.username",
    "HUB_PASSWORD": "security.password",
    "HUB_ADMIN_USERNAME": "admin.username",
    "HUB_ADMIN_PASSWORD": "admin.password",
    "HUB_WEB_USERNAME": "web.security.username",
    "HUB_WEB_PASSWORD": "web.security.password",
    "HUB_DATABASE_URL": "database.url",
    "HUB_DATABASE_PASSWORD_FILE": "database.password_file",
    "HUB_DATABASE_CA_FILE": "database.ca_file",
    "HUB_INSTANCE": "worker.instance",
    "HUB_METRICS_LISTEN": "metrics.listen",
    "HUB_TRACES_ENDPOINT": "traces.endpoint",
}


# Where pydantic says what only a programmer knows.
_EXPECTED: Final = {"tuple_type": "expected a list such as [kafka-1:9092]", "path_type": "expected a file's name"}


class GroupOptions(BaseModel):
    """How a worker takes part in the group that shares the lanes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance: str | None = Field(
        default=None,
        min_length=1,
        description="name of this worker in its group, for a hub of one worker: after a crash it has its lanes back at "
        "once, without waiting until the group has noticed; a second worker of the same name is fenced",
    )
    session_s: float = Field(default=6.0, ge=6.0, le=60.0, description="silence after which a worker loses its lanes")


class WorkerOptions(GroupOptions):
    """How a worker works."""

    group: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="the Kafka group in which this hub's workers share the lanes, the same for all of them; none: the "
        "hub's own, `hub-workers.<hub>`, or that of an older worker that still reads",
    )
    stall_s: float = Field(
        default=STALL_S,
        gt=0,
        description="standstill of reading under lag, or of what is in hand, that ends the process",
    )
    end_s: float = Field(
        default=END_S,
        ge=1,
        le=3_600,
        description="after this time a worker that is to end and does not, or whose event loop stands still, is ended "
        "by force",
    )
    checkpoint_every_s: float = Field(
        default=CHECKPOINT_EVERY_S,
        gt=0,
        description="HQ's log gets at most one checkpoint in this time; one in four times of it under steady load",
    )
    witnesses_wait_s: float = Field(
        default=WITNESSES_WAIT_S,
        ge=0,
        le=3_600,
        description="how long after its start HQ signs no checkpoint before it has heard the centers that cosigned its "
        "log: they tell whether this is an older copy of the database",
    )
    quarantine_bytes_max: int = Field(
        default=QUARANTINE_QUOTA_BYTES,
        ge=1 << 20,
        description="what the records of one center that become no events may take of the database; what is over it is "
        "counted",
    )


def _place(value: str) -> str:
    from hub.base.certificates import check_host  # noqa: PLC0415 - most commands read no such setting

    try:
        host, _ = host_and_port(value)
        require_one_reading(host)
        check_host(host)
    except (ValueError, Malformed) as exc:
        raise PydanticCustomError("place", "{said}", {"said": str(exc)}) from exc
    return value


Place = Annotated[str, AfterValidator(_place)]


class BrokerOptions(BaseModel):
    """The embedded broker, which `hub up` and `hub broker` run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plain: bool = Field(default=False, description="whether everybody on this machine is let in, and may do everything")
    port: int | None = Field(default=None, ge=1024, le=65_535, description="the port on this machine's loopback")
    listen: Place | None = Field(default=None, description="where offices on other machines are let in, too")
    advertise: Place | None = Field(default=None, description="where they find it: what they are told")
    client_connections_max: int = Field(
        default=32, ge=16, le=10_000, description="connections of one address at the same time"
    )
    client_connections_per_s: int = Field(
        default=20, ge=1, le=10_000, description="new connections of one address, a second"
    )

    @model_validator(mode="after")
    def _can_be_reached(self) -> BrokerOptions:
        if self.listen is None:
            if self.advertise is not None:
                raise PydanticCustomError("listen", "expected listen beside advertise, came none")
            return self
        if self.plain:
            raise PydanticCustomError("plain", "a plain broker is for this machine alone: expected no listen, came one")
        if self.advertise is None and host_and_port(self.listen)[0] in EVERY_ADDRESS:
            raise PydanticCustomError(
                "advertise", "expected advertise beside a listen at every address: the one that offices use, came none"
            )
        try:
            check_broker_address(self.advertise or self.listen)
        except Malformed as exc:
            raise PydanticCustomError("advertise", "{said}", {"said": str(exc)}) from exc
        return self

    @property
    def offices(self) -> tuple[tuple[str, int], tuple[str, int]] | None:
        """Where the broker listens for offices, and where they find it; None where it does not."""
        if self.listen is None:
            return None
        return host_and_port(self.listen), host_and_port(self.advertise or self.listen)


class WebSection(WebOptions):
    """The HTTPS way in, and how it gets into the cluster: as whoever may do for offices what they may themselves."""

    security: OtherSecurity = OtherSecurity()


class DatabaseOptions(BaseModel):
    """Where HQ's database is: in a SQLite file of the data directory, or at a PostgreSQL server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = Field(default=None, description="postgresql://user@host:5432/database, without a password")
    password_file: Path | None = Field(default=None, description="a file with the user's password")
    ca_file: Path | None = Field(default=None, description="the authority of the server's certificate")

    @model_validator(mode="after")
    def _is_an_address(self) -> DatabaseOptions:
        if self.url is None and (self.password_file or self.ca_file):
            raise PydanticCustomError("database", "expected url beside password_file and ca_file, came none")
        if self.url is not None:
            try:
                Server.at(self.url, ca_file=self.ca_file)
            except UsageError as exc:
                raise PydanticCustomError("database", "{said}", {"said": str(exc)}) from exc
        return self

    def beneath(self, data_dir: Path) -> DatabaseOptions:
        """Return the same, files named from the data directory."""
        named = {"password_file": self.password_file, "ca_file": self.ca_file}
        return self.model_copy(update={name: path and data_dir / path for name, path in named.items()})

    def server(self) -> Server | None:
        """Return the server; None where the database is a file."""
        return None if self.url is None else Server.at(self.url, self.password_file, self.ca_file)


class HubSettings(BaseModel):
    """One hub's settings. Paths are relative to its data directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: Path | None = Field(
        default=None, description="the folder that has the hub's keys, such as a mounted secret; else keys/ beside this"
    )
    bootstrap: Servers = ()
    offices: Servers = ()
    replicas: int | None = Field(
        default=None,
        ge=1,
        le=9,
        description="copies that each topic gets, on brokers of their own; none: three, or as many as brokers live",
    )
    security: ClusterSecurity = ClusterSecurity()
    admin: OtherSecurity = OtherSecurity()
    broker: BrokerOptions = BrokerOptions()
    worker: WorkerOptions = WorkerOptions()
    metrics: MetricsOptions = MetricsOptions()
    traces: TracesOptions = TracesOptions()
    web: WebSection = WebSection()
    database: DatabaseOptions = DatabaseOptions()

    @model_validator(mode="after")
    def _others_get_in(self) -> HubSettings:
        for section, other in (("admin", self.admin), ("web.security", self.web.security)):
            try:
                other.check_over(self.security)
            except PydanticCustomError as exc:
                raise PydanticCustomError(
                    "other", "{section}: {said}", {"section": section, "said": exc.message()}
                ) from exc
        return self


def _secrets(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from _secrets(type(field.default), f"{prefix}{name}.")
        elif SecretStr in (field.annotation, *get_args(field.annotation)):
            yield f"{prefix}{name}"


SECRETS: Final = frozenset(_secrets(HubSettings))


@dataclass(frozen=True, slots=True)
class InForce:
    """The settings that are in force, and where those come from that are not the default: the file, or a variable."""

    settings: HubSettings
    origins: Mapping[str, str]

    def rows(self) -> Iterator[tuple[str, Any, str]]:
        """Yield name, value and origin of each setting; a secret is masked, and None where there is none."""
        for name, value in _leaves(self.settings):
            shown = "*****" if name in SECRETS and value is not None else value
            yield name, shown, self.origins.get(name, DEFAULT)


def read_settings(data_dir: Path, environment: Mapping[str, str]) -> InForce:
    """Return the settings of the hub in this directory, which needs no file of them.

    Errors: UsageError, one line that names the file or the variable, the setting, what was expected and what to do.
    """
    path = data_dir / FILE
    data = _read(path)
    _check_sections(path, data)
    origins = {name: FILE for name, _ in _flat(data)}
    for variable, name in VARIABLES.items():
        if value := environment.get(variable):
            _put(data, name, value)
            origins[name] = variable
    try:
        settings = HubSettings.model_validate(data)
    except ValidationError as exc:
        raise UsageError(_explain(exc, path, origins)) from None  # its own text shows what came, a password perhaps
    security = settings.security.beneath(data_dir)
    web = settings.web.beneath(data_dir)
    web = web.model_copy(update={"security": web.security.beneath(data_dir)})
    beneath = {
        "keys": settings.keys and data_dir / settings.keys,
        "security": security,
        "admin": settings.admin.beneath(data_dir),
        "web": web,
        "database": settings.database.beneath(data_dir),
    }
    return InForce(settings.model_copy(update=beneath), origins)


def keys_folder(data_dir: Path, environment: Mapping[str, str]) -> Path:
    """Return where the keys of the hub in this directory are. Errors: UsageError for no name; others' mistakes pass."""
    said = environment.get("HUB_KEYS") or _read(data_dir / FILE).get("keys", "keys")
    is_name = isinstance(said, str) and said != ""
    return data_dir / str(said if is_name else read_settings(data_dir, environment).settings.keys or "keys")


def _read(path: Path) -> dict[str, Any]:
    try:
        data = load_yaml(files.read_text(path))
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise UsageError(f"can't read {path}: {exc.strerror}; it is to be a file that this user may read") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        # No line of the file is shown, nor what the parser says of it: it may hold a password.
        mark = getattr(exc, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{path}{where}: expected YAML such as `bootstrap: [kafka-1:9092]`; mend that line") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UsageError(
            f"{path}: expected settings such as `bootstrap: [kafka-1:9092]`; docs/settings.md has them all"
        )
    return data


def _check_sections(path: Path, data: Mapping[str, Any]) -> None:
    """See that each section of the file is one, before a variable puts its value there. Errors: UsageError."""
    _check_model(path, data, HubSettings, "")


def _check_model(path: Path, data: Mapping[str, Any], model: type[BaseModel], prefix: str) -> None:
    for name, field in model.model_fields.items():
        if not isinstance(field.default, BaseModel) or name not in data:
            continue
        section, kind = data[name], type(field.default)
        if not isinstance(section, dict):
            # What came is not shown: it may be a password in the wrong line.
            example = next(iter(kind.model_fields))
            raise UsageError(
                f"{path}: {prefix}{name}: expected settings below it, such as {prefix}{name}.{example}; change it, or "
                "take it out for its defaults"
            )
        _check_model(path, section, kind, f"{prefix}{name}.")


def _put(data: dict[str, Any], name: str, value: str) -> None:
    *sections, last = name.split(".")
    for section in sections:
        data = data.setdefault(section, {})
    data[last] = value


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _explain(exc: ValidationError, path: Path, origins: Mapping[str, str]) -> str:
    first = exc.errors(include_url=False, include_context=False)[0]
    name = ".".join(part for part in first["loc"] if isinstance(part, str))
    origin = origins.get(name, FILE)
    place = (
        str(path) if not name else f"{path}: {name}" if origin == FILE else f"{origin} (instead of {name} in {FILE})"
    )
    if first["type"] == "extra_forbidden":
        known = [there for there, _ in _leaves(HubSettings())]
        near = difflib.get_close_matches(name, [*known, *(there.partition(".")[0] for there in known)], n=1)
        remedy = f"did you mean {near[0]}?" if near else "take it out;"
        return f"{place}: there is no such setting: {remedy} docs/settings.md has them all"
    said = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    expected = _EXPECTED.get(first["type"], said)
    # A table may hold a password in a wrong line, an address one in front of its host.
    is_told = name in SECRETS or ", came " in expected or holds_table(first["input"])
    came = "" if is_told else f", came {without_login(str(first['input']))[:60]!r}"
    return f"{place}: {expected}{came}; change it, or take it out for its default"
