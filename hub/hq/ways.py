"""The ways in that an enrolment bundle names: where offices find HQ, and by which authority they know it there."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from hub.base import files
from hub.base.access import Security, host_and_port
from hub.hq.folder import HubFolder
from hub.hq.settings import HubSettings
from hub.protocol.errors import Malformed, UsageError
from hub.protocol.invitation import PROTOCOLS, HttpsWay, KafkaWay, check_broker_address
from hub.protocol.session import read_address

SYSTEM: Final = "system"  # instead of a file: the authorities that the office's computer knows
AUTHORITY: Final = "ca.pem"  # the hub's own, in its keys' folder
_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def kafka_way(
    where: HubFolder,
    settings: HubSettings,
    bootstrap: str | None = None,
    ca: str | None = None,
    protocol: str | None = None,
) -> KafkaWay:
    """Return how offices reach the brokers: as HQ's own worker does, but for what is given.

    Where the embedded broker listens for offices, they are told the address that it is to be known by; where brokers of
    the user's own have another listener for offices, what `offices` in hub.yaml names.
    Errors: UsageError.
    """
    cluster = where.known_cluster(settings)
    if bootstrap is None and settings.broker.offices is not None and not settings.bootstrap:
        host, port = settings.broker.offices[1]
        bootstrap = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if bootstrap is None and settings.bootstrap and settings.offices:
        bootstrap = ",".join(settings.offices)
    if cluster is None and (bootstrap is None or protocol is None):
        raise UsageError(
            "it is not known yet where the brokers are: start `hub up` first, or set bootstrap and security in hub.yaml"
        )
    security = cluster.security if cluster is not None else Security()
    spoken = protocol or security.protocol
    if spoken not in PROTOCOLS:
        raise UsageError(f"--protocol {spoken[:20]}: expected one of {', '.join(PROTOCOLS)}")
    if protocol is None and spoken == "SSL" and security.cert_file is not None:
        raise UsageError(
            "HQ's worker shows the brokers a certificate, and an office gets a name and a password: say at which "
            "address they take those, such as --bootstrap kafka.example:9094 --protocol SASL_SSL"
        )
    servers = bootstrap or (cluster.bootstrap if cluster is not None else "")
    addresses = tuple(part.strip() for part in servers.split(",") if part.strip())
    for address in addresses:
        try:
            check_broker_address(address)
        except Malformed as exc:
            raise UsageError(f"{'the brokers' if bootstrap is None else '--bootstrap'}: {exc}") from exc
    if not spoken.endswith("SSL"):
        return KafkaWay(addresses, spoken)
    return KafkaWay(addresses, spoken, authority(ca, security.ca_file))


def https_way(where: HubFolder, settings: HubSettings, address: str, ca: str | None = None) -> HttpsWay:
    """Return how offices reach HQ by HTTPS; by default its certificate is by the hub's own authority, where it has one.

    Errors: UsageError; also for an address that HQ does not answer to, and where HQ has a certificate by somebody else
    and nobody says by whom.
    """
    try:
        address = read_address(address.strip().removesuffix("/").removesuffix(":443").lower())
    except Malformed as exc:
        raise UsageError(f"--https: {exc}") from exc
    public = settings.web.public
    if public and address not in public:
        raise UsageError(
            f"--https {address}: HQ takes nothing there, for web.public names {', '.join(public)}: name one of these, "
            "or add it to web.public in hub.yaml first"
        )
    if ca is None and settings.web.certificate is not None:
        raise UsageError(
            "HQ shows a certificate of its own choice there (web.certificate): say by which authority offices know it: "
            "--https-ca FILE, or --https-ca system"
        )
    own = where.keys / AUTHORITY
    return HttpsWay(address, authority(ca, own if files.is_file(own) else None))


def authority(given: str | None, default: Path | None) -> str:
    """Return the certificates of an authority in PEM; '' where the system's are meant. Errors: UsageError."""
    path = default if given is None else None if given == SYSTEM else Path(given)
    if path is None:
        return ""
    try:
        blocks = _BLOCK.findall(files.read_named(path).decode("ascii"))
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path}: expected the certificate of an authority in PEM: {exc}") from exc
    if not blocks:
        raise UsageError(f"{path}: expected the certificate of an authority in PEM, came none")
    return "".join("\n".join(line.strip() for line in block.splitlines() if line.strip()) + "\n" for block in blocks)


def is_for_this_machine(way: KafkaWay) -> bool:
    """Return whether no other machine can reach any of these addresses."""
    return all(_is_loopback(host_and_port(address)[0]) for address in way.bootstrap)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
