"""The section `traces` of both ends' settings."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

PATH = "/v1/traces"


def _address(value: str) -> str:
    """Return a collector's address with the path that OTLP has, where it has none of its own."""
    try:
        parts = urlsplit(value)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or parts.query or parts.fragment:
        raise PydanticCustomError("traces", "expected http://host:port or https://host:port of a collector of traces")
    if parts.username is not None or parts.password is not None:
        raise PydanticCustomError("traces", "no password stands in an address: set OTEL_EXPORTER_OTLP_HEADERS")
    return value if parts.path.strip("/") else value.rstrip("/") + PATH


class TracesOptions(BaseModel):
    """Where spans are sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: Annotated[str, AfterValidator(_address)] | None = Field(
        default=None,
        description="http://host:port of a collector that takes OTLP over HTTP, or all of its address; else no traces",
    )
