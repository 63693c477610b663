"""A certificate, looked at without believing it: which names it has, who signed it, from when and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from cryptography import x509

NAMES_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """What a certificate says of itself. Nobody has vouched for it: it is for people to look at."""

    names: tuple[str, ...]
    issuer: str
    begins: datetime
    ends: datetime

    @classmethod
    def read(cls, der: bytes) -> Self:
        """Return what a certificate says. Errors: ValueError for what is none."""
        return cls.of(x509.load_der_x509_certificate(der))

    @classmethod
    def of(cls, found: x509.Certificate) -> Self:
        """Return the same of one that was parsed."""
        return cls(_names(found), found.issuer.rfc4514_string(), found.not_valid_before_utc, found.not_valid_after_utc)

    def holds_at(self, moment: datetime) -> bool:
        """Return whether the certificate is valid at a time."""
        return self.begins <= moment <= self.ends

    def shown_names(self) -> str:
        """Return its names as people read them; '-' where it has none."""
        more = ", …" if len(self.names) > NAMES_MAX else ""
        return (", ".join(self.names[:NAMES_MAX]) or "-") + more


def read_file(data: bytes) -> list[ShownCertificate]:
    """Return the certificates in a file of PEM, in its order. Errors: ValueError where there is none."""
    return [ShownCertificate.of(found) for found in x509.load_pem_x509_certificates(data)]


def _names(found: x509.Certificate) -> tuple[str, ...]:
    """Return what addresses a certificate is for."""
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return (
        *names.get_values_for_type(x509.DNSName),
        *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    )
