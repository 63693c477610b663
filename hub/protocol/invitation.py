"""The enrolment bundle: the one file by which HQ invites an office to be a center of its hub.

It is JSON of one form: where HQ is and by which authority it is known there, whom to trust (the trust note), and a
secret that is good for one office until a time. From the secret follow the name and password by which the brokers let
the office in until HQ has confirmed it, and what its join request is encrypted with (`hub.protocol.joining`).

Source: schemas/PROTOCOL.md, "Enrolment in one file".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Self

import orjson
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from hub.protocol.address import without_login
from hub.protocol.control import HUB, is_center_id
from hub.protocol.errors import Malformed
from hub.protocol.host import require_place
from hub.protocol.keys import Verifier, read_base64
from hub.protocol.moment import write_time
from hub.protocol.one_form import CANONICAL, encode, expect, read_json, table_of, text_in
from hub.protocol.receipt import one_line, read_own_time
from hub.protocol.scram import Credential
from hub.protocol.session import read_address
from hub.protocol.trust import open_trust

BUNDLE: Final = "cohub-invitation/v1"
SECRET_LENGTH: Final = 32
BUNDLE_BYTES_MAX: Final = 2 << 20  # the trust note in it may have half of that
CA_LENGTH_MAX: Final = 64 << 10
NAME_LENGTH_MAX: Final = 200
ADDRESSES_MAX: Final = 16
ADDRESS_LENGTH_MAX: Final = 300
PROTOCOLS: Final = ("PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL", "SSL")
LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,3}")  # the part of BCP 47 that is in use
INVITATION_ID: Final = re.compile(r"[0-9a-f]{8}")

_HOST: Final = r"(?:([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?)|\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\])"
_ADDRESS: Final = re.compile(rf"{_HOST}:([1-9][0-9]{{0,4}})")
_BASE64: Final = r"(?:[A-Za-z0-9+/]{1,76}\n)*[A-Za-z0-9+/]{1,74}={0,2}\n"
_PEM: Final = re.compile(rf"(?:-----BEGIN CERTIFICATE-----\n{_BASE64}-----END CERTIFICATE-----\n)+")


@dataclass(frozen=True, slots=True)
class KafkaWay:
    """HQ's brokers, as an office reaches them. `ca` is PEM; '' where the system's authorities are meant, or no TLS."""

    bootstrap: tuple[str, ...]
    protocol: str = "SASL_SSL"
    ca: str = ""

    @property
    def has_login(self) -> bool:
        """Whether the brokers ask for a name and a password."""
        return self.protocol.startswith("SASL")


@dataclass(frozen=True, slots=True)
class HttpsWay:
    """HQ's HTTPS address, in its one form (`hub.protocol.session.read_address`). `ca` as of KafkaWay."""

    address: str
    ca: str = ""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an enrolment bundle says. Whoever has `secret` can ask to be this center; HQ's people confirm one of them.

    Shapes: `key` is an X25519 public key that HQ made for this bundle alone; `trust` a trust note's bytes; `language`
            is the BCP 47 tag of what the office reads, '' where HQ does not say.
    Units:  `expires` is by HQ's clock.
    """

    hub: str
    center: str
    name: str
    id: str
    key: bytes
    secret: bytes = field(repr=False)
    expires: datetime
    trust: bytes
    kafka: KafkaWay | None = None
    https: HttpsWay | None = None
    language: str = ""

    @property
    def root(self) -> Verifier:
        """The root key that the bundle's trust note is by."""
        return open_trust(self.trust).root

    @property
    def user(self) -> str:
        """The name that the brokers know the bundle by until it is confirmed."""
        return join_user(self.id)

    @property
    def password(self) -> str:
        """The password beside it."""
        return join_password(self.secret)

    def to_bytes(self) -> bytes:
        """Return the bundle: JSON of one form, so that the same says the same."""
        content = self._content()
        return orjson.dumps({**content, "check": _check(content)}, option=CANONICAL | orjson.OPT_INDENT_2) + b"\n"

    def _content(self) -> dict[str, Any]:
        kafka, https = self.kafka, self.https
        return ({"language": self.language} if self.language else {}) | {
            "format": BUNDLE,
            "hub": self.hub,
            "center": self.center,
            "name": self.name,
            "invitation": self.id,
            "key": encode(self.key),
            "secret": encode(self.secret),
            "expires": write_time(self.expires),
            "trust": self.trust.decode(),
            "kafka": kafka and {"bootstrap": list(kafka.bootstrap), "protocol": kafka.protocol, "ca": kafka.ca or None},
            "https": https and {"address": https.address, "ca": https.ca or None},
        }

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return what a bundle says. A mark at its beginning and other ends of lines are what mail made of it.

        Errors: Malformed.
        """
        if len(data) > BUNDLE_BYTES_MAX:
            raise Malformed(f"enrolment bundle of {len(data)} bytes: expected at most {BUNDLE_BYTES_MAX}")
        given = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
        row = table_of(read_json(given, "enrolment bundle"), "enrolment bundle")
        expect(row.get("format") == BUNDLE, f"enrolment bundle: expected the format {BUNDLE}")
        found = cls(
            hub=text_in(row, "hub"),
            center=text_in(row, "center"),
            name=text_in(row, "name"),
            id=text_in(row, "invitation"),
            key=read_base64(text_in(row, "key"), "key"),
            secret=read_base64(text_in(row, "secret"), "secret"),
            expires=read_own_time(text_in(row, "expires")),
            trust=text_in(row, "trust").encode(),
            kafka=_kafka(row.get("kafka")),
            https=_https(row.get("https")),
            language=text_in(row, "language") if "language" in row else "",
        )
        found.check()
        # One text for one bundle: names that are not known here, or stand twice, are not passed over.
        if found.to_bytes() != given.rstrip(b"\n") + b"\n":
            raise Malformed("enrolment bundle: it was changed on its way, for it is not as HQ writes it")
        return found

    def check(self) -> None:
        """Return if it is one that an office can join by. Errors: Malformed."""
        check_names(self.hub, self.center, self.id)
        expect(
            len(self.name) <= NAME_LENGTH_MAX and one_line(self.name) == self.name,
            f"enrolment bundle: expected a name of one line and at most {NAME_LENGTH_MAX} characters",
        )
        expect(
            not self.language or LANGUAGE.fullmatch(self.language) is not None,
            f"enrolment bundle: expected the tag of a language, got {self.language[:40]!r}",
        )
        expect(len(self.secret) == SECRET_LENGTH, f"enrolment bundle: expected a secret of {SECRET_LENGTH} bytes")
        _check_public(self.key)
        trust = open_trust(self.trust)
        expect(trust.hub == self.hub, f"enrolment bundle: expected a trust note of {self.hub}, got {trust.hub}")
        expect(bool(trust.hqs), "enrolment bundle: expected a trust note that names the hq key")
        expect(self.kafka is not None or self.https is not None, "enrolment bundle: expected a way in")
        if self.kafka is not None:
            _check_kafka(self.kafka)
        if self.https is not None:
            _check_https(self.https)


def join_user(invitation: str) -> str:
    """Return the name that the brokers know a bundle by until it is confirmed."""
    return f"join.{invitation}"


def join_password(secret: bytes) -> str:
    """Return the password beside it, which only the bundle's secret gives."""
    return base64.urlsafe_b64encode(derived(secret, b"kafka password")).rstrip(b"=").decode()


