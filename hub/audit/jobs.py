"""Work that is done center by center, in this process or in several.

A center's lanes follow each other and touch no other center's entities (law 1), so a center is one piece of work. The
processes share nothing but the database, which each opens to be read alone.
"""

from __future__ import annotations

import gc
import multiprocessing
import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeVar

from hub.protocol.errors import CohubError, Fatal, UsageError

TICK_EVENTS: Final = 2_000  # so many events are one word to the process that shows the progress
LOOK_EVERY_S: Final = 0.5

Tick = Callable[[int], None]
R_co = TypeVar("R_co", covariant=True)


class Job(Protocol[R_co]):
    """What is done for one center. It travels to other processes, so it opens what it needs there, once."""

    def __call__(self, center: str, tick: Tick) -> R_co:
        """Do the work; `tick` takes the number of events done since it was last called."""
        ...


def run(job: Job[R_co], centers: Sequence[str], processes: int, tick: Tick) -> Iterator[tuple[str, R_co]]:
    """Yield what the job gives for each center, as it gets done. Whoever stops iterating stops the work.

    Errors: what the job raises; Fatal, when a process ends without a word.
    """
    if processes <= 1 or len(centers) <= 1:
        with spared_collector():
            for center in centers:
                yield center, job(center, tick)
        return
    context = multiprocessing.get_context("spawn")
    tasks, said = context.Queue(), context.Queue()
    for center in centers:
        tasks.put(center)
    children = [
        context.Process(target=_work, args=(job, tasks, said), daemon=True) for _ in range(min(processes, len(centers)))
    ]
    for child in children:
        tasks.put(None)
        child.start()
    try:
        yield from _listen(children, said, len(centers), tick)
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.join()


@contextmanager
def spared_collector() -> Iterator[None]:
    """Let Python's cyclic collector look rarely: folding makes and frees thousands of objects, none of them cyclic."""
    before, is_frozen = gc.get_threshold(), gc.get_freeze_count() > 0
    gc.freeze()  # what is there already is not looked through again and again
    gc.set_threshold(200_000, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not is_frozen:  # else whoever froze the process before would have it looked through again
            gc.unfreeze()


def _listen(children: Sequence[Any], said: Any, centers: int, tick: Tick) -> Iterator[tuple[str, Any]]:
    done = 0
    while done < centers:
        try:
            kind, center, what = said.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            ended = [child for child in children if child.exitcode not in (None, 0)]
            if ended or all(child.exitcode is not None for child in children):
                codes = ", ".join(str(child.exitcode) for child in ended) or "no reason"
                raise Fatal(f"a process of this command ended ({codes}); run it again, with fewer --jobs") from None
            continue
        if kind == "tick":
            tick(what)
        elif kind == "done":
            done += 1
            yield center, what
        else:
            raise what


def _work(job: Job[Any], tasks: Any, said: Any) -> None:
    """Run in a process of its own until there is no center left."""
    parent = multiprocessing.parent_process()
    held = 0

    def tick(events: int) -> None:
        nonlocal held
        held += events
        if held >= TICK_EVENTS:
            said.put(("tick", "", held))
            held = 0
            if parent is not None and not parent.is_alive():
                raise SystemExit(1)

    try:
        while (center := tasks.get()) is not None:
            try:
                with spared_collector():
                    result = job(center, tick)
            except CohubError as exc:
                # Its own kind may be made of more than a text, and could not be made again on the other side.
                kind = UsageError if isinstance(exc, UsageError) else Fatal
                said.put(("failed", center, kind(str(exc))))
                return
            said.put(("tick", "", held))
            held = 0
            said.put(("done", center, result))
    except KeyboardInterrupt:
        return
