"""The outbox's lock goes to whoever has waited longest, and a thread may take its own again."""

from __future__ import annotations

import signal
import sys
import threading
import time
from types import FrameType

import pytest

from connectors.runtime.outbox.turn import Turn


def test_thread_takes_its_own_lock_again() -> None:
    turn = Turn()
    with turn, turn:
        assert not taken_in_time(turn)
    assert taken_in_time(turn)


def taken_in_time(turn: Turn) -> bool:
    """Return whether another thread gets the lock within a moment; it gives it back."""
    got = threading.Event()

    def take() -> None:
        with turn:
            got.set()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return got.wait(0.05)


def test_waiting_threads_have_it_in_the_order_of_asking() -> None:
    turn, order, threads = Turn(), list[int](), list[threading.Thread]()

    def take(number: int) -> None:
        with turn:
            order.append(number)

    with turn:
        for number in range(10):
            thread = threading.Thread(target=take, args=(number,))
            thread.start()
            threads.append(thread)
            while len(turn._waiting) <= number:
                time.sleep(0.0005)
    for thread in threads:
        thread.join(20)
    assert order == list(range(10))


def test_one_that_wants_it_again_at_once_lets_pass_who_waits() -> None:
    """As a large file and the sender: the lock is handed over, not put down for whoever is quickest."""
    turn, log = Turn(), list[str]()

    def patient() -> None:
        with turn:
            log.append("patient")

    thread = threading.Thread(target=patient)
    with turn:
        thread.start()
        while not turn._waiting:
            time.sleep(0.0005)
    with turn:  # without a moment between
        log.append("greedy")
    thread.join(20)
    assert log == ["patient", "greedy"]


class InterruptedWait(BaseException):
    """What the signal handler of this test raises, as that of Ctrl-C does."""


def interrupt(_number: int, _frame: FrameType | None) -> None:
    raise InterruptedWait


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no timer that interrupts a wait")
def test_one_that_is_interrupted_while_it_waits_leaves_the_queue() -> None:
    """A signal handler's exception in a waiting thread hands the lock to nobody that is gone."""
    turn, taken, done = Turn(), threading.Event(), threading.Event()

    def hold() -> None:
        with turn:
            taken.set()
            done.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(20)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(InterruptedWait):
            turn.acquire()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        done.set()
    holder.join(20)
    assert taken_in_time(turn)


def test_one_that_is_interrupted_when_it_was_handed_the_lock_hands_it_on() -> None:
    """The handler's exception comes when the wait is over, and it has not returned: no timer hits that moment."""
    turn = Turn()
    gate = threading.Lock()
    turn._owner, turn._depth = 1, 1
    turn._leave(1, gate)
    assert taken_in_time(turn)
