"""A certificate's name as Java prints it: each of these was printed by Java 17 and by Java 25."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from hub.kafka.distinguished_name import java_name
from hub.protocol.errors import Malformed

CN, O, OU, C, DC = (  # noqa: E741  as RFC 2253 calls them
    NameOID.COMMON_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.COUNTRY_NAME,
    NameOID.DOMAIN_COMPONENT,
)


def der(*parts: tuple[x509.ObjectIdentifier, str] | list[tuple[x509.ObjectIdentifier, str]]) -> bytes:
    each = [part if isinstance(part, list) else [part] for part in parts]
    return x509.Name(
        [x509.RelativeDistinguishedName([x509.NameAttribute(*one) for one in part]) for part in each]
    ).public_bytes()


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        (der((C, "KZ"), (O, "Example"), (CN, "hq")), "CN=hq,O=Example,C=KZ"),
        (der((DC, "org"), (DC, "example"), (CN, "hq")), "CN=hq,DC=example,DC=org"),
        (der((O, "A, B = C"), (CN, "#1 + <x>; \\\"'")), r"""CN=\#1 \+ \<x\>\; \\\"',O=A\, B \= C"""),
        (der((CN, "  two blanks around  ")), "CN=\\ \\ two blanks around\\ \\ "),
        (der((CN, "中心-é-😀")), "CN=中心-é-😀"),
        (der((CN, "a\0b")), "CN=a\\00b"),
        (der((CN, "hq"), (NameOID.EMAIL_ADDRESS, "a@b")), "1.2.840.113549.1.9.1=#1603614062,CN=hq"),
        (der((CN, "hq"), (NameOID.SERIAL_NUMBER, "7")), "2.5.4.5=#130137,CN=hq"),
        (der([(CN, "hq"), (OU, "it")]), "CN=hq+OU=it"),
        (der((x509.ObjectIdentifier("2.999.3"), "x"), (CN, "hq")), "CN=hq,2.999.3=#0c0178"),
    ],
)
def test_name_is_printed_as_java_does(name: bytes, printed: str) -> None:
    """Kafka compares it sign by sign."""
    assert java_name(name) == printed


def test_name_that_is_read_in_several_ways_is_refused() -> None:
    """Teletex and BMP strings, which nobody writes any more, and names of nobody."""
    of_old = bytes.fromhex("300d310b300906035504031402e961")
    with pytest.raises(Malformed, match="CN of the name is in an alphabet of old"):
        java_name(of_old)
    with pytest.raises(Malformed, match="names nobody"):
        java_name(bytes.fromhex("3000"))


def test_bytes_that_are_no_name_are_refused() -> None:
    """Cut anywhere, with a tag or a length that is none, or with more behind it."""
    whole = der((O, "Example"), [(CN, "hq"), (OU, "it")])
    for end in range(len(whole)):
        with pytest.raises(Malformed):
            java_name(whole[:end])
    with pytest.raises(Malformed):
        java_name(whole + whole)
    for at in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[at] ^= 1 << bit
            try:
                java_name(bytes(flipped))
            except Malformed:
                continue
