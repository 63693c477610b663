"""Hosts that every program reads alike: names of DNS, IPv4 addresses of four decimal numbers, IPv6 addresses.

A host that one program takes for this and another one for that is given to nobody: a certificate would be for the one,
and a connection go to the other.

Source: RFC 6943, section 3.1; RFC 4291, section 2.5.5; RFC 6761.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from hub.protocol.errors import Malformed

# What C's inet_aton, and with it a resolver, may take for an IPv4 address: its last part is a number.
_NUMBER_AT_END: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)", re.DOTALL)
_IPV4_LENGTH: Final = 32
_SMALL_MAX: Final = 0xFFFF  # no IPv4 address of a host is meant by `::` and `::1`
_OTHER: Final = "write another address, or a name"
_SHOWN_MAX: Final = 100


def require_one_reading(host: str) -> None:
    """Return if every program takes a host for the same. Errors: Malformed, which says how it is to be written."""
    if ":" in host:
        _require_ip6(host)
        return
    if host.endswith("."):
        raise Malformed(f"{_shown(host)}: expected a host without a dot at its end: write {_shown(host.rstrip('.'))}")
    if not host.isascii():
        raise Malformed(f"{_shown(host)}: expected a host in the letters of DNS: write what it is there (xn--…)")
    if not _NUMBER_AT_END.fullmatch(host):
        return
    try:
        IPv4Address(host)
    except AddressValueError as exc:
        raise Malformed(
            f"{_shown(host)}: expected a name, or an IPv4 address as four numbers from 0 to 255 without zeros before "
            "them; programs read this one as different addresses: write it so"
        ) from exc


def require_place(host: str) -> None:
    """Return if one host can be meant by it, and the same on every computer. Errors: Malformed, also as above."""
    require_one_reading(host)
    try:
        address = IPv6Address(host) if ":" in host else IPv4Address(host)
    except AddressValueError:
        return  # a name
    if address.is_unspecified or address.is_multicast or address == IPv4Address("255.255.255.255"):
        raise Malformed(f"{host}: expected the address of one host, this is none: write the one that offices reach")
    if address.version == 6 and address.is_link_local:
        raise Malformed(f"{host}: expected an address that is the same on every computer, this one is not: {_OTHER}")


def _require_ip6(host: str) -> None:
    address, zone = _ip6(host)
    if zone is not None:
        raise Malformed(f"{_shown(host)}: expected an IPv6 address without a zone, which one computer knows: {_OTHER}")
    four = address.ipv4_mapped
    if four is None and _SMALL_MAX < int(address) < 1 << _IPV4_LENGTH:
        four = IPv4Address(int(address))  # the form of RFC 4291, 2.5.5.1, which has been given up
    if four is not None:
        raise Malformed(f"{_shown(host)}: expected {four}, which this is in the form of an IPv6 address: write {four}")


def _ip6(host: str) -> tuple[IPv6Address, str | None]:
    try:
        address = IPv6Address(host)
    except AddressValueError as exc:
        raise Malformed(f"{_shown(host)}: expected an IPv6 address") from exc
    return address, address.scope_id


def _shown(host: str) -> str:
    return repr(host[:_SHOWN_MAX])
