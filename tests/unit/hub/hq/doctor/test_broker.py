"""What `hub doctor` finds at a broker: certificates are real, rights and topics those of a broker in memory."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from hub.base.access import Security
from hub.base.topic_access import READ, WRITE, Door, TopicAccess
from hub.hq.doctor.broker import (
    enter,
    examine_certificates,
    examine_clock,
    examine_rights,
    examine_topics,
    wanted_topics,
)
from hub.hq.doctor.examined import Check, Mark
from hub.kafka.cluster import Cluster
from hub.kafka.memory import MemoryBroker
from hub.kafka.topics import TopicSpec, delete_topic, ensure_topics
from hub.protocol.topics import CLOCK
from tests.support.certificates import Authority
from tests.support.listeners import listening

DAY = timedelta(days=1)
WANTED = wanted_topics(["uz"])
ALL = 1 << READ | 1 << WRITE


def door(**codes: int) -> Door:
    """Return a broker's word of every topic, some of which have another error code."""
    return Door({s.name: TopicAccess(s.name, codes.get(s.name.replace(".", "_"), 0), ALL) for s in WANTED})


async def test_broker_that_nobody_named_is_a_warning() -> None:
    """A hub that never ran has none yet."""
    found = await enter(Check.BROKER_AS_ADMIN, None, [])
    assert (found.examined.case, found.examined.mark, found.door) == ("not_known", Mark.WARNS, None)


async def test_broker_that_is_away_is_told_with_its_obstacle_and_no_secret() -> None:
    """The code is that of docs/obstacles.md, for the desk and for scripts."""
    security = Security(protocol="SASL_PLAINTEXT", username="worker", password=SecretStr("sentinel-9"))
    found = (await enter(Check.BROKER_AS_WORKER, Cluster(("127.0.0.1:9",), security), [])).examined
    assert found.plain()["obstacles"] == [{"code": "nobody_listens", "values": {"address": "127.0.0.1:9"}}]
    assert "sentinel-9" not in str(found.plain())


async def test_settings_that_no_connection_can_be_made_with_are_told(tmp_path: Path) -> None:
    """The file that is missing is named, in the reader's language."""
    security = Security(protocol="SSL", ca_file=tmp_path / "none.pem")
    found = (await enter(Check.BROKER_AS_ADMIN, Cluster(("127.0.0.1:9",), security), [])).examined
    assert found.case == "misset"
    assert str(tmp_path / "none.pem") in found.said.text("ru")


def test_rights_are_as_the_broker_tells_them() -> None:
    """What is missing is named; a topic that is not there is no missing right."""
    assert examine_rights(door(), WANTED).case == "enough"
    found = examine_rights(door(in_uz=29, events=3), WANTED)
    assert (found.case, found.values["rights"]) == ("lacking", "READ in.uz")
    read_only = {s.name: TopicAccess(s.name, 0, 1 << READ) for s in WANTED}
    found = examine_rights(Door(read_only), WANTED)
    assert found.values["count"] == len(WANTED) - 1
    assert "WRITE out.uz" in found.said.text()
    assert examine_rights(Door({s.name: TopicAccess(s.name) for s in WANTED}), WANTED).case == "untold"


async def test_topics_are_compared_with_what_they_should_be() -> None:
    """Missing ones, other partitions, other settings: each is another thing to do."""
    broker = MemoryBroker()
    cluster = Cluster(("memory:1",), clients=broker)
    assert (await examine_topics(cluster, WANTED)).case == "missing"
    await ensure_topics(cluster, WANTED)
    assert (await examine_topics(cluster, WANTED)).case == "as_wanted"
    await delete_topic(cluster, "out.uz")
    found = await examine_topics(cluster, WANTED)
    assert (found.case, found.values["topics"]) == ("missing", "out.uz")
    await ensure_topics(cluster, [TopicSpec("out.uz", 1)])
    found = await examine_topics(cluster, WANTED)
    assert (found.case, found.mark) == ("otherwise", Mark.WARNS)
    assert "out.uz message.timestamp.type" in found.said.text()
    await delete_topic(cluster, "out.uz")
    await ensure_topics(cluster, [TopicSpec("out.uz", 2)])
    assert (await examine_topics(cluster, WANTED)).case == "partitions"


async def test_clock_is_compared_with_the_brokers_and_nothing_is_made_for_it() -> None:
    """A broker of another time is told with how much; where its topic is missing, nothing can be told."""
    apart = timedelta(hours=2)
    for ahead, expected in ((0.0, "agrees"), (apart.total_seconds(), "apart")):
        broker = MemoryBroker(clock=lambda ahead=ahead: time.time() + ahead)  # type: ignore[misc]
        cluster = Cluster(("memory:1",), clients=broker)
        assert (await examine_clock(cluster, door(hub_clock=3))).case == "untold"
        await ensure_topics(cluster, WANTED)
        found = await examine_clock(cluster, door())
        assert found.case == expected
    assert found.values["seconds"].startswith("-7")
    assert CLOCK in {spec.name for spec in WANTED}


@pytest.mark.parametrize(
    ("valid", "expected"),
    [
        ((-DAY, 800 * DAY), "lasts"),
        ((-DAY, 10 * DAY), "lasts"),  # made for so long: more than a third is left
        ((-300 * DAY, 10 * DAY), "ends_soon"),
        ((-10 * DAY, 3 * DAY), "ends_soon"),
        ((-2 * DAY, -DAY), "ended"),
        ((DAY, 2 * DAY), "ended"),
    ],
)
async def test_certificates_that_brokers_show_are_looked_at(
    tmp_path: Path, valid: tuple[timedelta, timedelta], expected: str
) -> None:
    """The one that ends first counts, that of the authority too."""
    authority = Authority(tmp_path)
    async with listening(authority.leaf("node", valid=valid)) as address:
        found = await examine_certificates([Cluster((address,), Security(protocol="SSL", ca_file=authority.file))])
    assert found.case == expected
    first = authority.file if valid[1] > 365 * DAY else address
    assert str(found.values["where"]) == str(first)


async def test_certificate_that_cannot_be_seen_is_a_warning(tmp_path: Path) -> None:
    """Nobody listens, or the file is gone: that is told elsewhere as what it is. Without TLS there is none."""
    authority = Authority(tmp_path)
    secured = Security(protocol="SSL", ca_file=authority.file)
    assert (await examine_certificates([Cluster(("127.0.0.1:9",), secured)])).case == "unseen"
    assert (await examine_certificates([Cluster(("127.0.0.1:9",))])).case == "none"
