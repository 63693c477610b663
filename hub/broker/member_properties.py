"""The configuration of one broker of several: broker and controller in one, each of which may be lost.

Clients come by TLS and a password, as to the embedded broker; brokers and controllers know each other by certificates
of the hub's authority alone, for a controller can't ask for passwords that are in what it keeps. With three of them
every record is on three disks before HQ or an office is told that it is written, and one broker may be away.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hub.base.access import host_and_port
from hub.broker.member import Member
from hub.broker.principals import ADMIN
from hub.broker.properties import (
    CLIENT,
    CONNECTIONS_MAX,
    CONNECTIONS_PER_S,
    CONTROLLER,
    OFFICES,
    SMALL,
    TAKEN,
    asking_password,
    escaped,
    guarded,
    key_store,
    written,
)

REPLICATION: Final = "REPLICATION"
COPIES_MAX: Final = 3


def member_properties(member: Member, log_dir: Path) -> str:
    """Return the text of server.properties for one member. There is no secret in it."""
    own, copies = member.own, min(COPIES_MAX, len(member.members))
    told = {
        CLIENT: host_and_port(own.client),
        OFFICES: host_and_port(own.offices),
        REPLICATION: host_and_port(own.replication),
        CONTROLLER: host_and_port(own.controller),
    }
    listen = {name: (member.listen, port) for name, (_, port) in told.items()}
    listen[OFFICES] = (member.listen, member.offices_port)
    settings = {
        "process.roles": "broker,controller",
        "node.id": str(member.number),
        "listeners": written(listen),
        "advertised.listeners": written(told),
        "listener.security.protocol.map": f"{CLIENT}:SASL_SSL,{OFFICES}:SASL_SSL,{REPLICATION}:SSL,{CONTROLLER}:SSL",
        "inter.broker.listener.name": REPLICATION,
        "controller.listener.names": CONTROLLER,
        "controller.quorum.bootstrap.servers": ",".join(each.controller for each in member.members),
        **guarded(member.node_file, member.ca_file, (ADMIN, *(each.name for each in member.members))),
        **_by_certificate(member.node_file),
        **asking_password(CLIENT, member.server_file),
        **asking_password(OFFICES, member.server_file),
        # Offices' connections keep other offices out at most, and never HQ itself. One address is not bounded here:
        # behind a container's network many offices may have one.
        "listener.name.offices.max.connections": str(CONNECTIONS_MAX),
        "listener.name.offices.max.connection.creation.rate": str(CONNECTIONS_PER_S),
        "log.dirs": escaped(log_dir),
        **TAKEN,
        **_copies(copies),
        # A broker that died is missed after six seconds.
        "broker.session.timeout.ms": "6000",
        "broker.heartbeat.interval.ms": "1000",
        **SMALL,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _by_certificate(node: Path) -> dict[str, str]:
    prefix = f"listener.name.{REPLICATION.lower()}."
    return {
        **{name: escaped(Path(value)) for name, value in key_store(REPLICATION, node).items()},
        f"{prefix}ssl.client.auth": "required",
    }


def _copies(copies: int) -> dict[str, str]:
    least = str(max(1, copies - 1))
    return {
        "default.replication.factor": str(copies),
        "min.insync.replicas": least,
        "unclean.leader.election.enable": "false",
        "offsets.topic.replication.factor": str(copies),
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": least,
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": least,
    }


def voters(member: Member) -> Sequence[str]:
    """Return the options of Kafka's tool that say who the controllers are: the same ones at every member."""
    said = ",".join(f"{each.number}@{each.controller}:{each.directory}" for each in member.members)
    return ("--initial-controllers", said)
