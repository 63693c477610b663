"""What one broker of a site's several is told: `member.yaml`, and the secrets beside it.

node_file    its key and certificate for the other brokers and the controllers, of the name `node-<number>`
server_file  its key and certificate for clients
ca_file      the authority by which all of them are known
users_file   who the cluster knows from its first start on: salted passwords, the same ones at every member

All members have the same file but for `number` and the secrets. There is no secret in it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hub.base import files
from hub.base.access import Security, host_and_port
from hub.broker.ports import LOOPBACK
from hub.broker.properties import EVERY_ADDRESS
from hub.kafka.desired import FIRST
from hub.protocol.errors import UsageError
from hub.protocol.plain_yaml import load_yaml
from hub.protocol.scram import Credential

OFFICES_PORT: Final = 9093
Address = Annotated[str, AfterValidator(lambda value: host_and_port(value) and value)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{21}$")]  # as Kafka prints an UUID


class MemberAddresses(BaseModel):
    """One broker: where HQ, the offices, the other brokers and the controllers find it; the id of its directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1, le=999)
    directory: Id
    client: Address
    replication: Address
    controller: Address
    offices: Address

    @property
    def name(self) -> str:
        """What its certificate calls it."""
        return f"node-{self.number}"


class Member(BaseModel):
    """One broker of a cluster, and all of its members. Paths are relative to the file's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: Id
    number: int
    members: tuple[MemberAddresses, ...] = Field(min_length=1)
    listen: str = "0.0.0.0"  # noqa: S104 - a container has a network of its own
    offices_port: int = Field(default=OFFICES_PORT, ge=1024, le=65_535)
    node_file: Path
    server_file: Path
    ca_file: Path
    users_file: Path

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        numbers = [each.number for each in self.members]
        if len(set(numbers)) != len(numbers):
            raise ValueError("expected another number for each of members")
        if self.number not in numbers:
            raise ValueError(f"number: expected one of members ({', '.join(map(str, numbers))}), came {self.number}")
        return self

    @property
    def own(self) -> MemberAddresses:
        """This one's addresses."""
        return next(each for each in self.members if each.number == self.number)

    @property
    def here(self) -> str:
        """Where this broker is asked from its own machine, as other brokers ask it."""
        return f"{EVERY_ADDRESS.get(self.listen, self.listen)}:{host_and_port(self.own.replication)[1]}"

    @property
    def security(self) -> Security:
        """How it is asked there: by its own certificate, which may do everything."""
        return Security(protocol="SSL", ca_file=self.ca_file, cert_file=self.node_file)

    def beneath(self, folder: Path) -> Self:
        """Return the same with its files looked for from this folder on."""
        named = {name: folder / getattr(self, name) for name in ("node_file", "server_file", "ca_file", "users_file")}
        return self.model_copy(update=named)


def read_member(path: Path) -> Member:
    """Return what a file says of a member. Errors: UsageError, one line that says what was expected."""
    try:
        return Member.model_validate(load_yaml(files.read_named(path).decode("utf-8"))).beneath(path.parent.absolute())
    except OSError as exc:
        raise UsageError(f"{path} can't be read: {exc.strerror}") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: {place}{place and ': '}{first['msg']}; `hub site init` writes this file") from None
    except (yaml.YAMLError, ValueError) as exc:
        raise UsageError(f"{path}: expected YAML as `hub site init` writes it; write it anew by that") from exc


def users_to_text(users: Mapping[str, Credential]) -> str:
    """Return first users as their file has them, which is a secret."""
    said = {
        name: {
            "salt": b64encode(one.salt).decode(),
            "iterations": one.iterations,
            "salted_password": b64encode(one.salted_password).decode(),
        }
        for name, one in users.items()
    }
    return json.dumps(said, indent=1) + "\n"


def users_from_text(text: str) -> dict[str, Credential]:
    """Return the first users of a file. Errors: ValueError, which quotes nothing of it."""
    try:
        return {
            name: Credential(b64decode(one["salt"]), one["iterations"], b64decode(one["salted_password"]))
            for name, one in json.loads(text).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError("expected first users as `hub site init` writes them") from None


def read_users(path: Path) -> dict[str, Credential]:
    """Return the first users of a file that its owner alone may read. Errors: UsageError."""
    try:
        return users_from_text(files.read_private(path).decode("ascii"))
    except (OSError, ValueError) as exc:
        raise UsageError(f"{path}: {getattr(exc, 'strerror', None) or exc}") from exc


def format_options(users: Mapping[str, Credential]) -> Sequence[str]:
    """Return the options by which Kafka's tool makes these users, the one that nobody is first. They are secrets."""
    made = []
    for name in dict.fromkeys((*((FIRST,) if FIRST in users else ()), *users)):
        one = users[name]
        salt, salted = b64encode(one.salt).decode(), b64encode(one.salted_password).decode()
        said = f'name={name},iterations={one.iterations},salt="{salt}",saltedpassword="{salted}"'
        made += ["--add-scram", f"SCRAM-SHA-512=[{said}]"]
    return made


def loopback_hosts() -> tuple[str, str]:
    """Return by which names every broker is known to itself."""
    return LOOPBACK, "localhost"
