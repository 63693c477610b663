"""The broker's configuration: one process, one node, small; who is let in, and by what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.broker.ports import LOOPBACK

MESSAGE_BYTES_MAX = 1 << 20
CLIENT: Final = "CLIENT"  # on this machine's loopback: the worker, the admin
OFFICES: Final = "OFFICES"  # for other machines, where that is wanted
CONTROLLER: Final = "CONTROLLER"
# What stands for every address of this machine, and which of them is always there.
EVERY_ADDRESS: Final = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - it is looked for, and nothing is bound
NODE: Final = "node-1"  # the broker's own name at its controller
REAUTHENTICATE_MS: Final = 3_600_000
REQUEST_BYTES_MAX: Final = 8 << 20
# Whoever may send anything can say that a request is so long, and then send nothing more: it is held in memory all the
# same, and when there is no room for another one, nobody is heard any more. So there is room for all that one address
# may begin, and for others; the heap is grown into, and not taken from the start.
CLIENT_CONNECTIONS_MAX: Final = 32  # an office has about seven
REQUESTS_BYTES_MAX: Final = (CLIENT_CONNECTIONS_MAX + 8) * REQUEST_BYTES_MAX
HEAP_MB: Final = 512
CONNECTIONS_MAX: Final = 1_000
CONNECTIONS_PER_S: Final = 100  # of all offices; over it new ones wait, and those that are there do not
CLIENT_CONNECTIONS_PER_S: Final = 20
PRODUCER_REMEMBERED_MS: Final = 60_000
UNBOUNDED: Final = 1_000_000
SNAPSHOTS_OFTEN: Final = {"metadata.log.max.record.bytes.between.snapshots": "1"}
TAKEN: Final = {
    # A misspelt topic must be an error, never a topic.
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(MESSAGE_BYTES_MAX),
}
# Small: 200 MB where the defaults take 350.
SMALL: Final = {
    "log.cleaner.dedupe.buffer.size": str(2 << 20),
    "log.cleaner.threads": "1",
    "num.recovery.threads.per.data.dir": "1",
    "background.threads": "2",
}


@dataclass(frozen=True, slots=True)
class Plain:
    """Everybody on this machine is let in, and may do everything."""

    port: int


@dataclass(frozen=True, slots=True)
class Public:
    """Where offices are let in: the address that the broker listens at, and the one that they are told.

    One address has `client_connections_max` connections at most, and `client_connections_per_s` new ones in the mean of
    eleven seconds; this machine itself as many as it likes.
    """

    listen: tuple[str, int]
    advertise: tuple[str, int]
    client_connections_max: int = CLIENT_CONNECTIONS_MAX
    client_connections_per_s: int = CLIENT_CONNECTIONS_PER_S

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that a client may call the broker by there."""
        return tuple(host for host, _ in (self.advertise, self.listen) if host not in EVERY_ADDRESS)


