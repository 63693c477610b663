"""A cluster as a value, and what Faust is given of it. Its clients are tried at a real broker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import faust
import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from pydantic import SecretStr

from hub.base.access import Security
from hub.broker.ports import choose_port
from hub.kafka.cluster import Cluster, Unreachable
from hub.protocol.errors import UsageError
from tests.support.certificates import Authority


def test_addresses_go_round() -> None:
    """What is written down of a cluster names the same one again."""
    cluster = Cluster.at(" k-1:9092, k-2:9093")
    assert cluster.bootstrap == "k-1:9092,k-2:9093"
    assert Cluster.at(cluster.bootstrap) == cluster
    assert cluster.addresses == [("k-1", 9092), ("k-2", 9093)]


@pytest.mark.parametrize("bootstrap", ["", " , ", "nowhere", "k-1:9092,k-2"])
def test_what_is_no_address_is_wrong_use(bootstrap: str) -> None:
    """One line says what was expected."""
    with pytest.raises(UsageError, match="expected host:port"):
        Cluster.at(bootstrap)


def test_faust_is_given_the_addresses_by_our_transport() -> None:
    """Every broker, and no credentials where none are asked for."""
    assert Cluster.at("a:1,b:2").faust_options() == {"broker": "hub://a:1;hub://b:2"}


@pytest.mark.parametrize("protocol", ["SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_faust_logs_in_as_every_other_client(tmp_path: Path, protocol: str) -> None:
    """What Faust makes of its credentials is what aiokafka's clients are given."""
    security = Security.model_validate(
        {"protocol": protocol, "username": "hq", "password": SecretStr("s"), "ca_file": Authority(tmp_path).file}
    )
    options = Cluster.at("a:1", security).faust_options()
    theirs = dict(credentials_to_aiokafka_auth(options["broker_credentials"]))
    ours = security.client_options()
    assert (theirs.pop("ssl_context", None) is None) == (ours.pop("ssl_context", None) is None)
    assert theirs == ours
    faust.App("credentials-are-taken", autodiscover=False, **options)


async def test_client_of_nobody_says_what_is_wrong(unused_tcp_port: int) -> None:
    """The reason in plain words, whatever kind of client it is; nothing of it is left open."""
    cluster = Cluster.at(f"127.0.0.1:{unused_tcp_port}")
    for client in (cluster.producer("test"), cluster.consumer("test"), cluster.admin("test")):
        with pytest.raises(Unreachable, match=f"{cluster.bootstrap}: nobody listens there: is the broker up"):
            await client


async def test_client_that_is_given_up_at_its_deadline_says_so() -> None:
    """A broker that takes connections and says nothing holds nobody up."""
    held: list[asyncio.StreamWriter] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", choose_port()) as server:
        host, port = server.sockets[0].getsockname()
        with pytest.raises(Unreachable, match="no answer in time"):
            await Cluster.at(f"{host}:{port}").consumer("test", deadline_s=0.2)
