"""How a Kafka is reached, as settings say it and as clients are given it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from hub.base.access import Security, Servers, host_and_port
from hub.protocol.errors import UsageError
from tests.support.certificates import Authority


class Made(BaseModel):
    servers: Servers


@pytest.mark.parametrize("given", ["k-1:9092, k-2:9093 ,", ["k-1:9092", "k-2:9093"]])
def test_servers_are_a_list_or_one_text_with_commas(given: object) -> None:
    """The environment has only texts, a file has lists."""
    assert Made.model_validate({"servers": given}).servers == ("k-1:9092", "k-2:9093")


@pytest.mark.parametrize("address", ["nowhere", ":9092", "host:", "host:0", "host:65536", "host:x", "host:９"])
def test_servers_that_are_no_addresses_are_refused(address: str) -> None:
    """A misspelt address is told when the settings are read, with what was expected."""
    with pytest.raises(ValidationError, match="expected host:port, came"):
        Made(servers=(address,))


def test_host_and_port_of_ipv6_are_without_brackets() -> None:
    """An IPv6 address has colons of its own."""
    assert host_and_port("[::1]:9092") == ("::1", 9092)


def test_plain_text_needs_nothing() -> None:
    """One machine alone: no secret, no certificate."""
    assert Security().client_options() == {"security_protocol": "PLAINTEXT"}


def test_everything_that_is_set_reaches_the_client(tmp_path: Path) -> None:
    """TLS and SASL at once, with our own authority."""
    ca = Authority(tmp_path)
    made = Security(protocol="SASL_SSL", username="hq", password=SecretStr("s"), ca_file=Path(ca.file.name))
    options = made.beneath(tmp_path).client_options()
    context = options.pop("ssl_context")
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "hq",
        "sasl_plain_password": "s",
    }
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"protocol": "SASL_SSL", "username": "hq"}, "security.password is not set"),
        ({"protocol": "SASL_PLAINTEXT", "password": "s"}, "security.username is not set"),
        ({"protocol": "SSL", "ca_file": "missing.pem"}, "security.ca_file .*missing.pem: expected certificates in PEM"),
        ({"protocol": "SSL", "ca_file": "broken.pem"}, "security.ca_file .*broken.pem: expected certificates in PEM"),
        ({"protocol": "SSL", "cert_file": "broken.pem"}, "security.cert_file .*broken.pem: expected a certificate"),
    ],
)
def test_what_no_connection_can_be_made_with_is_told(tmp_path: Path, given: dict[str, str], expected: str) -> None:
    """One line that names the setting, before anything is sent."""
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    with pytest.raises(UsageError, match=expected):
        Security.model_validate(given).beneath(tmp_path).client_options()


def test_secret_is_never_printed() -> None:
    """Neither by a log nor by a traceback."""
    assert "hunter2" not in repr(Security(protocol="SASL_SSL", username="hq", password=SecretStr("hunter2")))
