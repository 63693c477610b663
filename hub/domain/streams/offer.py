"""Offers: technologies that a center's partners supply."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hub.domain.codes import lists
from hub.domain.fields import Advantages, Day, Ipc, Number, Office, Trl, crossed, one_of
from hub.domain.stream import Stream
from hub.domain.streams.publication import Publication, lifecycle


class Offer(Publication):
    """A technology on offer. Export control is decided before an offer leaves its center."""

    export_control: Annotated[str, one_of(lists.EXPORT_CONTROLS)]
    export_licence: Number | None = None
    advantages: Advantages | None = None
    partner_role: Advantages | None = None
    partnership_kinds: Annotated[list[Annotated[str, one_of(lists.PARTNERSHIP_KINDS)]], Field(max_length=10)] = Field(
        default_factory=list
    )
    stage: Annotated[str, one_of(lists.STAGES)] | None = None
    trl: Trl | None = None
    ip_status: Annotated[str, one_of(lists.IP_STATUSES)] | None = None
    ip_number: Number | None = None
    ip_office: Office | None = None
    ip_expires_on: Day | None = None
    ipc: Annotated[list[Ipc], Field(max_length=20)] = Field(default_factory=list)
    crossed = (crossed("export_control", "export_control", licence="export_licence"), *Publication.crossed)

    @model_validator(mode="after")
    def _check(self) -> Self:
        # Prohibited technology is never sent; restricted technology only under its licence.
        if self.export_control != "free" and (self.export_control == "prohibited" or self.export_licence is None):
            raise PydanticCustomError(
                "export_controlled", "{detail}", {"field": "export_control", "detail": self.export_control}
            )
        self.check_life()
        return self


OFFER = Stream(
    name="offer",
    record=Offer,
    writer="center",
    events=lifecycle("offer", Offer),
    references={"partner": "partner"},
    code_list_fields={"technology_keywords": "technology", "market_keywords": "market"},
)
