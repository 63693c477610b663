"""Every stream and every kind of event that this release knows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hub.domain.stream import EventKind, Stream
from hub.domain.streams.center import CENTER
from hub.domain.streams.code_list import CODE_LIST
from hub.domain.streams.deal import DEAL
from hub.domain.streams.deal_confirmation import DEAL_CONFIRMATION
from hub.domain.streams.lane import LANE
from hub.domain.streams.offer import OFFER
from hub.domain.streams.partner import PARTNER
from hub.domain.streams.request import REQUEST
from hub.domain.streams.schema import SCHEMA

_ALL = (CENTER, SCHEMA, CODE_LIST, LANE, PARTNER, OFFER, REQUEST, DEAL, DEAL_CONFIRMATION)

STREAMS: Final[Mapping[str, Stream]] = MappingProxyType({stream.name: stream for stream in _ALL})

# By CloudEvents type, such as `net.cohub.offer.published.v1`
KINDS: Final[Mapping[str, EventKind]] = MappingProxyType({kind.type: kind for s in _ALL for kind in s.events})
