"""The outbox's lock goes to whoever has waited longest, and a thread may take its own again."""

from __future__ import annotations

import threading
import time

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


def test_one_that_is_interrupted_while_it_waits_leaves_the_queue() -> None:
    """A signal handler's exception in a waiting thread hands the lock to nobody that is gone."""
    turn = Turn()
    gate = threading.Lock()
    gate.acquire()
    with turn:
        turn._waiting.append((1, gate))
        turn._leave(1, gate)
        assert not turn._waiting
    assert taken_in_time(turn)
    turn._owner, turn._depth = 1, 1  # it was handed over in the very moment
    turn._leave(1, gate)
    assert taken_in_time(turn)
