"""Lanes as busy centers have them: kinds of events alternate, some name what they follow from, some are rejected."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

from benchmarks.lanes import PUBLISHED, REVISED, SENTENCE, BenchLane, Said, filled, frame_of, offer

RUN_MAX: Final = 8  # events of one kind behind each other
REJECTED_EVERY: Final = 50  # 2 %
LINKED_EVERY: Final = 3
BODIES: Final = 64

# Of each stream: how its first event is called, how the further ones are, and what a rule of its fields forbids.
STREAMS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "offer": (PUBLISHED, REVISED, {"trl": 10}),
    "request": ("net.cohub.request.published.v1", "net.cohub.request.revised.v1", {"trl_min": 10}),
    "partner": ("net.cohub.partner.registered.v2", "net.cohub.partner.revised.v2", {"country": "QQ"}),
}


def request(number: int) -> dict[str, Any]:
    """Return a request whose record is about as long as an offer's."""
    return {
        "title": f"Vacuum membrane distillation unit wanted, series {number}",
        "language": "en",
        "summary": (SENTENCE * 2).strip(),
        "technology_keywords": ["membranes", "food"],
        "countries": ["UZ", "KZ", "CN"],
        "stage": "lab_tested",
        "trl_min": 4 + number % 4,
    }


def partner(number: int) -> dict[str, Any]:
    """Return a partner."""
    return {
        "kind": "institute",
        "name": f"Institute of membranes, department {number}",
        "name_language": "en",
        "country": "UZ",
        "city": "Tashkent",
        "registration_number": f"{300_000_000 + number}",
        "size": "medium",
        "founded_year": 1950 + number % 64,
        "website": f"https://institute-{number}.example",
    }


BODY: Final = {"offer": offer, "request": request, "partner": partner}


class MixedLane(BenchLane):
    """A lane whose kinds come in runs of 1 to 8, every third event with its correlation, every sixth with its cause.

    Every fiftieth is rejected by a rule of its fields. A quarter of the events are the first of their entity.
    """

    def said(self, count: int, entities: int) -> Iterator[Said]:
        """See BenchLane."""
        chance = random.Random(self.center)
        values = {
            (kind, is_good): [frame_of(kind, filled(kind, BODY[stream](n) | bad)) for n in range(BODIES)]
            for stream, (first, further, wrong) in STREAMS.items()
            for kind in (first, further)
            for is_good, bad in ((True, {}), (False, wrong))
        }
        published = dict.fromkeys(STREAMS, 0)
        number = 0
        while number < count:
            stream = chance.choice([*STREAMS])
            first, further, _ = STREAMS[stream]
            room = sum(published.values()) < entities
            is_first = not published[stream] or (room and chance.random() < entities / count)
            for _ in range(min(chance.randint(1, RUN_MAX), count - number)):
                kind = first if is_first else further
                which = published[stream] if is_first else chance.randrange(published[stream])
                is_good = number % REJECTED_EVERY != REJECTED_EVERY - 1
                yield Said(
                    kind,
                    f"{stream[0].upper()}-{which}",
                    chance.choice(values[kind, is_good]),
                    _uuid(chance) if number % LINKED_EVERY == 0 else None,
                    _uuid(chance) if number % (2 * LINKED_EVERY) == 0 else None,
                    is_rejected=not is_good,
                )
                number += 1
                published[stream] += is_first and is_good


def _uuid(chance: random.Random) -> str:
    text = f"{chance.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"
