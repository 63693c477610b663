"""Ports are chosen where no outgoing connection takes them, and a taken one is told apart."""

from __future__ import annotations

import socket

from hub.broker.ports import CHOICE, choose_port, is_free


def test_chosen_port_is_free_and_outside_the_range_of_outgoing_connections() -> None:
    port = choose_port()
    assert port in CHOICE
    assert CHOICE.stop <= 32_768
    assert is_free(port)


def test_listened_port_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_port_of_all_interfaces_is_not_free() -> None:
    with socket.create_server(("", 0)) as server:
        assert not is_free(server.getsockname()[1])
