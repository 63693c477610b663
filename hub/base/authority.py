"""A hub's own certificate authority in a folder: its key and its certificate, and the certificates that it gives.

ca.key  the private key, its owner's alone; all trust in the hub's addresses hangs on it
ca.pem  the certificate that every office has, by which it knows that it speaks with this hub

The certificate is made anew by the same key when a third of its ten years is left. Offices that have the one before go
on with it until its own end.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from hub.base import files
from hub.base.certificates import (
    Issuer,
    Key,
    Leaf,
    authority_certificate,
    certificate_from_pem,
    certificate_to_pem,
    has_key,
    is_as,
    is_due,
    key_from_pem,
    key_to_pem,
    leaf_certificate,
    make_key,
)
from hub.base.durable import create_private, disk_errors, write
from hub.base.shell import command
from hub.protocol.errors import Malformed, UsageError

KEY: Final = "ca.key"
CERTIFICATE: Final = "ca.pem"


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority of a folder. `file` is its certificate, for whoever is to believe it."""

    folder: Path
    issuer: Issuer

    @classmethod
    def open(cls, folder: Path, now: datetime) -> Authority:
        """Return the authority of a folder, made where there is none.

        Errors: UsageError for a key that is gone, damaged or open to others; Fatal where the disk refuses.
        """
        with disk_errors(folder):
            files.make_folder(folder, files.PRIVATE_FOLDER)
            key = _key(folder)
            certificate = _certificate(folder / CERTIFICATE)
            if certificate is None or not has_key(certificate, key) or is_due(certificate, now):
                # If we crash before this, the key is there alone: the next start makes its certificate.
                certificate = authority_certificate(key, x509.random_serial_number(), now)
                write(folder / CERTIFICATE, certificate_to_pem(certificate))
            return cls(folder, Issuer(key, certificate))

    @property
    def file(self) -> Path:
        """Where the authority's certificate is."""
        return self.folder / CERTIFICATE

    def keep(self, path: Path, leaf: Leaf, now: datetime) -> bool:
        """See that `path` has a private key and a certificate for `leaf` that lasts; return whether it was made anew.

        Shapes: PEM, the key (PKCS#8) first, and its owner's alone; it is replaced as a whole, with another key.
        Errors: UsageError, ValueError for a host that no certificate can name; Fatal where the disk refuses.
        """
        with disk_errors(path):
            if self._is_good(path, leaf, now):
                return False
            key = make_key()
            made = leaf_certificate(self.issuer, key, leaf, x509.random_serial_number(), now)
            write(path, key_to_pem(key) + certificate_to_pem(made), mode=files.PRIVATE)
            return True

    def _is_good(self, path: Path, leaf: Leaf, now: datetime) -> bool:
        with contextlib.suppress(FileNotFoundError, files.ExposedError, Malformed):
            data = files.read_private(path)
            key, certificate = key_from_pem(data), certificate_from_pem(data)
            return is_as(certificate, key, leaf, self.issuer) and not is_due(certificate, now)
        return False


def _key(folder: Path) -> Key:
    path = folder / KEY
    try:
        return key_from_pem(files.read_private(path))
    except FileNotFoundError:
        if files.kind_at(folder / CERTIFICATE) is not None:
            raise UsageError(
                f"{path} is missing, and {CERTIFICATE} beside it is what every office believes: put the key back from "
                f"a backup. Where there is none, delete {CERTIFICATE} too; every office then needs the new one"
            ) from None
    except files.ExposedError as exc:
        owner = "chown it to the user that runs the hub, and " if exc.is_foreign else ""
        raise UsageError(f"{path}: {exc.strerror}: {owner}run `{command('chmod', '600', path)}`") from exc
    except files.StrangeFileError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc
    except Malformed as exc:
        raise UsageError(f"{path} is damaged: {exc}; put it back from a backup") from exc
    key = make_key()
    create_private(path, key_to_pem(key).decode("ascii"))
    return key


def _certificate(path: Path) -> x509.Certificate | None:
    with contextlib.suppress(FileNotFoundError, Malformed):
        return certificate_from_pem(files.read(path))
    return None
