"""Topics: which ones a hub has, making them, looking at them.

in.<center>     one partition, written by the center alone, kept 30 days
out.<center>    one partition, written by HQ alone, kept 120 days
events          every accepted event, kept for ever
hub.lane        HQ's own lane as it was sealed, kept for ever
hub.schemas     the schemas of state.* (compacted)
hub.trust       the newest trust note (compacted)
state.<stream>  the newest record of each entity (compacted)
hub.checkpoints what HQ has signed of its log, every size of it for ever (compacted: one is said again and again)
join.<center>   who was invited to be this center asks, and HQ answers; kept 7 days, and never much of it
hub.clock       what HQ writes to be told the broker's time; nobody reads it
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, for_code

from hub.base.clients import closing
from hub.base.kafka import Admin
from hub.base.reason import reason_of
from hub.kafka.cluster import Cluster
from hub.kafka.desired import INVITED
from hub.protocol.control import is_center_id
from hub.protocol.errors import Fatal, Retriable, UsageError
from hub.protocol.topics import CHECKPOINTS, CLOCK, FAN_OUT_PARTITIONS, LANE, SCHEMAS, TRUST, topic_in, topic_out

T = TypeVar("T")

DAY_MS = 86_400_000
IN_RETENTION_MS = 30 * DAY_MS
OUT_RETENTION_MS = 120 * DAY_MS  # connectors keep 90 days themselves; HQ's side must not be the shorter one
INVITATION_RETENTION_MS: Final = 7 * DAY_MS
INVITATION_BYTES_MAX: Final = 64 << 10  # of one record; a request has a quarter of it
INVITATION_LOG_BYTES: Final = 16 << 20  # a stranger with an invitation fills no disk: this much is kept, and a segment
REPLICAS_WANTED = 3
IN_SYNC: Final = "min.insync.replicas"
IN_SYNC_MIN: Final = 2  # of three or more: what is acknowledged outlives any one broker, and any one may be away
BROKERS_WAIT_S: Final = 20.0
BROKERS_POLL_S: Final = 0.5
CREATED_AT_ONCE: Final = 200  # topics; each takes up to a dozen of the 10,000 records that one request may
# The broker's own clock stands in the records of such a topic: HQ and connectors compare theirs with it.
ARRIVAL: Final = {"message.timestamp.type": "LogAppendTime"}
DEADLINE_S = 20.0
POLL_S = 0.05

ALREADY_EXISTS = 36
UNKNOWN_TOPIC = 3
NOT_ALLOWED = (29, 31)  # by a right on topics, or on the cluster


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be; configs are Kafka's topic settings as text."""

    name: str
    partitions: int
    configs: Mapping[str, str] = field(default_factory=dict)


class OtherPartitions(UsageError):
    """Somebody has made a topic with another number of partitions: what is written would be looked for elsewhere."""

    def __init__(self, topic: str, count: int, expected: int) -> None:
        way_out = (
            "it has what centers wrote, which HQ can't say again: stop the center's connector before"
            if topic.startswith(topic_in(""))
            else "HQ says all that it held again, from its ledger"
        )
        super().__init__(
            f"topic {topic} has {count} partitions, expected {expected}; partitions are never changed under data: "
            f"delete the topic and start the worker, which makes it anew ({way_out}), or use another cluster"
        )


class MayNotMake(Retriable):
    """Who we are may not make a topic that is missing. Somebody else makes it, or the settings name who may."""

    def __init__(self, topics: Sequence[str]) -> None:
        super().__init__(
            f"topics are missing, or hidden from this login, which may not make any: {', '.join(topics)}; `admin` in "
            "the settings names a login that may, or whoever administers the cluster makes them"
        )


class TooFewBrokers(Retriable):
    """Topics are missing, and fewer brokers live than shall have them."""

    def __init__(self, cluster: Cluster, living: int) -> None:
        super().__init__(
            f"{cluster.bootstrap}: topics are missing, and wait until {cluster.replicas} brokers live (`replicas` in "
            f"the settings); {living} of them do"
        )


def lane_topics(centers: Sequence[str]) -> list[TopicSpec]:
    """Return the topics that these centers write and read: without them nothing comes in.

    Releases before 0.3 registered centers without a key under any name: one that no topic can have is left out.
    """
    centers = [center for center in centers if is_center_id(center)]
    return [
        *(TopicSpec(topic_in(center), 1, {"retention.ms": str(IN_RETENTION_MS), **ARRIVAL}) for center in centers),
        *(TopicSpec(topic_out(center), 1, {"retention.ms": str(OUT_RETENTION_MS), **ARRIVAL}) for center in centers),
    ]


