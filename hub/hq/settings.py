"""The settings of one hub: `hub.yaml` in its data directory, and the few that the environment may override.

What counts, the first that is there: a command's own option, the environment, the file, the default. Where each value
comes from is kept with it, for `hub settings show`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.base import files
from hub.base.access import Security, Servers
from hub.base.ending import END_S
from hub.protocol.errors import UsageError
from hub.protocol.plain_yaml import load_yaml
from hub.store.store import QUARANTINE_QUOTA_BYTES

FILE: Final = "hub.yaml"
DEFAULT: Final = "default"
SECRETS: Final = {"security.password"}
CHECKPOINT_EVERY_S: Final = 1.0  # at most this often, rarer where commits never rest, at once after a rest
STALL_S: Final = 60.0
WITNESSES_WAIT_S: Final = 30.0  # a connector's presence comes this often
# From the signal to the end of a worker: reading has most of it, then what publishes closes its clients (CLOSE_S) and
# stores its cursors. With the embedded broker's share behind it (`hub up`) a whole stop stays within the ten seconds
# after which a container is killed.
WORKER_STOP_S: Final = 6.0

# What the environment may set instead of the file. A secret is better there than in a file.
VARIABLES: Final = {
    "HUB_BOOTSTRAP": "bootstrap",
    "HUB_USERNAME": "security.username",
    "HUB_PASSWORD": "security.password",
    "HUB_INSTANCE": "worker.instance",
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


class HubSettings(BaseModel):
    """One hub's settings. Paths are relative to its data directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap: Servers = ()
    security: Security = Security()
    worker: WorkerOptions = WorkerOptions()


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
        raise UsageError(_explain(exc, path, origins)) from exc
    return InForce(settings.model_copy(update={"security": settings.security.beneath(data_dir)}), origins)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = load_yaml(files.read_text(path))
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise UsageError(f"can't read {path}: {exc.strerror}; it is to be a file that this user may read") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        # No line of the file is shown: it may hold a password.
        mark = getattr(exc, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{path}{where}: expected YAML such as `bootstrap: [kafka-1:9092]`; mend that line") from exc
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UsageError(
            f"{path}: expected settings such as `bootstrap: [kafka-1:9092]`; docs/settings.md has them all"
        )
    return data


def _check_sections(path: Path, data: Mapping[str, Any]) -> None:
    """See that each section of the file is one, before a variable puts its value there. Errors: UsageError."""
    for name, field in HubSettings.model_fields.items():
        if isinstance(field.default, BaseModel) and name in data and not isinstance(data[name], dict):
            # What came is not shown: it may be a password in the wrong line.
            example = next(iter(type(field.default).model_fields))
            raise UsageError(
                f"{path}: {name}: expected settings below it, such as {name}.{example}; change it, or take it out "
                "for its defaults"
            )


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
    place = f"{path}: {name}" if origin == FILE else f"{origin} (instead of {name} in {FILE})"
    if first["type"] == "extra_forbidden":
        known = [there for there, _ in _leaves(HubSettings())]
        near = difflib.get_close_matches(name, [*known, *(there.partition(".")[0] for there in known)], n=1)
        remedy = f"did you mean {near[0]}?" if near else "take it out;"
        return f"{place}: there is no such setting: {remedy} docs/settings.md has them all"
    said = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    expected = _EXPECTED.get(first["type"], said)
    came = "" if name in SECRETS or ", came " in expected else f", came {str(first['input'])[:60]!r}"
    return f"{place}: {expected}{came}; change it, or take it out for its default"
