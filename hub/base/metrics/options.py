"""The section `metrics` of both ends' settings."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from hub.base.access import host_and_port

LOOPBACK: Final = "127.0.0.1"


def _at_loopback(value: Any) -> Any:
    """Return a port that stands alone as one of this machine's loopback: of others nobody is let in by mistake."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return f"{LOOPBACK}:{text.removeprefix(':')}" if text.removeprefix(":").isdigit() else value


def _place(value: str) -> str:
    try:
        host_and_port(value)
    except ValueError as exc:
        raise PydanticCustomError("address", "{said}", {"said": str(exc)}) from exc
    return value


class MetricsOptions(BaseModel):
    """Where Prometheus, and whoever watches the process, may ask it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Annotated[str, BeforeValidator(_at_loopback), AfterValidator(_place)] | None = Field(
        default=None,
        description="host:port at which the process answers /metrics, /live and /ready to everybody who can reach it; "
        "a port alone is of this machine's loopback",
    )

    @property
    def place(self) -> tuple[str, int] | None:
        """Host and port, None where nothing is to listen."""
        return None if self.listen is None else host_and_port(self.listen)
