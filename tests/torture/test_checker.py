"""What a run did is judged: silence on a clean course, and each thing that is wrong by its name and place.

That the books are compared as they should be `tests/fault/test_checker.py` tries.
"""

from __future__ import annotations

import pytest

from tests.support.checker import Finding
from tests.torture.checker import SHOWN_MAX, Course, judge, sentences


def test_a_clean_course_has_no_finding() -> None:
    course = Course(
        (), {"worker-1": 0, "connector-c01": 0}, {"worker-1": ["lane_taken_over", "Traceback (most recent call last):"]}
    )
    assert judge(course) == []


def test_what_is_not_settled_is_a_finding() -> None:
    assert judge(Course(["c01 is not settled"])) == [Finding("UNSETTLED", "the network", "c01 is not settled")]


def test_a_program_that_does_not_end_well_is_a_finding() -> None:
    found = judge(Course(statuses={"worker-1": 1, "worker-2": 0, "worker-3": -15, "worker-4": -9}))
    assert [(one.what, one.where) for one in found] == [("STATUS", "worker-1"), ("STATUS", "worker-4")]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"event": "engine_fault", "center": "c01"}', "ENGINE_FAULT"),
        ('{"event": "lane_damaged", "center": "c01"}', "ENGINE_FAULT"),
        ('{"topics": ["events"], "event": "topics_lost"}', "ACKNOWLEDGED_LOST"),
        ('duplicate key value violates unique constraint "ledger_pkey"', "LEDGER_KEY"),
        ("KeyError: 'c01'", "MISTAKE"),
    ],
)
def test_a_line_that_nobody_may_print_is_one_finding_however_often_it_comes(line: str, what: str) -> None:
    found = judge(Course(printed={"worker-1": ["all is well", line, line], "worker-2": []}))
    assert [(one.what, one.where) for one in found] == [(what, "worker-1")]


def test_a_librarys_own_mistake_is_no_finding() -> None:
    """It leaves nothing undone that is not found by itself, and is nobody's here to mend."""
    place = '  File "/x/site-packages/aiokafka/producer/message_accumulator.py", line 459, in cb'
    lines = ["Traceback (most recent call last):", place, "    self._pending_batches.remove(batch)", "KeyError: 1"]
    assert judge(Course(printed={"worker-1": lines})) == []
    ours = [lines[0], lines[1], '  File "/x/hub/worker/keeper.py", line 9, in look', "KeyError: 1"]
    assert [one.what for one in judge(Course(printed={"worker-1": ours}))] == ["MISTAKE"]


def test_findings_are_told_in_a_sentence_each_and_not_more_of_a_name_than_one_reads() -> None:
    found = [Finding("LOST", f"c01 {number}", "it is not in the ledger") for number in range(SHOWN_MAX + 3)]
    said = sentences([*found, Finding("TWICE", "c02 1", "accepted twice")])
    assert said[0] == "LOST at c01 0: it is not in the ledger"
    assert said[SHOWN_MAX] == "LOST: and 3 more of it"
    assert said[-1] == "TWICE at c02 1: accepted twice"