def log_topics() -> list[TopicSpec]:
    """Return the topic of HQ's log."""
    return [TopicSpec(CHECKPOINTS, 1, {"cleanup.policy": "compact"})]


def trust_topics() -> list[TopicSpec]:
    """Return the topic of HQ's keys."""
    return [TopicSpec(TRUST, 1, {"cleanup.policy": "compact"})]


def clock_topics() -> list[TopicSpec]:
    """Return the topic that tells the broker's time, whatever other topics' settings an older release has made."""
    return [TopicSpec(CLOCK, 1, {"retention.ms": str(DAY_MS), **ARRIVAL})]


def invitation_topics(names: Iterable[str]) -> list[TopicSpec]:
    """Return those of these topics on which who was invited asks and is answered."""
    kept = {
        "retention.ms": str(INVITATION_RETENTION_MS),
        "retention.bytes": str(INVITATION_LOG_BYTES),
        "segment.bytes": str(INVITATION_LOG_BYTES),
        "max.message.bytes": str(INVITATION_BYTES_MAX),
        **ARRIVAL,
    }
    return [TopicSpec(name, 1, kept) for name in names if name.startswith(INVITED)]


def standard_topics(centers: Sequence[str], streams: Sequence[str]) -> list[TopicSpec]:
    """Return the topics of a hub with these centers and streams."""
    forever = {"retention.ms": "-1", "retention.bytes": "-1"}
    return [
        *lane_topics(centers),
        *log_topics(),
        *trust_topics(),
        *clock_topics(),
        TopicSpec("events", FAN_OUT_PARTITIONS, forever),
        TopicSpec(LANE, 1, forever),
        TopicSpec(SCHEMAS, 1, {"cleanup.policy": "compact"}),
        *(TopicSpec(f"state.{stream}", FAN_OUT_PARTITIONS, {"cleanup.policy": "compact"}) for stream in streams),
    ]


async def ensure_topics(cluster: Cluster, specs: Iterable[TopicSpec]) -> list[str]:
    """Return the names of the topics that had to be made, once all of them take writes. Idempotent.

    An existing topic is left as it is.
    Errors: Retriable if no broker answers; TooFewBrokers, at once (`once_brokers_live` waits); MayNotMake;
        OtherPartitions if a topic exists with another number of partitions; Fatal if the broker refuses.
    """
    wanted = {spec.name: spec for spec in specs}
    if not wanted:
        return []
    async with closing(await cluster.admin("cohub-topics")) as admin:
        async with _in_time(cluster):
            present = await _partitions(admin, list(wanted))
        for name, count in present.items():
            if count != wanted[name].partitions:
                raise OtherPartitions(name, count, wanted[name].partitions)
        made, missing = list[str](), [spec for name, spec in wanted.items() if name not in present]
        # A controller does one request at once or not at all, and refuses one that would take too many of its records.
        replicas = await _replicas(admin, cluster) if missing else 0
        for start in range(0, len(missing), CREATED_AT_ONCE):
            chunk = missing[start : start + CREATED_AT_ONCE]
            async with _in_time(cluster):
                made += await _create(admin, chunk, replicas)
                await _wait_for_leaders(admin, {spec.name: spec for spec in chunk})
        async with _in_time(cluster):
            await _wait_for_leaders(admin, {name: spec for name, spec in wanted.items() if name in present})
        return made


async def once_brokers_live(make: Callable[[], Awaitable[T]]) -> T:
    """Return what `make` comes to, tried again for a while as long as too few brokers live for the topics it makes.

    For a start, and for commands: brokers that are just being started are waited for. Whoever works already tries
    again by itself. Errors: those of `make`.
    """
    ends_s = asyncio.get_running_loop().time() + BROKERS_WAIT_S
    while True:
        try:
            return await make()
        except TooFewBrokers:
            if asyncio.get_running_loop().time() > ends_s:
                raise
        await asyncio.sleep(BROKERS_POLL_S)


async def ensure_group(cluster: Cluster, group: str) -> None:
    """Return once the broker serves this consumer group; a new broker makes its own topic for it, when first asked.

    A broker opens partitions one after the other, each with waits for the disk: whoever wants to read soon makes the
    topics that are to be read, then calls this, then makes all others.
    Errors: Retriable if no broker answers, or none serves the group in time.
    """
    async with _admin(cluster) as admin:
        while True:
            with contextlib.suppress(GroupCoordinatorNotAvailableError):
                await admin.find_coordinator(group)
                return
            await asyncio.sleep(POLL_S)


