"""What a running broker is told of its own settings: to take the certificates in its folder, to forget all others."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import AlterConfigsRequest

from hub.base import files
from hub.base.certificates import certificate_from_pem, certificate_to_pem
from hub.base.clients import closing
from hub.base.kafka import Admin
from hub.base.reason import reason_of
from hub.broker.properties import CONTROLLER, Locked, key_store
from hub.kafka.cluster import Cluster
from hub.protocol.errors import Retriable

DEADLINE_S: Final = 20.0
TIMEOUT_S: Final = 5.0
POLL_S: Final = 0.1
OF_CERTIFICATES: Final = "its new certificates"
OF_OLD: Final = "back the settings that it was told"
BROKER: Final = "1"
EVERY_BROKER: Final = ""  # what is said of it is the default of the cluster
# Kafka 4 has this one there from its first start on, and refuses to be without it. There is one node.
DEFAULTS: Final = {"min.insync.replicas": "1"}


async def reload_key_stores(cluster: Cluster, doors: Locked, shown: Path) -> None:
    """Return once new connections are shown the certificate of the file `shown`.

    Kafka reads a key store again when the setting that names it is said, also to be what it was. What is said so stays
    in the broker's own log and would stand above its file of settings, so it is taken back at once. It says that it
    was done before it looks into the file, and goes on with the old one where it does not like the new one.
    Errors: Retriable if no broker answers, or it does not take what is in the files.
    """
    said = {name: value for listener in doors.listeners for name, value in key_store(listener, doors.server).items()}
    said |= key_store(CONTROLLER, doors.node)
    wanted = certificate_to_pem(certificate_from_pem(files.read(shown))).decode("ascii")
    try:
        async with asyncio.timeout(DEADLINE_S), closing(await cluster.admin("cohub-certificates")) as admin:
            await _say(admin, said, OF_CERTIFICATES)
            for address in doors.addresses:
                # Kafka does not tell when it has: it is looked at.
                while await asyncio.to_thread(_shown_at, address) != wanted:  # noqa: ASYNC110
                    await asyncio.sleep(POLL_S)
            await _say(admin, {}, OF_CERTIFICATES)
    except (KafkaError, TimeoutError, OSError) as exc:
        raise Retriable(f"{cluster.bootstrap}: the broker does not show its new certificate: {reason_of(exc)}") from exc


async def forget_settings(cluster: Cluster) -> None:
    """Take back what anybody has told the broker of its settings as it ran: its file alone counts from now on.

    Such settings stay in the broker's own log and stand above its file. Errors: Retriable if no broker answers, or it
    does not take them back.
    """
    try:
        async with asyncio.timeout(DEADLINE_S), closing(await cluster.admin("cohub-settings")) as admin:
            await _say(admin, {}, OF_OLD)
            await _say(admin, DEFAULTS, OF_OLD, EVERY_BROKER)
    except (KafkaError, TimeoutError, OSError) as exc:
        raise Retriable(f"{cluster.bootstrap}: the broker does not forget its settings: {reason_of(exc)}") from exc


async def _say(admin: Admin, settings: Mapping[str, str], what: str, name: str = BROKER) -> None:
    resource = (int(ConfigResourceType.BROKER), name, list(settings.items()))
    answer: Any = await admin.ask(AlterConfigsRequest([resource]))
    for code, message, *_ in answer.resources:
        if code:
            raise Retriable(f"the broker does not take {what}: {message or for_code(code).__name__}")


def _shown_at(address: tuple[str, int]) -> str:
    return ssl.get_server_certificate(address, timeout=TIMEOUT_S)
