"""How each system is told to keep a connector running: what a unit, a property list and a task say.

systemd takes a unit of its user's, launchd a property list (an agent), Windows' Task Scheduler XML. Each starts the
connector when its user logs on, and again a while after it ended, however it ended.
"""

from __future__ import annotations

import plistlib
import re
from dataclasses import dataclass
from subprocess import list2cmdline
from typing import Final, Literal
from xml.etree import ElementTree as ET

from hub.protocol.errors import UsageError

System = Literal["linux", "macos", "windows"]
AGENT: Final = "net.cohub."  # launchd's agents are named by domains
AGAIN_S: Final = 60  # after an end
WATCHED_S: Final = 180  # without a word of a connector that is ready; its own watch is much quicker
AGAIN_MIN: Final = 5  # Task Scheduler looks so often whether it runs
# Line ends and controls, what XML does not have, and halves of characters, as names in another encoding have them.
_NO_TEXT: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_NO_PROGRAM: Final = re.compile(r"""["'\\]""")  # which systemd takes in no program's name, however it is written
_TASK: Final = "http://schemas.microsoft.com/windows/2004/02/mit/task"


class Unwritable(UsageError):
    """A path that this system's file can't hold; its text quotes the path."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is to be kept running.

    Shapes: key tells the office's folder from all others; words are a program's path and its arguments; end_s is how
            long the connector takes at most to end.
    """

    center: str
    hub: str
    key: str
    words: tuple[str, ...]
    end_s: float = 30.0

    @property
    def name(self) -> str:
        """What the system calls it: another one for each office folder, so that a computer may have several."""
        return f"cohub-connector-{self.center}-{self.key}"

    @property
    def title(self) -> str:
        """What people read in the system's lists."""
        return f"cohub connector: {self.center} ({self.hub})"


def service_bytes(service: Service, system: System, user: str = "") -> bytes:
    """Return the file that a system is given. Shapes: `user` is who logs on, for Windows. Errors: Unwritable."""
    for word in service.words:
        if _NO_TEXT.search(word):
            raise Unwritable(word)
    if system == "linux":
        if _NO_PROGRAM.search(service.words[0]):
            raise Unwritable(service.words[0])
        return _unit(service).encode()
    if system == "macos":
        return _agent(service)
    return _task(service, user)


def _unit(service: Service) -> str:
    # A dollar begins a variable, unless a colon stands before the program; systemd before 244 does not know the colon.
    plain = ":" if any("$" in word for word in service.words) else ""
    return f"""\
[Unit]
Description={_percent(service.title)}
StartLimitIntervalSec=0

[Service]
Type=notify
WatchdogSec={WATCHED_S}
TimeoutStartSec=infinity
ExecStart={plain}{" ".join(map(_unit_word, service.words))}
Restart=always
RestartSec={AGAIN_S}
TimeoutStopSec={round(service.end_s) + 10}
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""


def _unit_word(word: str) -> str:
    return '"' + _percent(word.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _agent(service: Service) -> bytes:
    return plistlib.dumps(
        {
            "Label": AGENT + service.name,
            "ProgramArguments": list(service.words),
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": AGAIN_S,
            "ExitTimeOut": round(service.end_s) + 10,
            "Umask": 0o077,
        },
        sort_keys=False,
    )


def _task(service: Service, user: str) -> bytes:
    """Return a task, in the order of elements that its schema wants where it wants one.

    Source: [MS-TSCH] 2.5: triggerBaseType and logonTriggerType are sequences.
    """
    program, *arguments = service.words
    line = list2cmdline(arguments)
    for word in service.words:
        if "$(" in word or (line.count("%") + program.count("%") > 1 and "%" in word):
            raise Unwritable(word)  # the system would put something else in there
    task = ET.Element("Task", {"version": "1.2", "xmlns": _TASK})
    _add(task, "RegistrationInfo", Description=service.title)
    triggers = ET.SubElement(task, "Triggers")
    _add(triggers, "LogonTrigger", Enabled="true", UserId=user)
    timed = _add(triggers, "TimeTrigger", Enabled="true", StartBoundary="2020-01-01T00:00:00")
    _add(timed, "Repetition", Interval=f"PT{AGAIN_MIN}M", StopAtDurationEnd="false")
    principals = ET.SubElement(task, "Principals")
    principal = _add(principals, "Principal", UserId=user, LogonType="InteractiveToken", RunLevel="LeastPrivilege")
    principal.set("id", "Author")
    settings = _add(
        task,
        "Settings",
        MultipleInstancesPolicy="IgnoreNew",
        DisallowStartIfOnBatteries="false",
        StopIfGoingOnBatteries="false",
        AllowHardTerminate="true",
        StartWhenAvailable="true",
        RunOnlyIfNetworkAvailable="false",
        AllowStartOnDemand="true",
        Enabled="true",
        Hidden="false",
        RunOnlyIfIdle="false",
        WakeToRun="false",
        ExecutionTimeLimit="PT0S",
        Priority="7",
    )
    _add(settings, "IdleSettings", StopOnIdleEnd="false", RestartOnIdle="false")
    _add(settings, "RestartOnFailure", Interval=f"PT{AGAIN_S // 60}M", Count="255")
    actions = ET.SubElement(task, "Actions", {"Context": "Author"})
    _add(actions, "Exec", Command=program, Arguments=line)
    ET.indent(task)
    text = '<?xml version="1.0" encoding="UTF-16"?>\n' + ET.tostring(task, "unicode") + "\n"
    return text.replace("\n", "\r\n").encode("utf-16")


def _add(parent: ET.Element, tag: str, /, **texts: str) -> ET.Element:
    made = ET.SubElement(parent, tag)
    for name, text in texts.items():
        ET.SubElement(made, name).text = text
    return made
