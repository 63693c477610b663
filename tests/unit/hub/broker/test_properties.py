"""What a broker is told: a locked one lets nobody in, at any of its listeners."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.broker.properties import HEAP_MB, Locked, Plain, Public, server_properties
from hub.kafka.sending import WAITING_BYTES_MAX

LOCKED = Locked(9092, Path("node.pem"), Path("server.pem"), Path("/hub/keys/ca.pem"), "admin")
PUBLIC = Public(("0.0.0.0", 9093), ("hub.example", 443))


def settings(doors: Plain | Locked, **overrides: str) -> dict[str, str]:
    text = server_properties(Path("/data/log"), doors, {k.replace("_", "."): v for k, v in overrides.items()})
    return dict(line.split("=", 1) for line in text.splitlines())


def test_plain_broker_is_at_loopback_alone() -> None:
    found = settings(Plain(9092))
    assert found["listeners"] == "CLIENT://127.0.0.1:9092,CONTROLLER://127.0.0.1:0"
    assert "authorizer.class.name" not in found


@pytest.mark.parametrize("public", [None, PUBLIC])
def test_locked_broker_asks_for_a_password_at_every_listener_and_for_rights(public: Public | None) -> None:
    found = settings(Locked(9092, LOCKED.node, LOCKED.server, LOCKED.authority, "admin", public))
    protocols = dict(part.split(":") for part in found["listener.security.protocol.map"].split(","))
    listeners = [part.split("://")[0] for part in found["listeners"].split(",")]
    assert set(protocols) == set(listeners)
    assert {protocols[name] for name in listeners if name != "CONTROLLER"} == {"SASL_SSL"}
    assert (protocols["CONTROLLER"], found["listener.name.controller.ssl.client.auth"]) == ("SSL", "required")
    assert found["authorizer.class.name"].endswith("StandardAuthorizer")
    assert found["allow.everyone.if.no.acl.found"] == "false"
    assert found["super.users"] == "User:node-1;User:admin"
    assert ("listener.name.offices.max.connections" in found) == (public is not None)


def test_one_address_can_not_take_all_the_memory_that_there_is_for_requests() -> None:
    """Each of its connections may say that a request is as long as may be, and never send it."""
    found = settings(Locked(9092, LOCKED.node, LOCKED.server, LOCKED.authority, "admin", PUBLIC))
    request, waiting = int(found["socket.request.max.bytes"]), int(found["queued.max.request.bytes"])
    connections = int(found["max.connections.per.ip"])
    assert connections == PUBLIC.client_connections_max
    assert connections * request + 4 * request <= waiting
    assert waiting < 2 / 3 * (HEAP_MB << 20), "the broker needs the rest itself"
    assert request >= WAITING_BYTES_MAX + (1 << 20), "what HQ's own worker sends at once"
    assert found["max.connections.per.ip.overrides"] == "127.0.0.1:1000000"


def test_offices_are_told_the_address_that_they_can_reach() -> None:
    found = settings(Locked(9092, LOCKED.node, LOCKED.server, LOCKED.authority, "admin", PUBLIC))
    assert found["listeners"].split(",")[1] == "OFFICES://0.0.0.0:9093"
    assert found["advertised.listeners"] == "CLIENT://127.0.0.1:9092,OFFICES://hub.example:443"
    assert PUBLIC.hosts == ("hub.example",)
    six = Public(("2001:db8::1", 9093), ("2001:db8::1", 9093))
    found = settings(Locked(9092, LOCKED.node, LOCKED.server, LOCKED.authority, "admin", six))
    assert found["listeners"].split(",")[1] == "OFFICES://[2001:db8::1]:9093"


def test_broker_that_is_told_its_users_lets_in_by_certificate_alone() -> None:
    """There is no moment at which it is open."""
    found = settings(Locked(9092, LOCKED.node, LOCKED.server, LOCKED.authority, "admin", by_certificate=True))
    assert found["listener.security.protocol.map"] == "CLIENT:SSL,CONTROLLER:SSL"
    assert found["listener.name.client.ssl.client.auth"] == "required"
    assert "authorizer.class.name" in found


def test_path_of_any_letters_is_escaped() -> None:
    """Java reads these files as Latin-1."""
    text = server_properties(Path("/дом/𝄞/log"), Plain(9092), {})
    assert "log.dirs=/\\u0434\\u043e\\u043c/\\ud834\\udd1e/log\n" in text
    assert text.isascii()


def test_overrides_count_last() -> None:
    assert settings(Plain(1), message_max_bytes="7")["message.max.bytes"] == "7"
