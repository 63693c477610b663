"""How one of HQ's principals gets into a cluster, and by which name the cluster then knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from cryptography import x509
from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from hub.base import files
from hub.base.access import Security
from hub.kafka.distinguished_name import java_name
from hub.kafka.rights import USER
from hub.protocol.errors import Malformed, UsageError

PRINCIPAL_LENGTH_MAX: Final = 1_000


def _principal(value: str) -> str:
    if value.startswith(USER):
        # It could be the name of somebody who is called so, but nobody is.
        raise PydanticCustomError("principal", "expected the name without `User:`, as in `CN=hq,O=example`")
    if not value.strip() or value != value.strip() or not value.isprintable() or len(value) > PRINCIPAL_LENGTH_MAX:
        raise PydanticCustomError("principal", "expected a name as in `CN=hq,O=example`, without blanks around it")
    return value


Principal = Annotated[str, AfterValidator(_principal)]


class ClusterSecurity(Security):
    """How a principal of HQ's gets in.

    `principal` is who its certificate makes it there, where the cluster has rules of its own for that.
    """

    principal: Principal | None = None

    @model_validator(mode="after")
    def _names_a_certificate(self) -> ClusterSecurity:
        if self.principal is not None:
            check_principal(self.cert_file, has_login=self.has_login)
        return self


def check_principal(cert_file: Path | None, *, has_login: bool) -> None:
    """See that a `principal` says who a certificate is. Errors: PydanticCustomError."""
    if has_login:
        raise PydanticCustomError("principal", "who logs in by a password is its username: expected no principal")
    if cert_file is None:
        raise PydanticCustomError("principal", "expected cert_file beside principal, came none")


def user_of(security: Security) -> str | None:
    """Return the name of who gets in so, as Kafka has it; None for one of no name.

    It is that of the login, or else of the certificate: what `principal` says, or the name in it as Java prints it.
    Errors: UsageError for a certificate that can't be read, or whose name is open to more than one reading.
    """
    if security.has_login:
        return security.username
    if not security.has_tls or security.cert_file is None:
        return None
    if isinstance(security, ClusterSecurity) and security.principal is not None:
        return security.principal
    return _named_in(security.cert_file)


def _named_in(file: Path) -> str:
    try:
        # The first is ours; those of authorities may follow.
        return java_name(x509.load_pem_x509_certificates(files.read_named(file))[0].subject.public_bytes())
    except OSError as exc:
        raise UsageError(f"cert_file {file} can't be read: {exc.strerror or exc}") from exc
    except (ValueError, Malformed) as exc:
        raise UsageError(
            f"cert_file {file} does not tell who we are on the cluster: {exc}; set principal beside it to the name "
            "that the cluster has for it"
        ) from exc
