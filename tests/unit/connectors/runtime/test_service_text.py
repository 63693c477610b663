"""What systemd, launchd and the Task Scheduler are given starts the command that was meant, whatever its names."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from connectors.runtime.service_text import Service, System, Unwritable, service_bytes
from tests.support.services import ODD_NAMES, QUOTED, TASK, words_of

SYSTEMS: tuple[System, ...] = ("linux", "macos", "windows")
USER = "OFFICE\\Нигора"
# [MS-TSCH] 2.5.3.1: the elements of a trigger are a sequence; those of its kinds come after them.
IN_TRIGGERS = ("Enabled", "StartBoundary", "EndBoundary", "Repetition", "ExecutionTimeLimit", "UserId", "Delay")
BOOLEAN, TEXT = "true|false", ".+"
DURATION = r"P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?"  # xs:duration, without fractions
DATE_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)?"
# The types of 2.5, by the names of elements; what is not here has elements below it, and no text.
TYPES = {
    "AllowHardTerminate": BOOLEAN, "AllowStartOnDemand": BOOLEAN, "DisallowStartIfOnBatteries": BOOLEAN,
    "Enabled": BOOLEAN, "Hidden": BOOLEAN, "RestartOnIdle": BOOLEAN, "RunOnlyIfIdle": BOOLEAN, "WakeToRun": BOOLEAN,
    "RunOnlyIfNetworkAvailable": BOOLEAN, "StartWhenAvailable": BOOLEAN, "StopAtDurationEnd": BOOLEAN,
    "StopIfGoingOnBatteries": BOOLEAN, "StopOnIdleEnd": BOOLEAN,
    "ExecutionTimeLimit": DURATION, "Interval": DURATION, "Duration": DURATION, "Delay": DURATION,
    "StartBoundary": DATE_TIME, "EndBoundary": DATE_TIME, "Date": DATE_TIME,
    "LogonType": "S4U|Password|InteractiveToken|InteractiveTokenOrPassword",
    "RunLevel": "LeastPrivilege|HighestAvailable",
    "MultipleInstancesPolicy": "Parallel|Queue|IgnoreNew|StopExisting",
    "Priority": r"\d|10", "Count": r"[1-9]\d?|1\d\d|2[0-4]\d|25[0-5]",
    "Description": TEXT, "UserId": TEXT, "Command": TEXT, "Arguments": TEXT, "URI": TEXT, "Author": TEXT,
}  # fmt: skip
ATTRIBUTES = {"Task": {"version": r"1\.[0-6]"}, "Principal": {"id": TEXT}, "Actions": {"Context": TEXT}}
# launchd.plist(5)
AGENT_TYPES = {
    "Label": str, "ProgramArguments": list, "RunAtLoad": bool, "KeepAlive": bool, "ThrottleInterval": int,
    "ExitTimeOut": int, "Umask": int,
}  # fmt: skip
# What the schema knows in each place that we fill; 2.5.1 to 2.5.6.
KNOWN = {
    "Task": {"RegistrationInfo", "Triggers", "Principals", "Settings", "Actions", "Data"},
    "RegistrationInfo": {"Description", "Author", "Date", "URI", "Version", "Source", "Documentation"},
    "Triggers": {"LogonTrigger", "TimeTrigger", "BootTrigger"},
    "LogonTrigger": set(IN_TRIGGERS),
    "TimeTrigger": set(IN_TRIGGERS) - {"UserId", "Delay"} | {"RandomDelay"},
    "Repetition": {"Interval", "Duration", "StopAtDurationEnd"},
    "Principals": {"Principal"},
    "Principal": {"UserId", "LogonType", "GroupId", "DisplayName", "RunLevel"},
    "Settings": {
        "AllowStartOnDemand", "RestartOnFailure", "MultipleInstancesPolicy", "DisallowStartIfOnBatteries",
        "StopIfGoingOnBatteries", "AllowHardTerminate", "StartWhenAvailable", "NetworkProfileName",
        "RunOnlyIfNetworkAvailable", "WakeToRun", "Enabled", "Hidden", "DeleteExpiredTaskAfter", "IdleSettings",
        "NetworkSettings", "ExecutionTimeLimit", "Priority", "RunOnlyIfIdle",
    },
    "RestartOnFailure": {"Interval", "Count"},
    "IdleSettings": {"Duration", "WaitTimeout", "StopOnIdleEnd", "RestartOnIdle"},
    "Actions": {"Exec"},
    "Exec": {"Command", "Arguments", "WorkingDirectory"},
}  # fmt: skip


def service(*names: str, python: str = "/usr/bin/python3") -> Service:
    return Service("uz", "hub.example", "0a1b2c3d", (python, "-IS", *names, "run", "--quiet", "--office"))


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", [*ODD_NAMES, *QUOTED])
def test_command_comes_out_as_it_was_meant(system: System, name: str) -> None:
    """Blanks, quotes, Cyrillic, Chinese, and what is special there: each word is the same, alone and in a path."""
    if system == "windows" and name.count("%") > 1:
        pytest.skip("refused there: the next test but one")
    meant = service(name, f"/home/{name}/connector.pyz", python=f"/opt/{name}/python3")
    if system == "windows" and "%" in name:
        meant = service(name)
    if system == "linux" and name in QUOTED:
        with pytest.raises(Unwritable):  # of programs alone: systemd takes no such name for one
            service_bytes(meant, system)
        meant = service(name, f"/home/{name}/connector.pyz")
    assert words_of(service_bytes(meant, system, USER), system) == meant.words


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", ["a\nExecStart=/bin/false", "a\rb", "nul\0", "\udcff", "\x1b[2J", "\u2028", "\ufffe"])
def test_name_that_is_no_text_is_refused(system: System, name: str) -> None:
    """A line end would begin another setting; half a character can't be written at all."""
    with pytest.raises(Unwritable):
        service_bytes(service(name), system, USER)


