"""What a person says of a center: what it is, and what it may report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from hub.domain.catalogue import STREAMS
from hub.protocol.errors import UsageError

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a new center is, and what it may report. The fields are those of the schema `center.registered`."""

    name: str
    country: str
    direction: str
    zone: str | None = None
    languages: tuple[str, ...] = ("en",)
    timezone: str = "UTC"
    streams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What is to be another of a center. None leaves what was."""

    name: str | None = None
    country: str | None = None
    direction: str | None = None
    zone: str | None = None
    timezone: str | None = None
    languages: tuple[str, ...] | None = None
    streams: tuple[str, ...] | None = None

    def given(self) -> Record:
        """Return the fields that are to be another."""
        return {name: value for name, value in plain(self).items() if value is not None}


def checked_streams(streams: Sequence[str]) -> list[str]:
    """Return the streams that a center may be given, each once. Errors: UsageError for one that no center writes."""
    allowed = sorted(s.name for s in STREAMS.values() if s.writer == "center" and s.name != "lane")
    for name in streams:
        if name not in allowed:
            raise UsageError(f"stream {name}: expected one of {', '.join(allowed)}")
    return list(dict.fromkeys(streams))


def plain(values: Profile | Revision) -> Record:
    """Return the fields as a center's record has them."""
    found = {field.name: getattr(values, field.name) for field in fields(values)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
