"""The centers, with their keys, as the sealed hq lane has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from hub.domain.hq_lane import HqLane
from hub.domain.stream import HQ
from hub.store.read.model import ReadModel


class RegisteredKey(ReadModel):
    """A key that a center ever had."""

    id: str = Field(description="As in a note's signature line, 8 hex digits")
    purpose: str = Field(description="seal or witness")
    status: str = Field(description="active or revoked")
    replaced_lost: bool = Field(description="Whether no earlier key vouched for it, though there were some")
    status_reason: str | None = Field(description="Why it was revoked")
    vkey: str = Field(description="The verifier key of a signed note: name, id, algorithm and public half")


class RegisteredCenter(ReadModel):
    """A center of the network."""

    id: str = Field(description="Such as uz")
    status: str = Field(description="active, suspended or closed")
    country: str = Field(description="ISO 3166-1 alpha-2")
    direction: str = Field(description="north, west, east or south")
    keys: tuple[RegisteredKey, ...] = Field(description="All that it ever had, in the order in which they came")
    languages: tuple[str, ...] = Field(description="BCP 47 tags, the center's own first")
    name: str = Field(description="In its own script")
    streams: tuple[str, ...] = Field(description="What it may report")
    timezone: str = Field(description="IANA name")
    zone: str | None = Field(description="innovation or industry")


def centers(lane: HqLane) -> tuple[RegisteredCenter, ...]:
    """Return every center, by id; HQ itself is not one."""
    return tuple(
        center_of_record(entity_id.partition(":")[2], entity.status, entity.record)
        for (stream, entity_id), entity in sorted(lane.entities.items())
        if stream == "center" and entity_id != f"{HQ}:{HQ}"
    )


def center_of_record(center: str, status: str, record: Mapping[str, Any]) -> RegisteredCenter:
    """Return a center whose record the hq lane has, or is just being told."""
    return RegisteredCenter(
        id=center,
        status=status,
        country=record["country"],
        direction=record["direction"],
        keys=tuple(_key(key) for key in record["keys"]),
        languages=record["languages"],
        name=record["name"],
        streams=record["streams"],
        timezone=record["timezone"],
        zone=record["zone"],
    )


def _key(key: Mapping[str, Any]) -> RegisteredKey:
    return RegisteredKey(
        id=key["vkey"].split("+")[1],
        purpose=key["purpose"],
        status=key["status"],
        replaced_lost=key["replaced_lost"],
        status_reason=key["status_reason"],
        vkey=key["vkey"],
    )