def join_credential(secret: bytes) -> Credential:
    """Return what the brokers are given of that password: the same each time, for its salt follows from the secret."""
    return Credential.of(join_password(secret), derived(secret, b"kafka salt"))


def derived(secret: bytes, purpose: bytes) -> bytes:
    """Return a key of its own for each purpose of a bundle's secret."""
    return HKDFExpand(SHA256(), SECRET_LENGTH, b"cohub-invitation/v1 " + purpose).derive(secret)


def check_names(hub: str, center: str, invitation: str) -> None:
    """Return if these are names of a hub, a center and an invitation. Errors: Malformed."""
    expect(HUB.fullmatch(hub) is not None, f"expected a hub's name, got {hub[:70]!r}")
    expect(is_center_id(center), f"expected a center's id, got {center[:70]!r}")
    expect(
        INVITATION_ID.fullmatch(invitation) is not None,
        f"expected an invitation of 8 hex digits, got {invitation[:20]!r}",
    )


def check_broker_address(address: str) -> None:
    """Return if an address `host:port` can be given to an office: it is the same place for every program there.

    Errors: Malformed.
    """
    found = _ADDRESS.fullmatch(address) if len(address) <= ADDRESS_LENGTH_MAX else None
    if found is None or int(found[3]) > 65_535:
        raise Malformed(f"expected host:port, an IPv6 host in brackets, got {without_login(address)[:100]!r}")
    require_place(found[1] or found[2])


def _check(content: Mapping[str, Any]) -> str:
    """Return by which it is seen that a file was damaged on its way; it guards against nobody."""
    return sha256(orjson.dumps(content, option=CANONICAL)).hexdigest()[:16]


def _check_public(key: bytes) -> None:
    """Return if somebody has the private half, as far as can be seen. Errors: Malformed."""
    try:
        X25519PrivateKey.from_private_bytes(b"\x01" * 32).exchange(X25519PublicKey.from_public_bytes(key))
    except ValueError as exc:
        raise Malformed("enrolment bundle: expected an X25519 key (32 bytes) that is not of small order") from exc


def _kafka(value: object) -> KafkaWay | None:
    if value is None:
        return None
    row = table_of(value, "enrolment bundle: kafka")
    servers = row.get("bootstrap")
    if not isinstance(servers, list) or not all(isinstance(server, str) for server in servers):
        raise Malformed("enrolment bundle: expected addresses under 'bootstrap'")
    return KafkaWay(tuple(servers), text_in(row, "protocol"), _optional(row, "ca"))


def _https(value: object) -> HttpsWay | None:
    if value is None:
        return None
    row = table_of(value, "enrolment bundle: https")
    return HttpsWay(text_in(row, "address"), _optional(row, "ca"))


def _optional(row: Mapping[str, Any], name: str) -> str:
    return "" if row.get(name) is None else text_in(row, name)


def _check_kafka(way: KafkaWay) -> None:
    expect(way.protocol in PROTOCOLS, f"enrolment bundle: expected a protocol of {', '.join(PROTOCOLS)}")
    expect(1 <= len(way.bootstrap) <= ADDRESSES_MAX, f"enrolment bundle: expected 1 to {ADDRESSES_MAX} addresses")
    for address in way.bootstrap:
        check_broker_address(address)
    _check_ca(way.ca)


def _check_https(way: HttpsWay) -> None:
    read_address(way.address)
    _check_ca(way.ca)


def _check_ca(ca: str) -> None:
    expect(
        not ca or (len(ca) <= CA_LENGTH_MAX and _PEM.fullmatch(ca) is not None),
        "enrolment bundle: expected certificates of an authority in PEM",
    )
