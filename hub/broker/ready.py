"""When a broker is ready: it says so itself, over its own protocol."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

from aiokafka.admin import NewTopic
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed

from hub.base.clients import closing
from hub.base.kafka import Admin
from hub.kafka.cluster import Cluster, Unreachable
from hub.protocol.errors import Fatal

POLL_S = 0.02
ATTEMPT_S = 5.0
REFUSED_FOR_S = 3.0
PROBE_TOPIC = "cohub-ready-probe"


class LoginRefused(Fatal):
    """A broker that was long enough up does not know the password that it is asked with."""


async def wait_ready(cluster: Cluster, cluster_id: str, *, is_alive: Callable[[], bool]) -> bool:
    """Return True once the broker takes writes, False if its process ended first; the caller sets the deadline.

    Errors: LoginRefused.
    Ready means: the broker that answers has our cluster id (a stranger on the port has not), every partition that
    exists has a leader, and the controller would make a topic now (asked with validate_only, so that nothing is made).
    """
    refused_s: float | None = None
    clock = asyncio.get_running_loop().time
    with _quiet_client_log():
        while is_alive():
            if await _answers(cluster):
                with contextlib.suppress(Unreachable, KafkaError, TimeoutError, OSError):
                    async with asyncio.timeout(ATTEMPT_S):
                        if await _watch(cluster, cluster_id, is_alive):
                            return True
                # It is asked again for a while: what it knows of users it may be reading just now.
                refused_s = (refused_s or clock()) if await _is_refused(cluster) else None
                if refused_s is not None and clock() - refused_s > REFUSED_FOR_S:
                    raise LoginRefused("the broker does not know the admin's password")
            await asyncio.sleep(POLL_S)
    return False


async def _is_refused(cluster: Cluster) -> bool:
    if not cluster.security.has_login:
        return False
    (address,) = cluster.addresses
    options = cluster.security.client_options()
    try:
        (await create_conn(*address, request_timeout_ms=int(ATTEMPT_S * 1000), **options)).close()
    except SaslAuthenticationFailed:
        return True
    except (KafkaError, TimeoutError, OSError):
        pass
    return False


async def _answers(cluster: Cluster) -> bool:
    (address,) = cluster.addresses
    try:
        _, writer = await asyncio.open_connection(*address)
    except OSError:
        return False
    writer.close()
    return True


async def _watch(cluster: Cluster, cluster_id: str, is_alive: Callable[[], bool]) -> bool:
    async with closing(await cluster.admin("cohub-ready", deadline_s=ATTEMPT_S)) as admin:
        while is_alive():
            if await _takes_writes(admin, cluster_id):
                return True
            await asyncio.sleep(POLL_S)
        return False


async def _takes_writes(admin: Admin, cluster_id: str) -> bool:
    found = await admin.describe_cluster()
    if found["cluster_id"] != cluster_id or not found["brokers"]:
        return False
    for topic in await admin.describe_topics():
        if any(partition["leader"] < 0 for partition in topic["partitions"]):
            return False
    answer = await admin.create_topics([NewTopic(PROBE_TOPIC, 1, 1)], validate_only=True)
    return all(error[1] == 0 for error in answer.topic_errors)


@contextlib.contextmanager
def _quiet_client_log() -> Iterator[None]:
    # A broker that isn't up yet is what we wait for, not an error to be logged.
    log = logging.getLogger("aiokafka")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)
