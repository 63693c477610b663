"""Certificates: the same arguments make the same bytes, and what brokers and clients of Kafka ask of them is there."""

from __future__ import annotations

import ipaddress
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from hub.base.certificates import (
    AUTHORITY_LIFE,
    BEGUN_BEFORE,
    LEAF_LIFE,
    Issuer,
    Key,
    Leaf,
    authority_certificate,
    certificate_from_pem,
    certificate_to_pem,
    check_host,
    has_key,
    is_as,
    is_due,
    key_from_pem,
    key_to_pem,
    leaf_certificate,
)
from hub.protocol.errors import Malformed

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LEAF = Leaf("broker", ("127.0.0.1", "hub.example"))


def key(number: int) -> Key:
    return ec.derive_private_key(number, ec.SECP256R1())


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(key(7), authority_certificate(key(7), 1, NOW))


def test_same_arguments_make_the_same_bytes(issuer: Issuer) -> None:
    """Nothing is drawn and no clock is read."""
    again = Issuer(key(7), authority_certificate(key(7), 1, NOW))
    assert certificate_to_pem(issuer.certificate) == certificate_to_pem(again.certificate)
    two = [certificate_to_pem(leaf_certificate(one, key(8), LEAF, 2, NOW)) for one in (issuer, again)]
    assert two[0] == two[1]


def test_leaf_lasts_no_longer_than_clients_believe_and_no_longer_than_its_authority(issuer: Issuer) -> None:
    """825 days at most, begun a day before so that a clock that is behind takes it."""
    made = leaf_certificate(issuer, key(8), LEAF, 2, NOW)
    assert made.not_valid_before_utc == NOW - BEGUN_BEFORE
    assert made.not_valid_after_utc - made.not_valid_before_utc == LEAF_LIFE <= timedelta(days=825)
    late = NOW + AUTHORITY_LIFE - timedelta(days=30)
    assert leaf_certificate(issuer, key(8), LEAF, 2, late).not_valid_after_utc == issuer.certificate.not_valid_after_utc


def test_leaf_says_what_it_is_for(issuer: Issuer) -> None:
    """A server's is no client's, and each is read as its name from its end."""
    made = leaf_certificate(issuer, key(8), LEAF, 2, NOW)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]
    assert names.get_values_for_type(x509.DNSName) == ["hub.example"]
    uses = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert made.subject.rfc4514_string() == "O=cohub,CN=broker"
    both = leaf_certificate(issuer, key(8), Leaf("node-1", uses=("server", "client")), 2, NOW)
    assert len(list(both.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)) == 2


def test_authorities_have_different_names(issuer: Issuer) -> None:
    """Of two with one name OpenSSL tries the wrong one's key, and says something else is wrong."""
    assert authority_certificate(key(9), 1, NOW).subject != issuer.certificate.subject


def test_openssl_believes_it(issuer: Issuer, tmp_path: Path) -> None:
    """As strictly as it can be asked, for a client and by both names; not under another authority of the same hub."""
    made = leaf_certificate(issuer, key(8), LEAF, 2, NOW)
    (tmp_path / "ca.pem").write_bytes(certificate_to_pem(issuer.certificate))
    (tmp_path / "other.pem").write_bytes(certificate_to_pem(authority_certificate(key(9), 1, NOW)))
    (tmp_path / "leaf.pem").write_bytes(key_to_pem(key(8)) + certificate_to_pem(made))
    at = ["-attime", str(int(NOW.timestamp())), "-x509_strict", "-purpose", "sslserver"]
    for authority, name, status in (
        ("ca.pem", ["-verify_ip", "127.0.0.1"], 0),
        ("ca.pem", ["-verify_hostname", "hub.example"], 0),
        ("ca.pem", ["-verify_hostname", "other.example"], 2),
        ("other.pem", [], 2),
    ):
        command = ["openssl", "verify", *at, *name, "-CAfile", str(tmp_path / authority), str(tmp_path / "leaf.pem")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
    ssl.create_default_context().load_cert_chain(tmp_path / "leaf.pem")


def test_it_is_time_for_another_when_a_third_is_left_or_it_has_not_begun(issuer: Issuer) -> None:
    """A clock that was ahead when it was made is found out, too."""
    made = leaf_certificate(issuer, key(8), LEAF, 2, NOW)
    third = made.not_valid_after_utc - LEAF_LIFE / 3
    assert not is_due(made, NOW)
    assert not is_due(made, third)
    assert is_due(made, third + timedelta(seconds=1))
    assert is_due(made, made.not_valid_after_utc + timedelta(days=1))
    assert is_due(made, NOW - BEGUN_BEFORE - timedelta(seconds=1))


@pytest.mark.parametrize(
    "other",
    [
        Leaf("other", LEAF.hosts),
        Leaf("broker", ("127.0.0.1",)),
        Leaf("broker", (*LEAF.hosts, "more.example")),
        Leaf("broker", LEAF.hosts, ("server", "client")),
        Leaf("broker"),
    ],
)
def test_leaf_that_says_something_else_is_not_what_is_wanted(issuer: Issuer, other: Leaf) -> None:
    """Another name, another host, another use."""
    made = leaf_certificate(issuer, key(8), LEAF, 2, NOW)
    assert is_as(made, key(8), LEAF, issuer)
    assert not is_as(made, key(8), other, issuer)


def test_leaf_of_another_key_or_authority_is_not_what_is_wanted(issuer: Issuer) -> None:
    """Also where the authority has the same name, and signed by another key."""
    made = leaf_certificate(issuer, key(8), LEAF, 2, NOW)
    assert not is_as(made, key(9), LEAF, issuer)
    assert not is_as(made, key(8), LEAF, Issuer(key(9), authority_certificate(key(9), 1, NOW)))
    assert not is_as(leaf_certificate(Issuer(key(9), issuer.certificate), key(8), LEAF, 2, NOW), key(8), LEAF, issuer)
    renewed = Issuer(key(7), authority_certificate(key(7), 5, NOW + AUTHORITY_LIFE / 2))
    assert is_as(made, key(8), LEAF, renewed), "an authority whose certificate was made anew is the same one"


def test_keys_and_certificates_go_round(issuer: Issuer) -> None:
    assert key_to_pem(key_from_pem(key_to_pem(key(7)))) == key_to_pem(key(7))
    assert key_to_pem(key(7)).startswith(b"-----BEGIN PRIVATE KEY-----"), "Kafka reads PKCS#8 alone"
    again = certificate_from_pem(certificate_to_pem(issuer.certificate))
    assert again == issuer.certificate
    assert has_key(again, key(7))
    assert not has_key(again, key(8))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        key_to_pem(key(7))[:-40],
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        key_to_pem(ec.derive_private_key(7, ec.SECP384R1())),
    ],
)
def test_what_is_no_key_of_ours_is_malformed(data: bytes) -> None:
    """Ed25519 too: Kafka reads none."""
    with pytest.raises(Malformed):
        key_from_pem(data)


@pytest.mark.parametrize("data", [b"", b"\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        certificate_from_pem(data)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("hub.example", "hub.example"),
        ("HUB.example", "hub.example"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("хаб.example", "xn--80ac2d.example"),
    ],
)
def test_hosts_are_named_as_certificates_name_them(host: str, named: str) -> None:
    assert check_host(host) == named


@pytest.mark.parametrize("host", ["", "*.example", "two words", "line\nfeed", ".", "ь" * 70 + ".example"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="expected the name"):
        check_host(host)
