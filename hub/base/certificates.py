"""Certificates of a hub's own authority, made of a key, a serial number and times that are given: nothing is drawn.

The same arguments make the same bytes. What reads these certificates set the rules that they keep: Kafka's reader of
PEM knows no Ed25519, and wants keys as PKCS#8; a name is read by Java from its end, so that (CN, O) is `O=…,CN=…` in
its words; a leaf without the use `serverAuth` is no server's to OpenSSL. An authority's name has its key's number in
it: of two of the same name OpenSSL would try the wrong one's key, and call that another mistake.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.protocol.errors import Malformed

ORGANISATION: Final = "cohub"
AUTHORITY_LIFE: Final = timedelta(days=3650)
LEAF_LIFE: Final = timedelta(days=825)  # Apple's clients believe no longer one
BEGUN_BEFORE: Final = timedelta(days=1)  # clocks that are behind ours by less take a new certificate all the same
BEGUN_PART: Final = 10  # but never more than this part of its life
DUE: Final = 3  # one over this part of a life is left: it is time for another certificate

Key = ec.EllipticCurvePrivateKey
Use = Literal["server", "client"]
_USES: Final = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority: its private key, and the certificate that others believe it by."""

    key: Key
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Leaf:
    """Whose certificate it is to be: the name (CN), the hosts (names or addresses) that lead to it, what it is for."""

    name: str
    hosts: tuple[str, ...] = ()
    uses: tuple[Use, ...] = ("server",)
    life: timedelta = LEAF_LIFE


def make_key() -> Key:
    """Return a new private key of the kind that all of these are (P-256), which is drawn by the system."""
    return ec.generate_private_key(ec.SECP256R1())


def authority_certificate(key: Key, serial: int, now: datetime) -> x509.Certificate:
    """Return the certificate of the authority with this key. A later one takes the place of an earlier one."""
    name = _name(f"cohub authority {_key_number(key)}")
    begins, ends = _times(now, AUTHORITY_LIFE)
    return (
        _begin(name, name, key.public_key(), key, serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )


def leaf_certificate(issuer: Issuer, key: Key, leaf: Leaf, serial: int, now: datetime) -> x509.Certificate:
    """Return a certificate for this key, by the authority; it ends no later than the authority's own.

    Errors: ValueError for a host that no certificate can name.
    """
    begins, ends = _times(now, leaf.life)
    begun = (
        _begin(_name(leaf.name), issuer.certificate.subject, key.public_key(), issuer.key, serial)
        .not_valid_before(begins)
        .not_valid_after(min(ends, issuer.certificate.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USES[use] for use in leaf.uses]), critical=False)
    )
    if leaf.hosts:
        names = x509.SubjectAlternativeName([_host(host) for host in leaf.hosts])
        begun = begun.add_extension(names, critical=False)
    return begun.sign(issuer.key, hashes.SHA256(), ecdsa_deterministic=True)


def is_due(certificate: x509.Certificate, now: datetime) -> bool:
    """Return whether another certificate is to take its place: less than a third is left, or it has not begun."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now < begins or (ends - now) * DUE < ends - begins


def is_as(certificate: x509.Certificate, key: Key, leaf: Leaf, issuer: Issuer) -> bool:
    """Return whether a certificate is what is wanted: this leaf's, for this key, by this authority."""
    wanted = leaf_certificate(issuer, key, leaf, certificate.serial_number, certificate.not_valid_before_utc)
    try:
        certificate.verify_directly_issued_by(issuer.certificate)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return _said(certificate) == _said(wanted)


def key_to_pem(key: Key) -> bytes:
    """Return a private key as text, which is a secret."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_from_pem(data: bytes) -> Key:
    """Return the first private key of a text. Errors: Malformed."""
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError) as exc:
        raise Malformed(f"expected a private key in PEM (PKCS#8, without a password): {exc}") from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Malformed("expected a private key of the curve P-256")
    return key


def certificate_to_pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as text."""
    return certificate.public_bytes(Encoding.PEM)


def certificate_from_pem(data: bytes) -> x509.Certificate:
    """Return the first certificate of a text. Errors: Malformed."""
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError as exc:
        raise Malformed(f"expected a certificate in PEM: {exc}") from exc


def has_key(certificate: x509.Certificate, key: Key) -> bool:
    """Return whether a certificate is for this key."""
    return _public_bytes(certificate.public_key()) == _public_bytes(key.public_key())


def check_host(host: str) -> str:
    """Return a host as certificates name it. Errors: ValueError."""
    return str(_host(host).value)


def _name(text: str) -> x509.Name:
    # In this order: the broker's rule of names reads it from its end.
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, text), x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION)]
    )


def _times(now: datetime, life: timedelta) -> tuple[datetime, datetime]:
    begins = now - min(BEGUN_BEFORE, life / BEGUN_PART)
    return begins, begins + life


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, issuing: Key, serial: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    if not host.strip(".") or "*" in host or any(ord(sign) <= ord(" ") for sign in host):
        raise ValueError(f"expected the name or the address of a host, came {host[:100]!r}")
    try:
        return x509.DNSName(host.lower() if host.isascii() else host.encode("idna").decode("ascii"))
    except UnicodeError as exc:
        raise ValueError(f"expected the name of a host, came {host[:100]!r}") from exc


def _said(certificate: x509.Certificate) -> tuple[bytes, bytes, bytes, list[tuple[str, bytes]]]:
    """Return what a certificate says of whose it is and what for; its times and its number are left out."""
    extensions = [(one.oid.dotted_string, one.value.public_bytes()) for one in certificate.extensions]
    names = certificate.subject.public_bytes(), certificate.issuer.public_bytes()
    return (*names, _public_bytes(certificate.public_key()), extensions)


def _public_bytes(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _key_number(key: Key) -> str:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:8]
