"""Enrolment bundles: one text for what they say, and nothing that is not HQ's is taken for one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.protocol.errors import Malformed
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.invitation import (
    ADDRESS_LENGTH_MAX,
    ADDRESSES_MAX,
    BUNDLE_BYTES_MAX,
    CA_LENGTH_MAX,
    NAME_LENGTH_MAX,
    HttpsWay,
    Invitation,
    KafkaWay,
    join_password,
)
from schemas.vectors.joining import authority, bundle, secret
from schemas.vectors.keys import bytes_of
from tests.unit.hub.protocol.test_vectors import Vector, cases

NAMES = st.text(st.characters(categories=["L", "Nd"]), max_size=NAME_LENGTH_MAX)
HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,40}[a-z0-9])?", fullmatch=True)
ADDRESSES = st.builds("{}.example:{}".format, HOSTS, st.integers(1, 65_535))
KAFKA = st.builds(
    KafkaWay,
    st.lists(ADDRESSES, min_size=1, max_size=ADDRESSES_MAX).map(tuple),
    st.sampled_from(["SASL_SSL", "SSL", "PLAINTEXT", "SASL_PLAINTEXT"]),
    st.sampled_from(["", authority(), authority() * 2]),
)
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
WEB_HOSTS = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "example"])) | st.just(
    "[2001:db8::7]"
)
PORTS = st.integers(1, 65_535).filter(lambda port: port != 443).map(":{}".format) | st.just("")
HTTPS = st.builds(HttpsWay, st.builds("https://{}{}".format, WEB_HOSTS, PORTS))


@cases("invitations", "good")
def test_bundle_is_read(vector: Vector) -> None:
    """It says where HQ is, whom to trust, and by which name and password the brokers know it."""
    found = Invitation.from_bytes(bytes_of(vector))
    said = vector["content"]
    assert (found.hub, found.center, found.id) == (said["hub"], said["center"], said["invitation"])
    assert (found.user, found.password) == (said["user"], said["password"])
    assert Fingerprint.of_root(found.root).to_text() == said["fingerprint"]


@cases("invitations", "bad")
def test_what_is_no_bundle_is_refused(vector: Vector) -> None:
    """Each of these has one defect."""
    with pytest.raises(Malformed):
        Invitation.from_bytes(bytes_of(vector))


@settings(max_examples=40, deadline=None)
@given(NAMES, KAFKA | st.none(), HTTPS | st.none(), st.binary(min_size=32, max_size=32))
def test_bundle_goes_round(name: str, kafka: KafkaWay | None, https: HttpsWay | None, given_secret: bytes) -> None:
    """What is written is read again, and written again to the same bytes."""
    made = bundle(name=name, kafka=kafka, https=https, secret=given_secret)
    if kafka is None and https is None:
        with pytest.raises(Malformed, match="a way in"):
            Invitation.from_bytes(made.to_bytes())
        return
    assert Invitation.from_bytes(made.to_bytes()) == made


@pytest.mark.parametrize(
    "address",
    [
        "https://hub_1.example",
        "https://Hub.example",
        "https://hub..example",
        "https://-hub.example",
        "https://hub.example:443",
        "https://[2001:db8::0:7]",
        "https://[:::]",
        f"https://{'a' * 64}.example",
        f"https://{'a.' * 130}example",
    ],
)
def test_https_address_that_an_office_cannot_take_is_in_no_bundle(address: str) -> None:
    """Else the office would find out behind its keys, and be told of it by nobody."""
    with pytest.raises(Malformed, match="expected https://host"):
        Invitation.from_bytes(bundle(https=HttpsWay(address)).to_bytes())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_changed_bundle_is_refused(data: st.DataObject) -> None:
    """Whatever one byte becomes, it is seen: by the form, the signature or the check."""
    good = bundle(https=None).to_bytes()
    at = data.draw(st.integers(0, len(good) - 2))
    changed = bytearray(good)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Malformed):
        Invitation.from_bytes(bytes(changed))


def test_bounds_are_held() -> None:
    """What is within a bound is read; one more is not."""
    for longest in (
        bundle(name="т" * NAME_LENGTH_MAX),
        bundle(kafka=KafkaWay(("h:9",) * ADDRESSES_MAX)),
        bundle(kafka=KafkaWay((f"{'h' * (ADDRESS_LENGTH_MAX - 5)}:9093",))),
        bundle(kafka=KafkaWay(("h:9",), "SSL", authority() * (CA_LENGTH_MAX // len(authority())))),
    ):
        assert Invitation.from_bytes(longest.to_bytes()) == longest
    for longer in (
        bundle(name="т" * (NAME_LENGTH_MAX + 1)),
        bundle(kafka=KafkaWay(("h:9",) * (ADDRESSES_MAX + 1))),
        bundle(kafka=KafkaWay((f"{'h' * (ADDRESS_LENGTH_MAX - 4)}:9093",))),
        bundle(kafka=KafkaWay(("h:9",), "SSL", authority() * (CA_LENGTH_MAX // len(authority()) + 1))),
    ):
        with pytest.raises(Malformed):
            Invitation.from_bytes(longer.to_bytes())
    with pytest.raises(Malformed, match="at most"):
        Invitation.from_bytes(b" " * (BUNDLE_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":9093",
        "host",
        "host:",
        "host:0",
        "host:09093",
        "ho st:1",
        "host:1 ",
        "host:1/x",
        "-h:1",
        "h..:1x",
        "2001::7:1",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """An address has two readings nowhere."""
    with pytest.raises(Malformed):
        bundle(kafka=KafkaWay((address,))).check()


def test_secret_stands_nowhere_but_in_the_file() -> None:
    """Neither an error nor a log has it; the password and the encryption have values of their own."""
    made = bundle()
    assert "secret" not in repr(made)
    assert made.password not in made.to_bytes().decode()
    assert join_password(secret("a")) != join_password(secret("b"))
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", made.password)
