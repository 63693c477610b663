"""Three locked brokers or fewer, each address of theirs behind a link: HQ's, the offices', and that to other brokers.

A broker listens on a loopback address of its own; where others find it, a proxy listens at the same port of 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from hub.base.access import Security
from hub.base.authority import Authority
from hub.base.certificates import Leaf
from hub.broker.member import loopback_hosts
from hub.broker.principals import ADMIN
from hub.kafka.cluster import Cluster
from hub.site.folder import SiteFolder
from hub.site.plan import SitePlan, broker_name, hub_text, member_text
from tests.support.network import Program
from tests.torture.links import HOST, Links

HUB: Final = "hub.example"
LISTENERS: Final = {"client": "hq", "offices": "offices", "replication": "", "controller": ""}


class BrokerProgram(Program):
    """One broker of the three: our own process, and Kafka's beneath it."""

    def __init__(self, name: str, member: Path, folder: Path, root: Path) -> None:
        arguments = ["-m", "hub.cli.main", "broker", "--member", str(member), "--data-dir", str(folder)]
        super().__init__(name, arguments, root)
        self.pid_file = folder / "broker"

    def java(self) -> int | None:
        """Return Kafka's own process, None before it takes writes."""
        said = [line for line in self.said() if line.startswith('{"bootstrap"')]
        return int(json.loads(said[-1])["pid"]) if said and self.is_running else None

    @property
    def is_ready(self) -> bool:
        """Whether the present run has taken writes."""
        return self.java() is not None

    def signal(self, number: signal.Signals) -> None:
        """Stop both processes, or let them go on."""
        for pid in (self.java(), self.pid if self.is_running else None):
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)


@dataclass
class Brokers:
    """The cluster of one run. `offices` are the addresses that offices are told."""

    where: SiteFolder
    plan: SitePlan
    programs: list[BrokerProgram]
    settings: dict[str, Any]
    offices: tuple[str, ...]

    @classmethod
    def laid_out(cls, root: Path, links: Links, count: int) -> Brokers:
        """Make keys, logins, certificates and settings as `hub site init` does, for the addresses of this machine."""
        where = SiteFolder(root / "site")
        plan, _ = where.make(HUB, "127.0.0.1", datetime.now(UTC))
        plan = plan.model_copy(update={"directories": plan.directories[:count], "offices": plan.offices[:count]})
        ports = {(number, kind): _free_port() for number in plan.brokers for kind in LISTENERS}
        programs = []
        for number in plan.brokers:
            name, own = broker_name(number), _own(number)
            _certify(where, number)
            for kind, link in LISTENERS.items():
                links.add(link or name, ports[number, kind], f"{own}:{ports[number, kind]}")
            member = root / f"{name}.yaml"
            member.write_text(yaml.safe_dump(_member(where, plan, number, ports)), "utf-8")
            programs.append(BrokerProgram(name, member, root / name, root))
        found = [f"{HOST}:{ports[number, 'offices']}" for number in plan.brokers]
        settings = yaml.safe_load(_here(where, hub_text(plan))) | {
            "bootstrap": [f"{HOST}:{ports[number, 'client']}" for number in plan.brokers],
            "offices": found,
        }
        for section in ("web", "metrics"):
            settings.pop(section)
        return cls(where, plan, programs, settings, tuple(found))

    def admin(self) -> Cluster:
        """Return the cluster as its admin reaches it, past every link: it reads all that is there at the end."""
        security = Security(
            protocol="SASL_SSL",
            username=ADMIN,
            password_file=self.where.root / "secrets" / f"kafka-{ADMIN}",
            ca_file=self.where.hub.authority,
        )
        return Cluster(tuple(self.settings["bootstrap"]), security)

    @property
    def is_ready(self) -> bool:
        """Whether each of them takes writes."""
        return all(program.is_ready for program in self.programs)


def _own(number: int) -> str:
    return f"127.0.77.{number}"


def _free_port() -> int:
    """Return a port that nobody has now, and that no connection of another's is given meanwhile."""
    for port in range(21_000 + os.getpid() % 5_000, 32_000):
        if port in _TAKEN:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            _TAKEN.add(port)
            return port
    raise OSError("no port is free")


_TAKEN: Final = set[int]()


def _member(where: SiteFolder, plan: SitePlan, number: int, ports: dict[tuple[int, str], int]) -> dict[str, Any]:
    said: dict[str, Any] = yaml.safe_load(_here(where, member_text(plan, number), broker_name(number)))
    for each in said["members"]:
        each |= {kind: f"{HOST}:{ports[each['number'], kind]}" for kind in LISTENERS}
    return said | {"listen": _own(number), "offices_port": ports[number, "offices"]}


def _here(where: SiteFolder, text: str, broker: str = "") -> str:
    """Return settings whose paths are those of this machine, and not of a container."""
    for inside, outside in (
        ("/run/secrets/", f"{where.root / 'secrets'}/"),
        ("/etc/cohub/ca.pem", str(where.hub.authority)),
        ("/data/hub/", f"{where.root / 'hub'}/"),
    ):
        text = text.replace(inside, outside)
    return text


def _certify(where: SiteFolder, number: int) -> None:
    """Give a broker certificates that name its own address, too."""
    authority, now, name = Authority.open(where.hub.keys, datetime.now(UTC)), datetime.now(UTC), broker_name(number)
    hosts: Sequence[str] = (name, *loopback_hosts(), _own(number))
    authority.keep(
        where.root / "secrets" / f"{name}-node", Leaf(f"node-{number}", tuple(hosts), ("server", "client")), now
    )
    authority.keep(where.root / "secrets" / f"{name}-server", Leaf("broker", tuple(hosts), ("server",)), now)
