"""How a Kafka is reached, in the words that both ends' settings use: its addresses, and what proves who we are."""

from __future__ import annotations

import errno
import ssl
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr
from pydantic_core import PydanticCustomError

from hub.base import files
from hub.base.tls import tidy
from hub.protocol.address import without_login
from hub.protocol.errors import UsageError
from schemas.words.said import Said, said

PORT_MAX: Final = 65_535


def _list(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _address(value: str) -> str:
    try:
        host_and_port(value)
    except ValueError as exc:
        raise PydanticCustomError("address", "{said}", {"said": str(exc)}) from exc
    return value


class SecurityError(UsageError):
    """No connection can be made with these settings; `said` is why, for whoever reads it."""

    def __init__(self, text: Said) -> None:
        self.said = text
        super().__init__(text.text())


# The addresses of a cluster's brokers: a list of `host:port`, or one text of them with commas.
Servers = Annotated[tuple[Annotated[str, AfterValidator(_address)], ...], BeforeValidator(_list)]


def host_and_port(address: str) -> tuple[str, int]:
    """Return the two halves of `host:port`; an IPv6 host stands in brackets. Errors: ValueError."""
    host, _, port = address.strip().rpartition(":")
    shown = without_login(address.strip())[:100]
    if not host or "@" in host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= PORT_MAX:
        raise ValueError(f"expected host:port, came {shown!r}")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if is_bracketed != (":" in host):
        raise ValueError(f"expected host:port, an IPv6 host and no other in brackets, came {shown!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def holds_table(value: object) -> bool:
    """Return whether a value of a file of settings is a table, or has one in it: there a password may stand."""
    return isinstance(value, dict | BaseModel) or (isinstance(value, list) and any(map(holds_table, value)))


class Security(BaseModel):
    """How a broker is reached. Nothing set: plain text, which is for one machine alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def has_tls(self) -> bool:
        """Whether the connection is encrypted, and the broker shows a certificate."""
        return self.protocol.endswith("SSL")

    @property
    def has_login(self) -> bool:
        """Whether the broker asks for a name and a password."""
        return self.protocol.startswith("SASL")

    def beneath(self, folder: Path) -> Self:
        """Return the same with its files looked for from this folder on, as those of a settings file are."""
        named = {name: getattr(self, name) for name in ("password_file", "ca_file", "cert_file", "key_file")}
        return self.model_copy(update={name: folder / file for name, file in named.items() if file is not None})

    def login(self) -> tuple[str, str]:
        """Return the name and the password. Errors: UsageError where one of them is not set, or can't be read."""
        if self.username is None or (self.password is None and self.password_file is None):
            missing = "username" if self.username is None else "password"
            raise SecurityError(said("errors.no_login", setting=f"security.{missing}", protocol=self.protocol))
        return self.username, self._password()

    def _password(self) -> str:
        """Return the password: one that is set counts before the file of one."""
        if self.password is not None:
            return self.password.get_secret_value()
        assert self.password_file is not None
        with _naming("password_file", self.password_file, said("errors.expected_password")):
            try:
                text = files.read_private(self.password_file).decode("ascii").strip()
            except UnicodeDecodeError:  # what came is not shown
                text = ""
            if not text or len(text.split()) > 1:
                raise OSError(errno.EINVAL, "it is not one word of ASCII")
        return text

    def ssl_context(self) -> ssl.SSLContext:
        """Return what a TLS connection is made with; made anew each time, so that a file that was replaced counts.

        Errors: UsageError for a file that can't be read, or is not what its setting says.
        """
        with _naming("ca_file", self.ca_file, said("errors.expected_authority")):
            context = tidy(ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None))
        if self.cert_file is not None:
            with _naming("cert_file", self.cert_file, said("errors.expected_certificate")):
                context.load_cert_chain(self.cert_file, self.key_file)
        return context

    def client_options(self) -> dict[str, Any]:
        """Return what every client of aiokafka is made with, beside its addresses. Errors: UsageError."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.has_login:
            username, password = self.login()
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": username,
                "sasl_plain_password": password,
            }
        if self.has_tls:
            options["ssl_context"] = self.ssl_context()
        return options


class _naming:  # noqa: N801 - read as a word of the `with` statement
    """Turns what reading a file of these settings raises into one line that names the setting."""

    def __init__(self, setting: str, file: Path | None, expected: Said) -> None:
        self._values = {"setting": f"security.{setting}", "file": file, "expected": expected}

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, OSError):  # ssl.SSLError is one too
            raise SecurityError(said("errors.file_unfit", **self._values, detail=exc.strerror or exc)) from exc
