"""Every stream and every kind of event that this release knows: what the files of `hub.domain.streams` define.

A file there is a stream by defining one: nothing else lists them, so that adding a stream touches no other file.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Final

from hub.domain import streams
from hub.domain.stream import EventKind, Stream


def _defined() -> list[Stream]:
    """Return the streams in one order on every machine: HQ's first, then the centers', by name."""
    modules = [import_module(f"{streams.__name__}.{module.name}") for module in iter_modules(streams.__path__)]
    found = {value.name: value for module in modules for value in vars(module).values() if isinstance(value, Stream)}
    return sorted(found.values(), key=lambda stream: (stream.writer != "hq", stream.name))


STREAMS: Final[Mapping[str, Stream]] = MappingProxyType({stream.name: stream for stream in _defined()})

# By CloudEvents type, such as `net.cohub.offer.published.v1`
KINDS: Final[Mapping[str, EventKind]] = MappingProxyType(
    {kind.type: kind for stream in STREAMS.values() for kind in stream.events}
)