@pytest.mark.parametrize("name", ["%TEMP%", "100% or 50%", "$(Arg0)"])
def test_name_that_windows_would_fill_in_is_refused(name: str) -> None:
    """The Task Scheduler puts variables into a command, and has no way to say that none is meant."""
    with pytest.raises(Unwritable):
        service_bytes(service(name), "windows", USER)
    assert words_of(service_bytes(service(name), "linux"), "linux")[2] == name


def test_task_is_as_its_schema_wants_it() -> None:
    """Nothing that it does not know, and triggers in its order; encoded as it says that it is."""
    data = service_bytes(service("Офис"), "windows", USER)
    text = data.decode("utf-16")
    assert data.startswith((b"\xff\xfe", b"\xfe\xff"))
    assert text.startswith('<?xml version="1.0" encoding="UTF-16"?>\r\n')
    task = ET.fromstring(text)
    for element in task.iter():
        below = [child.tag.removeprefix(TASK) for child in element]
        name = element.tag.removeprefix(TASK)
        assert not below or set(below) <= KNOWN[name], name
        assert len(set(below)) == len(below), name
        if name.endswith("Trigger"):
            assert below == [each for each in IN_TRIGGERS if each in below]
    assert [user.text for user in task.iter(f"{TASK}UserId")] == [USER, USER]
    assert task.findtext(f".//{TASK}LogonType") == "InteractiveToken"
    assert task.findtext(f"{TASK}Settings/{TASK}ExecutionTimeLimit") == "PT0S", "it runs for as long as it runs"
    count = task.findtext(f"{TASK}Settings/{TASK}RestartOnFailure/{TASK}Count")
    assert count is not None
    assert 1 <= int(count) <= 255


def test_each_value_of_a_task_is_of_its_type() -> None:
    """Windows refuses a task for one value of another type, and says no more than the line."""
    task = ET.fromstring(service_bytes(service("Офис & <1>"), "windows", USER).decode("utf-16"))
    for element in task.iter():
        name = element.tag.removeprefix(TASK)
        assert re.fullmatch(TYPES.get(name, r"\s*"), element.text or ""), (name, element.text)
        assert (name in TYPES) == (len(element) == 0), name
        assert element.attrib.keys() == ATTRIBUTES.get(name, {}).keys(), name
        for attribute, value in element.attrib.items():
            assert re.fullmatch(ATTRIBUTES[name][attribute], value), (name, attribute)
    principal, actions = task.find(f".//{TASK}Principal"), task.find(f"{TASK}Actions")
    assert principal is not None
    assert actions is not None
    assert principal.get("id") == actions.get("Context"), "the actions are done as a principal that is there"


@pytest.mark.parametrize("name", ["Офис 办公室", *ODD_NAMES])
def test_each_value_of_an_agent_is_of_its_type(name: str) -> None:
    """Launchd passes over what it does not know, without a word."""
    said = plistlib.loads(service_bytes(service(name), "macos"))
    assert {key: type(value) for key, value in said.items()} == AGENT_TYPES
    assert {type(word) for word in said["ProgramArguments"]} == {str}
    assert said["ProgramArguments"][0].startswith("/"), "a service has no PATH of a terminal"
    assert said["Umask"] == 0o077


def test_agent_is_kept_alive_and_is_given_time_to_end() -> None:
    """Launchd kills after 20 seconds unless it is told; a connector may take longer."""
    slow = Service("uz", "hub.example", "0a1b2c3d", ("/usr/bin/python3",), end_s=90)
    said = plistlib.loads(service_bytes(slow, "macos"))
    assert said["Label"] == "net.cohub.cohub-connector-uz-0a1b2c3d"
    assert (said["RunAtLoad"], said["KeepAlive"]) == (True, True)
    assert said["ExitTimeOut"] > 90


def test_unit_never_gives_up_and_gives_time_to_end() -> None:
    """Systemd gives up after five starts in ten seconds, unless it is told."""
    slow = Service("uz", "hub.example", "0a1b2c3d", ("/usr/bin/python3",), end_s=90)
    unit = service_bytes(slow, "linux").decode()
    assert re.search(r"^StartLimitIntervalSec=0$", unit, re.MULTILINE)
    assert re.search(r"^Restart=always$", unit, re.MULTILINE)
    assert re.search(r"^TimeoutStopSec=100$", unit, re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="SYSTEMD IS NOT HERE: its own check was not asked")
def test_unit_passes_systemds_own_check(tmp_path: Path) -> None:
    """Every odd name at once, as the program too, which it looks for under the name that it read."""
    units = tmp_path / "units"
    units.mkdir()
    made = []
    for number, name in enumerate([*ODD_NAMES, *QUOTED]):
        program = tmp_path / str(number) / ("" if name in QUOTED else name) / "python3"
        program.parent.mkdir(parents=True)
        program.symlink_to(sys.executable)
        unit = units / f"cohub-connector-uz-{number:08x}.service"
        unit.write_bytes(service_bytes(service(name, python=str(program)), "linux"))
        made.append(str(unit))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", *made],
        env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if "cohub" in line or str(tmp_path) in line] == []
