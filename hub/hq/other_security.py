"""How other principals of HQ's than its worker get into the cluster: the sections `admin` and `web.security`.

Each has the settings that `security` has, and what is not set is as there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from hub.kafka.security import ClusterSecurity, Principal, check_principal

FILES: Final = ("password_file", "ca_file", "cert_file", "key_file")
# What says who somebody is, taken together or not at all: one's password is of no use with another one's name.
_LOGIN: Final = ("username", "password", "password_file")
_CERTIFICATE: Final = ("cert_file", "key_file", "principal")


class OtherSecurity(BaseModel):
    """How a principal gets in; what is not set is as for the worker (`security`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None = None
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    principal: Principal | None = None

    @model_validator(mode="after")
    def _is_somebody(self) -> OtherSecurity:
        has_password = self.password is not None or self.password_file is not None
        if self.username is not None and not has_password:
            raise PydanticCustomError("both", "expected password or password_file beside username, came none")
        if has_password and self.username is None:
            given = "password" if self.password is not None else "password_file"
            raise PydanticCustomError("both", f"expected username beside {given}, came none")
        for name in ("key_file", "principal"):
            if getattr(self, name) is not None and self.cert_file is None:
                raise PydanticCustomError("both", f"expected cert_file beside {name}, came none")
        return self

    @property
    def is_set(self) -> bool:
        """Whether anything of it is set."""
        return self != type(self)()

    def over(self, security: ClusterSecurity) -> ClusterSecurity:
        """Return the worker's with what is set here in its place; a login goes together, and so does a certificate."""
        changed = {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
        for together, first in ((_LOGIN, self.username), (_CERTIFICATE, self.cert_file)):
            if first is not None:
                changed |= {name: getattr(self, name) for name in together}
        return security.model_copy(update=changed)

    def check_over(self, security: ClusterSecurity) -> None:
        """See that what is set here is of use there. Errors: PydanticCustomError."""
        made = self.over(security)
        if self.username is not None and made.protocol == "SSL":
            # It would get in by the worker's certificate, or by none.
            raise PydanticCustomError("login", "expected protocol SASL_SSL beside username: by SSL nobody logs in")
        if self.principal is not None:
            check_principal(self.cert_file, has_login=made.has_login)

    def beneath(self, folder: Path) -> OtherSecurity:
        """Return the same with its files looked for from this folder on."""
        named = {name: getattr(self, name) for name in FILES}
        return self.model_copy(update={name: folder / file for name, file in named.items() if file is not None})
