"""What a site consists of, as `site.yaml` keeps it, and what follows from that for each of its processes. No I/O.

The paths are those inside of containers, where each process finds what `docker-compose.yml` gives to it: its secrets in
/run/secrets, what it is told in /etc/cohub, and what it keeps in /data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hub.base.access import host_and_port
from hub.base.certificates import Leaf, check_host
from hub.broker.member import Id, loopback_hosts
from hub.broker.principals import ADMIN, WEB, WORKER
from hub.protocol.invitation import check_broker_address
from hub.protocol.session import read_address

BROKERS: Final = 3
OFFICES_PORT: Final = 9093  # of the first broker; the others have the next ones
HTTPS_PORT: Final = 8443
CLIENT_PORT, REPLICATION_PORT, CONTROLLER_PORT = 9092, 9094, 9095
METRICS_PORT: Final = 9464
HUB_FOLDER: Final = "/data/hub"
AUTHORITY: Final = f"{HUB_FOLDER}/keys/ca.pem"
SECRETS: Final = "/run/secrets"
TOLD: Final = "/etc/cohub"
DATABASE: Final = "hub"
POSTGRES: Final = "postgres"


def _checked(check: Callable[[str], Any]) -> AfterValidator:
    def checked(value: str) -> str:
        check(value)
        return value

    return AfterValidator(checked)


class SitePlan(BaseModel):
    """One site: its hub's name, where offices find its brokers and its HTTPS, and the ids that its cluster has.

    Shapes: `directories` has an id for each broker; `offices` may be empty, where offices come by HTTPS alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hub: str
    offices: tuple[Annotated[str, _checked(check_broker_address)], ...] = ()
    https: Annotated[str, _checked(read_address)]
    cluster: Id
    directories: tuple[Id, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if len(self.offices) != len(self.directories):
            raise ValueError(f"offices: expected an address for each of {len(self.directories)} brokers")
        return self

    @classmethod
    def of(cls, hub: str, address: str, make_id: Callable[[], str]) -> Self:
        """Return the plan of a new site that offices find at this host. Errors: ValueError for what is no host."""
        host = check_host(address)
        shown = f"[{host}]" if ":" in host else host
        offices = tuple(f"{shown}:{OFFICES_PORT + at}" for at in range(BROKERS))
        directories = tuple(make_id() for _ in range(BROKERS))
        https = f"https://{shown}:{HTTPS_PORT}"
        return cls(hub=hub, offices=offices, https=https, cluster=make_id(), directories=directories)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts by which offices call the brokers, each once."""
        return tuple(dict.fromkeys(host_and_port(address)[0] for address in self.offices))

    @property
    def https_host(self) -> str:
        """The host by which offices call its HTTPS."""
        host = self.https.removeprefix("https://")
        return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]

    @property
    def brokers(self) -> tuple[int, ...]:
        """The numbers of its brokers."""
        return tuple(range(1, len(self.directories) + 1))

    def to_text(self) -> str:
        """Return what `site.yaml` says."""
        return _yaml("site", self.model_dump(mode="json"))


def broker_name(number: int) -> str:
    """Return what the network of a site calls a broker."""
    return f"kafka-{number}"


def member_text(plan: SitePlan, number: int) -> str:
    """Return `member.yaml` of a broker."""
    members = [
        {
            "number": each,
            "directory": plan.directories[each - 1],
            "client": f"{broker_name(each)}:{CLIENT_PORT}",
            "replication": f"{broker_name(each)}:{REPLICATION_PORT}",
            "controller": f"{broker_name(each)}:{CONTROLLER_PORT}",
            "offices": plan.offices[each - 1],
        }
        for each in plan.brokers
    ]
    name = broker_name(number)
    said = {
        "cluster": plan.cluster,
        "number": number,
        "members": members,
        "node_file": f"{SECRETS}/{name}-node",
        "server_file": f"{SECRETS}/{name}-server",
        "users_file": f"{SECRETS}/kafka-users",
        "ca_file": f"{TOLD}/ca.pem",
    }
    return _yaml("member", said)


def hub_text(plan: SitePlan) -> str:
    """Return `hub.yaml`, which workers, the HTTPS way in and every command of the site read."""
    said: dict[str, Any] = {
        "bootstrap": [f"{broker_name(each)}:{CLIENT_PORT}" for each in plan.brokers],
        "offices": list(plan.offices),
        "security": {
            "protocol": "SASL_SSL",
            "username": WORKER,
            "password_file": f"{SECRETS}/kafka-{WORKER}",
            "ca_file": AUTHORITY,
        },
        "admin": {"username": ADMIN, "password_file": f"{SECRETS}/kafka-{ADMIN}"},
        "web": {
            "listen": f"0.0.0.0:{HTTPS_PORT}",
            "public": [plan.https],
            "security": {"username": WEB, "password_file": f"{SECRETS}/kafka-{WEB}"},
        },
        "database": {
            "url": f"postgresql://{DATABASE}@{POSTGRES}/{DATABASE}",
            "password_file": f"{SECRETS}/postgres-{DATABASE}",
            "ca_file": AUTHORITY,
        },
        "metrics": {"listen": f"0.0.0.0:{METRICS_PORT}"},
    }
    return _yaml("hub", said)


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate of the site: the file that it stands in, beneath the site's folder, and whose restart shows it."""

    file: str
    leaf: Leaf
    service: str


def certificates(plan: SitePlan) -> tuple[Shown, ...]:
    """Return every certificate that the site shows, each for the names that lead to it."""
    here, found = loopback_hosts(), []
    for number in plan.brokers:
        name = broker_name(number)
        hosts = tuple(dict.fromkeys((name, *plan.hosts, *here)))
        found += [
            Shown(f"secrets/{name}-node", Leaf(f"node-{number}", (name, *here), ("server", "client")), name),
            Shown(f"secrets/{name}-server", Leaf("broker", hosts, ("server",)), name),
        ]
    database = Shown(f"secrets/{POSTGRES}-server", Leaf(POSTGRES, (POSTGRES, *here), ("server",)), POSTGRES)
    return (*found, database, Shown("hub/keys/web.pem", Leaf("web", (plan.https_host,)), "web"))


# Each is drawn once: who logs in by it, and what it opens. Grafana's is for people.
PASSWORDS: Final[Mapping[str, str]] = {
    f"kafka-{ADMIN}": "whoever makes topics and gives rights",
    f"kafka-{WORKER}": "HQ's workers",
    f"kafka-{WEB}": "the HTTPS way in",
    f"{POSTGRES}-admin": "whoever administers the database",
    f"{POSTGRES}-{DATABASE}": "HQ, in its own database",
    "grafana-admin": "whoever looks at the dashboard",
}


def _yaml(name: str, said: Mapping[str, Any]) -> str:
    heads = {
        "site": "# Written once by `hub site init`, which makes all else from it. Change the addresses here and in\n"
        "# hub/hub.yaml, then run it again. The ids are the cluster's own, for good.\n",
        "member": "# Written by `hub site init` from site.yaml, each time that it runs.\n",
        "hub": "# Written once by `hub site init`: from here on it is yours. docs/settings.md has all settings.\n",
    }
    return heads[name] + yaml.safe_dump(dict(said), sort_keys=False, width=110)
