"""A host that programs read in more than one way is refused, with how to write it; all others are taken."""

from __future__ import annotations

import pytest

from hub.protocol.errors import Malformed
from hub.protocol.host import require_one_reading, require_place
from hub.protocol.invitation import check_broker_address
from hub.protocol.session import read_address

GOOD = (
    "hub.example.org", "localhost", "hub", "HUB.Example.org", "a-1.example", "1and1.example", "9.example", "hq_1.lan",
    "127.0.0.1", "10.77.0.1", "255.1.2.3", "::1", "2001:db8::1", "fd00::a", "64:ff9b::102:304", "2002:102:304::1",
)  # fmt: skip
TWO_READINGS = (
    # IPv4 in IPv6, in every way of writing it: one program dials IPv4, another one IPv6, a certificate has one of them
    ("::ffff:1.2.3.4", "write 1.2.3.4"),
    ("::FFFF:102:304", "write 1.2.3.4"),
    ("0:0:0:0:0:ffff:0102:0304", "write 1.2.3.4"),
    ("::1.2.3.4", "write 1.2.3.4"),
    ("::102:304", "write 1.2.3.4"),
    # What C's resolver takes for another address, or for one at all
    ("010.0.0.1", "without zeros"),
    ("10.0.0.08", "without zeros"),
    ("127.1", "four numbers"),
    ("2130706433", "four numbers"),
    ("0x7f.0.0.1", "four numbers"),
    ("0x7f000001", "four numbers"),
    ("1.2.3.256", "four numbers"),
    ("1.2.3.4.5", "four numbers"),
    ("hub.example.1", "four numbers"),
    # A name in other letters is another name in IDNA 2003 and 2008; with a dot at its end it is in no certificate
    ("straße.example", "letters of DNS"),
    ("хаб.рф", "letters of DNS"),
    ("１２７.0.0.1", "letters of DNS"),
    ("hub.example.org.", "without a dot at its end"),
    ("1.2.3.4.", "without a dot at its end"),
    ("fe80::1%eth0", "without a zone"),
    ("1:2", "expected an IPv6 address"),
)
NO_PLACE = ("0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1", "fe80::1")


@pytest.mark.parametrize("host", GOOD)
def test_host_of_one_reading_is_taken(host: str) -> None:
    """Names, also those with digits, and addresses of both kinds, also those that a translator reaches."""
    require_one_reading(host)
    require_place(host)


@pytest.mark.parametrize(("host", "remedy"), TWO_READINGS)
def test_host_of_two_readings_is_refused_with_its_remedy(host: str, remedy: str) -> None:
    """Wherever an address is told to offices: nobody guesses which one is meant."""
    for look in (require_one_reading, require_place):
        with pytest.raises(Malformed, match=remedy):
            look(host)
    place = f"[{host}]" if ":" in host else host
    for refuses in (lambda: check_broker_address(f"{place}:9093"), lambda: read_address(f"https://{place}")):
        with pytest.raises(Malformed):
            refuses()


@pytest.mark.parametrize("host", NO_PLACE)
def test_address_that_is_no_host_is_not_told_to_offices(host: str) -> None:
    """It can be listened at; nobody can be sent there, or everybody would go to another computer."""
    require_one_reading(host)
    with pytest.raises(Malformed, match="write"):
        require_place(host)


def test_remedy_reaches_whoever_typed_an_address() -> None:
    """The same words for Kafka's addresses and for HTTPS."""
    for refuses in (
        lambda: check_broker_address("[::ffff:1.2.3.4]:9093"),
        lambda: read_address("https://[::ffff:1.2.3.4]:8443"),
        lambda: read_address("https://[::ffff:102:304]"),
    ):
        with pytest.raises(Malformed, match=r"write 1\.2\.3\.4"):
            refuses()