async def describe_topics(cluster: Cluster, names: Sequence[str] | None = None) -> dict[str, TopicSpec]:
    """Return the topics that exist, of these names or (None) all, with the configs that differ from the broker's.

    Errors: Retriable if no broker answers.
    """
    async with _admin(cluster) as admin:
        counts = await _partitions(admin, names)
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in counts]
        configs: dict[str, dict[str, str]] = {}
        for answer in await admin.describe_configs(resources) if resources else []:
            for entry in answer.to_object()["resources"]:
                configs[entry["resource_name"]] = _own_configs(entry)
        return {name: TopicSpec(name, count, configs.get(name, {})) for name, count in counts.items()}


async def delete_topic(cluster: Cluster, name: str) -> bool:
    """Return True once the topic is gone, False if there was none. Its data is lost.

    Errors: Retriable if no broker answers; Fatal if the broker refuses.
    """
    async with _admin(cluster) as admin:
        answer = await admin.delete_topics([name])
        for topic, code in answer.topic_error_codes:
            if code == UNKNOWN_TOPIC:
                return False
            if code:
                raise Fatal(f"the broker would not delete topic {topic}: {for_code(code).__name__}")
        while name in await _partitions(admin, [name]):  # noqa: ASYNC110 - the broker has no event for us
            await asyncio.sleep(POLL_S)
        return True


@contextlib.asynccontextmanager
async def _admin(cluster: Cluster) -> AsyncIterator[Admin]:
    async with closing(await cluster.admin("cohub-topics")) as admin, _in_time(cluster):
        yield admin


@contextlib.asynccontextmanager
async def _in_time(cluster: Cluster) -> AsyncIterator[None]:
    """Give what is done within it a deadline, and its faults their words. Errors: Retriable."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield
    except (KafkaError, TimeoutError, OSError) as exc:
        raise Retriable(f"{cluster.bootstrap}: the broker answers no question about topics: {reason_of(exc)}") from exc


async def _partitions(admin: Admin, names: Sequence[str] | None) -> dict[str, int]:
    topics = await admin.describe_topics(None if names is None else list(names))
    hidden = {UNKNOWN_TOPIC, *NOT_ALLOWED}  # a broker that does not show a topic does not say whether there is one
    return {topic["topic"]: len(topic["partitions"]) for topic in topics if topic["error_code"] not in hidden}


async def _replicas(admin: Admin, cluster: Cluster) -> int:
    """Return how many brokers shall have what is made. Errors: TooFewBrokers, while fewer live; Retriable.

    What is made with fewer keeps fewer for ever: nobody puts more copies beside them later.
    """
    async with _in_time(cluster):
        living = len((await admin.describe_cluster())["brokers"])
    if cluster.replicas is None:
        return min(REPLICAS_WANTED, living)
    if living < cluster.replicas:
        raise TooFewBrokers(cluster, living)
    return cluster.replicas


async def _create(admin: Admin, specs: Sequence[TopicSpec], replicas: int) -> list[str]:
    if not specs:
        return []
    kept = {IN_SYNC: str(IN_SYNC_MIN)} if replicas > IN_SYNC_MIN else {}
    answer = await admin.create_topics(
        [NewTopic(spec.name, spec.partitions, replicas, topic_configs={**kept, **spec.configs}) for spec in specs]
    )
    made = []
    if refused := sorted(name for name, code, *_ in answer.topic_errors if code in NOT_ALLOWED):
        raise MayNotMake(refused)
    for name, code, message in (error[:3] for error in answer.topic_errors):
        if code and code != ALREADY_EXISTS:  # another worker may have been faster
            raise Fatal(f"the broker would not make topic {name}: {message or for_code(code).__name__}")
        if not code:
            made.append(name)
    return made


async def _wait_for_leaders(admin: Admin, wanted: Mapping[str, TopicSpec]) -> None:
    # A producer that writes to a topic without a leader blocks: hand nobody such a topic.
    while wanted:
        topics = await admin.describe_topics(list(wanted))
        if all(
            topic["error_code"] == 0
            and len(topic["partitions"]) == wanted[topic["topic"]].partitions
            and all(partition["leader"] >= 0 for partition in topic["partitions"])
            for topic in topics
        ):
            return
        await asyncio.sleep(POLL_S)


def _own_configs(entry: Mapping[str, Any]) -> dict[str, str]:
    own = {}
    for config in entry["config_entries"]:
        # Source 1 = set on the topic itself; the oldest answers only say whether it is a default.
        if config.get("config_source", 0) == 1 or config.get("is_default") is False:
            own[config["config_names"]] = config["config_value"]
    return own
