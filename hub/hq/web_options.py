"""The section `web` of `hub.yaml`: the HTTPS way in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from hub.base.access import host_and_port
from hub.protocol.errors import Malformed, UsageError
from hub.protocol.session import read_address

# A client is an address, of IPv6 a network of 64 bits: behind one there may be many offices.
CLIENT_CONNECTIONS_MAX: Final = 128
CLIENT_CONNECTIONS_PER_S: Final = 10.0
CLIENT_REQUESTS_PER_S: Final = 20.0


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _address(value: str) -> str:
    try:
        return read_address(value)
    except Malformed as exc:
        raise PydanticCustomError("address", "{said}", {"said": str(exc).removeprefix("address: ")}) from exc


def _listen(value: str) -> str:
    try:
        host_and_port(value)
    except ValueError as exc:
        raise PydanticCustomError("listen", "{said}", {"said": str(exc)}) from exc
    return value


class WebOptions(BaseModel):
    """Where the HTTPS way in listens, and as what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Annotated[str, AfterValidator(_listen)] = Field(
        default="0.0.0.0:8443",
        description="host:port that it listens on",
    )
    public: Annotated[tuple[Annotated[str, AfterValidator(_address)], ...], BeforeValidator(_listed)] = Field(
        default=(), description="how offices call it: https://host or https://host:port, or several of these"
    )
    certificate: Path | None = Field(
        default=None, description="its certificate chain, PEM; none: one by the hub's own authority"
    )
    key: Path | None = Field(default=None, description="the private key of it, PEM; none: it stands in the same file")
    client_connections_max: int = Field(
        default=CLIENT_CONNECTIONS_MAX, ge=8, le=10_000, description="connections of one client at the same time"
    )
    client_connections_per_s: float = Field(
        default=CLIENT_CONNECTIONS_PER_S, ge=1, le=10_000, description="new connections of one client, a second"
    )
    client_requests_per_s: float = Field(
        default=CLIENT_REQUESTS_PER_S, ge=1, le=10_000, description="requests of one client that are of no session"
    )

    def beneath(self, folder: Path) -> Self:
        """Return the same with its files looked for from this folder on."""
        files = {"certificate": self.certificate, "key": self.key}
        return self.model_copy(update={name: folder / file for name, file in files.items() if file is not None})

    def with_options(self, **given: Any) -> Self:
        """Return the same with what a command's options say. Errors: UsageError."""
        said = {name: value for name, value in given.items() if value is not None and value != []}
        try:
            return type(self).model_validate(self.model_dump() | said)
        except ValueError as exc:
            first = exc.errors()[0]  # type: ignore[attr-defined]  # pydantic's, which is a ValueError
            raise UsageError(f"--{first['loc'][0]}: {first['msg']}") from exc
