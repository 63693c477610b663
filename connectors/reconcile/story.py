"""Which events belong together: what one change of a row says, and what it says anew after HQ rejected some of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoryLink:
    """What an event says of its story: the story's id, and the event before it. Of a single event neither is said."""

    correlation: str | None = None
    causation: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event that HQ rejected, and the story it belongs to: the id of that story's first event."""

    id: str
    story: str


UNLINKED = StoryLink()


def tell(ids: Sequence[str], rejected: RejectedEvent | None = None) -> list[StoryLink]:
    """Return the links of a plan's events, whose ids are given in order; there is at least one.

    The first event names a story, unless the plan answers a rejection: then it goes on with the rejected event's. An
    event that is all of its story needs no link, for its own id is the story's.
    """
    if rejected is None and len(ids) == 1:
        return [UNLINKED]
    story = ids[0] if rejected is None else rejected.story
    causes = [None if rejected is None else rejected.id, *ids[:-1]]
    return [StoryLink(story, cause) for cause in causes]
