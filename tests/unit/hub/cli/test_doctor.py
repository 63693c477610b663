"""`hub doctor` as a person calls it: a line for each check, or JSON, and an exit status."""

from __future__ import annotations

import json

import pytest

from hub.hq.doctor.examined import CASES, Check
from tests.unit.hub.cli.conftest import Run


def test_directory_without_a_hub_fails_with_what_to_do(hub: Run) -> None:
    """The first thing that is wrong is told, and nothing that follows from it."""
    done = hub("doctor")
    assert done.status == 1
    (line,) = done.out.splitlines()
    assert line.startswith("FAILS  data directory: there is no hub in ")
    assert "hub up" in line
    assert done.err == ""


@pytest.mark.parametrize(("language", "said"), [("zh", "错误"), ("ru", "СБОЙ"), ("en", "FAILS")])
def test_lines_are_in_the_language_that_is_asked_for(hub: Run, language: str, said: str) -> None:
    """At HQ it is English, unless somebody asks for another one."""
    done = hub("doctor", "--language", language)
    assert done.out.startswith(said)
    assert hub("doctor", "--language", "fr").status == 2


def test_hub_that_never_ran_is_warned_about_and_fails_nothing(made: Run) -> None:
    """It has keys, and neither database, worker nor broker yet: that is no fault."""
    done = made("doctor", "--json")
    assert done.status == 0
    found = {one["check"]: one for one in json.loads(done.out)}
    assert {check: one["mark"] for check, one in found.items() if one["mark"] != "ok"} == {
        "database": "warns",
        "worker": "warns",
        "broker_as_admin": "warns",
        "broker_as_worker": "warns",
    }
    for one in found.values():
        check, _, case = one["code"].partition(".")
        assert case in CASES[Check(check)]
        assert bool(one["remedy"]) == (one["mark"] != "ok")


def test_broker_that_is_named_and_is_not_there_fails(made: Run) -> None:
    """`--json` has the code of the obstacle for scripts, and no traceback."""
    done = made("doctor", "--json", "--bootstrap", "127.0.0.1:9")
    assert done.status == 1
    found = {one["check"]: one for one in json.loads(done.out)}
    assert [one["code"] for one in found["broker_as_admin"]["obstacles"]] == ["nobody_listens"]
    assert "Traceback" not in done.out + done.err
