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
    """What is to be another of a center. None leaves what was.

    `streams` replaces all that it may report; `added` and `removed` change it by name.
    """

    name: str | None = None
    country: str | None = None
    direction: str | None = None
    zone: str | None = None
    timezone: str | None = None
    languages: tuple[str, ...] | None = None
    streams: tuple[str, ...] | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def streams_after(self, before: Sequence[str]) -> list[str]:
        """Return what a center may report then. Errors: UsageError for what no center writes, or it may not report."""
        kept = list(before) if self.streams is None else checked_streams(self.streams)
        for name in self.removed:
            if name not in kept:
                raise UsageError(f"stream {name}: the center may not report it: {', '.join(kept) or 'none'}")
        return [name for name in [*kept, *checked_streams(self.added)] if name not in self.removed]

    @property
    def says_anything(self) -> bool:
        """Whether anything of it is to be another."""
        return bool(self.given() or self.added or self.removed)

    def given(self) -> Record:
        """Return the fields that are to be another."""
        own = {"added", "removed"}
        return {name: value for name, value in plain(self).items() if value is not None and name not in own}


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
