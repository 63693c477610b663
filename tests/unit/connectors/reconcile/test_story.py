"""Events of one change belong together, and so does what is said after a rejection."""

from __future__ import annotations

from connectors.reconcile.story import UNLINKED, RejectedEvent, StoryLink, tell


def test_story_of_one_event_says_no_more_than_the_event() -> None:
    """Its own id is the story's: single events, nearly all there are, stay as small as they were."""
    assert tell(["a"]) == [UNLINKED]


def test_story_is_named_by_its_first_event_and_each_event_by_the_one_before() -> None:
    """All events of a plan have one correlation id; the first has no cause."""
    assert tell(["a", "b", "c"]) == [StoryLink("a", None), StoryLink("a", "a"), StoryLink("a", "b")]


def test_plan_after_a_rejection_goes_on_with_the_story() -> None:
    """The rejected event is the cause of what is said instead of it, also of a single event."""
    assert tell(["d", "e"], RejectedEvent("b", "a")) == [StoryLink("a", "b"), StoryLink("a", "d")]
    assert tell(["d"], RejectedEvent("b", "a")) == [StoryLink("a", "b")]
