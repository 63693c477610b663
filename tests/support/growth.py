"""Measures how a reader's time grows with its input, in the processor's time: a busy machine is no matter.

Twice as many objects take the machine itself more than twice as long where they outgrow a cache (2.4 times was measured
for a list of small dicts): a reader that takes too long is held against a plain pass over as many objects.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable
from typing import Any, Final

LEAST_S: Final = 0.02  # a shorter time tells more of the clock than of the reader
RATIO_MAX: Final = 2.2
MACHINE_MAX: Final = 2.5  # a reader of n·√n takes 2.8 times as long, and is never let through
TRIES: Final = 10
REPEATS: Final = 3


def check_growth(
    make: Callable[[int], Any],
    read: Callable[[Any], object],
    *,
    start: int = 256,
    size_max: int = 1 << 22,
    refused: type[BaseException] | tuple[type[BaseException], ...] = ValueError,
) -> float:
    """Return how often as long twice the input takes; 0.0 where no input that is let in takes long enough to measure.

    Shapes: `make` returns an input of a size; what `read` refuses counts as read.
    """
    gc.collect()
    gc.disable()
    try:
        return _grown(make, read, start, size_max, refused)
    finally:
        gc.enable()


def _grown(make: Callable[[int], Any], read: Callable[[Any], object], size: int, size_max: int, refused: Any) -> float:
    while (took := _time(make(size), read, refused)) < LEAST_S:
        if size >= size_max:
            return 0.0
        # Never far beyond: what grows by its square would take minutes there.
        size = min(size_max, size * (2 if took > LEAST_S / 8 else 4))
    best = float("inf")
    for _ in range(TRIES):
        small, large = make(size), make(2 * size)
        pairs = [(_time(small, read, refused), _time(large, read, refused)) for _ in range(REPEATS)]
        best = min(best, min(two for _, two in pairs) / min(one for one, _ in pairs))
        if best <= RATIO_MAX or best <= RATIO_MAX * max(1.0, min(_machine_growth(took), MACHINE_MAX) / 2):
            return best
    raise AssertionError(f"an input of size {size} doubled takes {best:.1f} times as long")


def _machine_growth(took: float) -> float:
    """Return how often as long the machine takes for twice as many objects, where the smaller number takes `took` s."""
    count = 1024
    while _time(count, _objects, ()) < took:
        count *= 2
    pairs = [(_time(count, _objects, ()), _time(2 * count, _objects, ())) for _ in range(REPEATS)]
    return min(two for _, two in pairs) / min(one for one, _ in pairs)


def _objects(count: int) -> int:
    made = [{"name": f"f{at}", "type": [at]} for at in range(count)]
    return sum(len(str(one["name"])) + len(one["type"]) for one in made)


def _time(data: Any, read: Callable[[Any], object], refused: Any) -> float:
    begun = time.process_time()
    with contextlib.suppress(*(refused if isinstance(refused, tuple) else (refused,))):
        read(data)
    return time.process_time() - begun
