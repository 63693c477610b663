"""Ports are chosen where no outgoing connection takes them, and a taken one is told apart."""

from __future__ import annotations

import socket

import pytest

from hub.broker.ports import CHOICE, checked, choose_port, is_free
from hub.protocol.errors import UsageError


def test_chosen_port_is_free_and_outside_the_range_of_outgoing_connections() -> None:
    port = choose_port()
    assert port in CHOICE
    assert CHOICE.stop <= 32_768
    assert is_free(port)


def test_listened_port_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])


@pytest.mark.parametrize("port", [-1, 0, 80, 65_536])
def test_port_outside_the_users_range_is_refused(port: int) -> None:
    assert checked(1024) == 1024
    with pytest.raises(UsageError, match="from 1024 to 65535"):
        checked(port)


def test_port_of_all_interfaces_is_not_free() -> None:
    with socket.create_server(("", 0)) as server:
        assert not is_free(server.getsockname()[1])
