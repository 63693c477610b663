"""The broker's configuration: one process, one node, loopback only, small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hub.broker.ports import LOOPBACK

MESSAGE_BYTES_MAX = 1 << 20


def server_properties(log_dir: Path, port: int, overrides: Mapping[str, str]) -> str:
    """Return the text of server.properties.

    The controller listens on a port of the system's choice (0), known only inside the process: one port to be given,
    one that can be taken.
    """
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"CLIENT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:0",
        "advertised.listeners": f"CLIENT://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:0",
        "log.dirs": _escaped(log_dir),
        # A misspelt topic must be an error, never a topic.
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(MESSAGE_BYTES_MAX),
        # There is one node: internal topics have one replica, and a group is served at once.
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # After a kill a lone broker waits until its old registration expires: 9 s by default.
        "broker.session.timeout.ms": "1000",
        "broker.heartbeat.interval.ms": "200",
        # Small: 200 MB where the defaults take 350.
        "log.cleaner.dedupe.buffer.size": str(2 << 20),
        "log.cleaner.threads": "1",
        "num.network.threads": "1",
        "num.io.threads": "2",
        "num.recovery.threads.per.data.dir": "1",
        "background.threads": "2",
    }
    return "".join(f"{key}={value}\n" for key, value in {**settings, **overrides}.items())


def jvm_flags(aot: Sequence[str] = ()) -> list[str]:
    """Return the flags of the broker's JVM; an AOT cache is only used by a JVM with the same flags."""
    quiet = ("kafka.server.KafkaConfig", "org.apache.kafka.common.config.AbstractConfig", "org.apache.kafka.clients")
    logger = "-Dorg.slf4j.simpleLogger."
    return [
        *("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData"),
        *aot,
        f"{logger}showDateTime=true",
        f"{logger}dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        *(f"{logger}log.{name}=warn" for name in quiet),
        "-Djava.awt.headless=true",
    ]


def _escaped(path: Path) -> str:
    # In a properties file a backslash escapes, also in a Windows path.
    return str(path).replace("\\", "\\\\")
