"""What was fetched for a consumer, with nothing that fetches: the classes are those that really run."""

from __future__ import annotations

from collections.abc import Collection

from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.structs import TopicPartition

from hub.base.total import Allowance, Fetched, Fetcher, Held, Records, Result, Weighed, read_totally


class Reading:
    """Give it answers to fetches, and poll."""

    def __init__(self, *places: TopicPartition) -> None:
        read_totally()
        self.places = places
        self.positions = SubscriptionState()
        self.positions.assign_from_user(places)
        self.assignment = self.positions.subscription.assignment
        self.fetcher = Fetcher.__new__(Fetcher)
        self.fetcher._subscriptions = self.positions
        self.fetcher._wait_consume_future = None
        self.fetcher._allowance = Allowance()
        self.fetcher._records = Held(self.fetcher._allowance)
        self.fetcher._asked = {}
        self.fetcher._polls, self.fetcher._handed_out = 0, {}
        for place in places:
            self.positions.seek(place, 0)

    def fetch(self, place: TopicPartition, data: bytes) -> None:
        """Let the answer to a fetch from the present position arrive."""
        at = self.assignment.state_value(place).position
        records = Records(place, Fetched(data), None, at, None, None, True, 0)
        result = Result(place, assignment=self.assignment, partition_records=records, backoff=0)
        self.fetcher._records[place] = result

    async def poll(
        self, records_max: int | None = None, places: Collection[TopicPartition] | None = None
    ) -> dict[TopicPartition, Weighed]:
        """Return what one poll hands out."""
        wanted = self.places if places is None else places
        found: dict[TopicPartition, Weighed] = await self.fetcher.fetched_records(wanted, 0, records_max)
        return found
