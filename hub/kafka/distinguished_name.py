"""The name in a certificate as Java prints it: who a client that shows it is at Kafka, where no rules say otherwise.

Kafka calls such a client `User:` and this name (`ssl.principal.mapping.rules=DEFAULT`), and compares it sign by sign.
Other printers of names, cryptography's and OpenSSL's included, escape other signs and name other attributes.

Source: RFC 2253 as javax.security.auth.x500.X500Principal.getName() has it (JDK's sun.security.x509.AVA).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hub.protocol.errors import Malformed

SEQUENCE: Final = 0x30
SET: Final = 0x31
OID: Final = 0x06
LONG: Final = 0x80  # from here on a length says how many bytes the length itself has
LENGTH_BYTES_MAX: Final = 3
UTF8, PRINTABLE, IA5 = 0x0C, 0x13, 0x16
# The attributes that have a name in RFC 2253; all others go by number, and their values as bytes.
NAMES: Final = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
_ENCODINGS: Final = {UTF8: "utf-8", PRINTABLE: "ascii", IA5: "ascii"}
_ESCAPED: Final = ',=+<>#;"\\'
_BLANKS: Final = " \r"


def java_name(name: bytes) -> str:
    """Return a name, which is given in DER as it stands in the certificate, as Java prints it.

    Errors: Malformed; also for values in alphabets that Java's releases read differently, and for a name of nobody.
    """
    relative = [
        "+".join(_attribute(content) for _, _, content in _each(parts, SEQUENCE))
        for _, _, parts in _each(_only(name, SEQUENCE), SET)
    ]
    if not relative:
        raise Malformed("the certificate names nobody")
    return ",".join(reversed(relative))


def _attribute(content: bytes) -> str:
    (tag, _, number), (kind, whole, value) = _pair(content)
    if tag != OID:
        raise Malformed("an attribute of the name has no number")
    dotted = _dotted(number)
    if dotted not in NAMES:
        return f"{dotted}=#{whole.hex()}"
    try:
        text = value.decode(_ENCODINGS[kind])
    except (KeyError, UnicodeDecodeError) as exc:
        raise Malformed(f"{NAMES[dotted]} of the name is in an alphabet of old, which is read in several ways") from exc
    return f"{NAMES[dotted]}={_escape(text)}"


def _escape(text: str) -> str:
    signs = [f"\\{sign}" if sign in _ESCAPED else "\\00" if sign == "\0" else sign for sign in text]
    begin, end = 0, len(signs)
    while begin < end and signs[begin] in _BLANKS:
        begin += 1
    while end > begin and signs[end - 1] in _BLANKS:
        end -= 1
    blank = [*range(begin), *range(end, len(signs))]
    for at in blank:
        signs[at] = f"\\{signs[at]}"
    return "".join(signs)


def _dotted(number: bytes) -> str:
    arcs, arc = [], 0
    for byte in number:
        arc = arc << 7 | byte & 0x7F
        if byte < LONG:
            arcs.append(arc)
            arc = 0
    if not arcs:
        raise Malformed("an attribute of the name has no number")
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def _only(data: bytes, tag: int) -> bytes:
    found = list(_each(data, tag))
    if len(found) != 1:
        raise Malformed(f"expected one name, came {len(found)}")
    return found[0][2]


def _pair(data: bytes) -> list[tuple[int, bytes, bytes]]:
    found = list(_each(data))
    if len(found) != 2:
        raise Malformed(f"expected number and value of an attribute, came {len(found)} parts")
    return found


def _each(data: bytes, expected: int | None = None) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield tag, whole bytes and content of each element. Errors: Malformed."""
    at = 0
    while at < len(data):
        begin, tag = at, data[at]
        length, at = _length(data, at + 1)
        if at + length > len(data) or expected not in (None, tag):
            raise Malformed(f"the name is no name in DER, at byte {begin}")
        yield tag, data[begin : at + length], data[at : at + length]
        at += length


def _length(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise Malformed("the name is cut short")
    short = data[at]
    if short < LONG:
        return short, at + 1
    count = short - LONG
    if not 0 < count <= LENGTH_BYTES_MAX or at + 1 + count > len(data):
        raise Malformed("the name is cut short")
    return int.from_bytes(data[at + 1 : at + 1 + count]), at + 1 + count