@dataclass(frozen=True, slots=True)
class Locked:
    """Nobody is let in but by TLS and a password, and may do only what was granted.

    `node` and `server` are the files of key and certificate, which the broker shows at its controller and to clients.
    Where `by_certificate` is set, passwords are of no use either: only who has a certificate by the authority comes in.
    """

    port: int
    node: Path
    server: Path
    authority: Path
    admin: str
    public: Public | None = None
    by_certificate: bool = False

    @property
    def listeners(self) -> tuple[str, ...]:
        """The listeners that clients come to."""
        return (CLIENT, OFFICES) if self.public else (CLIENT,)

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where a client on this machine comes to each of them."""
        here = (LOOPBACK, self.port)
        if self.public is None:
            return (here,)
        host, port = self.public.listen
        return here, (EVERY_ADDRESS.get(host, host), port)


def server_properties(log_dir: Path, doors: Plain | Locked, overrides: Mapping[str, str]) -> str:
    """Return the text of server.properties. There is no secret in it.

    The controller listens on a port of the system's choice (0), known only inside the process: one port to be given,
    one that can be taken.
    """
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "inter.broker.listener.name": CLIENT,
        "controller.listener.names": CONTROLLER,
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:0",
        **(_plain(doors) if isinstance(doors, Plain) else _locked(doors)),
        "log.dirs": escaped(log_dir),
        **TAKEN,
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
        **SMALL,
        "num.network.threads": "1",
        "num.io.threads": "2",
    }
    return "".join(f"{key}={value}\n" for key, value in {**settings, **overrides}.items())


def _plain(doors: Plain) -> dict[str, str]:
    return {
        "listeners": f"{CLIENT}://{LOOPBACK}:{doors.port},{CONTROLLER}://{LOOPBACK}:0",
        "advertised.listeners": f"{CLIENT}://{LOOPBACK}:{doors.port}",
        "listener.security.protocol.map": f"{CLIENT}:PLAINTEXT,{CONTROLLER}:PLAINTEXT",
    }


def _locked(doors: Locked) -> dict[str, str]:
    here = {CLIENT: (LOOPBACK, doors.port)}
    listen = here | ({OFFICES: doors.public.listen} if doors.public else {})
    told = here | ({OFFICES: doors.public.advertise} if doors.public else {})
    protocol = "SSL" if doors.by_certificate else "SASL_SSL"
    return {
        "listeners": written(listen | {CONTROLLER: (LOOPBACK, 0)}),
        "advertised.listeners": written(told),
        "listener.security.protocol.map": ",".join(
            [*(f"{name}:{protocol}" for name in doors.listeners), f"{CONTROLLER}:SSL"]
        ),
        **guarded(doors.node, doors.authority, (NODE, doors.admin)),
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        # Strangers' connections keep offices out at most, and never HQ itself.
        **(SNAPSHOTS_OFTEN if doors.by_certificate else {}),
        **(_bounds(doors.public) if doors.public else {}),
        **{name: value for listener in doors.listeners for name, value in _listener(doors, listener).items()},
    }


def guarded(node: Path, authority: Path, masters: Sequence[str]) -> dict[str, str]:
    """Return what lets nobody in without a certificate or a password, and nobody do what was not granted.

    Shapes: `node` is the file of key and certificate that a broker shows to other brokers and to controllers; `masters`
            may do everything: the admin and the brokers themselves, which are asked for their rights too.
    """
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": escaped(node),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": escaped(authority),
        "ssl.enabled.protocols": "TLSv1.3,TLSv1.2",
        # Without it any process that reaches the controller could speak to it.
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^O=cohub,CN=([^,]+)$/$1/,DEFAULT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        # Whoever may send anything takes no more memory than this, by one request and by all that wait.
        "socket.request.max.bytes": str(REQUEST_BYTES_MAX),
        "queued.max.request.bytes": str(REQUESTS_BYTES_MAX),
        # Each record may be another producer's, whom the broker remembers: not for a day. Who rested for longer goes
        # on, and what it sends again is taken again, which HQ and offices know by sequences.
        "producer.id.expiration.ms": str(PRODUCER_REMEMBERED_MS),
        "producer.id.expiration.check.interval.ms": str(PRODUCER_REMEMBERED_MS // 6),
        # Whose password was changed is let go within this time, connections that are open included.
        "connections.max.reauth.ms": str(REAUTHENTICATE_MS),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": ";".join(f"User:{name}" for name in masters),
    }


def _bounds(public: Public) -> dict[str, str]:
    # How many a second of one address is no setting of the file: see hub/broker/bounds.py.
    return {
        "listener.name.offices.max.connections": str(CONNECTIONS_MAX),
        "listener.name.offices.max.connection.creation.rate": str(CONNECTIONS_PER_S),
        "max.connections.per.ip": str(public.client_connections_max),
        "max.connections.per.ip.overrides": f"{LOOPBACK}:{UNBOUNDED}",
    }


def key_store(listener: str, file: Path) -> dict[str, str]:
    """Return which settings name the key and certificate of a listener; they can be changed while the broker runs."""
    prefix = f"listener.name.{listener.lower()}."
    return {f"{prefix}ssl.keystore.type": "PEM", f"{prefix}ssl.keystore.location": str(file)}


def _listener(doors: Locked, listener: str) -> dict[str, str]:
    asks = "required" if doors.by_certificate else "none"
    return asking_password(listener, doors.server) | {f"listener.name.{listener.lower()}.ssl.client.auth": asks}


def asking_password(listener: str, server: Path) -> dict[str, str]:
    """Return what makes a listener show the certificate of the file `server`, and ask who comes for a password."""
    prefix = f"listener.name.{listener.lower()}."
    store = {name: escaped(Path(value)) for name, value in key_store(listener, server).items()}
    jaas = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {**store, f"{prefix}ssl.client.auth": "none", f"{prefix}scram-sha-512.sasl.jaas.config": jaas}


def written(listeners: Mapping[str, tuple[str, int]]) -> str:
    """Return listeners and their addresses as the broker reads them."""
    return ",".join(
        f"{name}://{f'[{host}]' if ':' in host else host}:{port}" for name, (host, port) in listeners.items()
    )


def jvm_flags(aot: Sequence[str] = ()) -> list[str]:
    """Return the flags of the broker's JVM; an AOT cache is only used by a JVM with the same flags."""
    quiet = (
        "kafka.server.KafkaConfig",
        "org.apache.kafka.common.config.AbstractConfig",
        "org.apache.kafka.clients",
        "org.apache.kafka.common.network.Selector",  # a line for each connection that did not log in
    )
    logger = "-Dorg.slf4j.simpleLogger."
    return [
        *(
            f"-Xmx{HEAP_MB}m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
        ),
        "-XX:-CreateCoredumpOnCrash",  # passwords are in its memory
        *aot,
        f"{logger}showDateTime=true",
        f"{logger}dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        *(f"{logger}log.{name}=warn" for name in quiet),
        "-Djava.awt.headless=true",
    ]


def escaped(path: Path) -> str:
    """Return a path as a file of properties has it."""
    # In a properties file a backslash escapes, also in a Windows path, and what is no Latin letter needs to be escaped.
    text = str(path).replace("\\", "\\\\")
    return "".join(sign if sign.isascii() else _units(sign) for sign in text)


def _units(sign: str) -> str:
    data = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at]:02x}{data[at + 1]:02x}" for at in range(0, len(data), 2))
