"""How much one center, or one address, may have in a time: a bucket for each, as Kafka's quotas are."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from hub.protocol.problem import Problem, ProblemCode

WINDOWS: Final = 11  # Kafka's burst: eleven windows of a second
BUCKETS_MAX: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Allowance:
    """So much a second for each, by `rate`, and `burst` at once, else as much as in eleven seconds.

    Of too many buckets the one that rests for longest is dropped.
    """

    def __init__(
        self,
        what: str,
        rate: float | Callable[[Hashable], float],
        burst: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._rate = rate if callable(rate) else lambda _: rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def check(self, whose: Hashable) -> None:
        """See that there is something left. What is taken then may be more: the next one waits for it.

        Errors: Problem of TOO_MUCH, with the seconds to wait.
        """
        bucket, rate = self._bucket(whose), self._rate(whose)
        if bucket.left <= 0:
            wait_s = math.ceil((1 - bucket.left) / rate)
            raise Problem(ProblemCode.TOO_MUCH, f"more than {rate:g} {self._what} a second", retry_after_s=wait_s)

    def take(self, whose: Hashable, amount: float = 1.0) -> None:
        """Note that somebody has had so much."""
        self._bucket(whose).left -= amount

    def _bucket(self, whose: Hashable) -> _Bucket:
        now, rate = self._clock(), self._rate(whose)
        burst = rate * WINDOWS if self._burst is None else self._burst
        bucket = self._buckets.pop(whose, None) or _Bucket(burst, now)
        bucket.left = min(burst, bucket.left + (now - bucket.at) * rate)
        bucket.at = now
        self._buckets[whose] = bucket
        while len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return bucket
