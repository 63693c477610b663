"""Systems that keep programs running, imitated: what they are given is taken apart by their own rules."""

from __future__ import annotations

import os
import plistlib
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree as ET

from connectors.runtime.service_text import System

TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
ODD_NAMES = (
    "two words", " blank at both ends ", "Офис «Ташкент»", "办公室 数据", "全角　空格",
    "100% sure", "%h%n%%", "$HOME ${x} $$",
    "a;b", "[a-z]*?", "`x`", "&amp; <b> &", "🏢", "é", "#1", "~tilde", "-dash", "@", "a=b",
)  # fmt: skip
QUOTED = (
    "it's",
    "'",
    "a\\b\\",
    "a\\\\",
    "\\x41",
    'say "yes"',
    '"',
    'back\\"slash',
    "'\"'",
)  # not in systemd's programs


def words_of(text: bytes, system: System) -> tuple[str, ...]:
    """Return the words of the command that a system takes out of its file, by that system's own rules."""
    if system == "linux":
        return unit_words(text.decode())
    if system == "macos":
        return tuple(plistlib.loads(text)["ProgramArguments"])
    action = ET.fromstring(text.decode("utf-16")).find(f"{TASK}Actions/{TASK}Exec")
    assert action is not None
    command, line = action.findtext(f"{TASK}Command"), action.findtext(f"{TASK}Arguments")
    assert command is not None
    assert line is not None
    return (command, *windows_words(line))


def unit_words(unit: str) -> tuple[str, ...]:
    """Return the words of ExecStart= as systemd.service(5) and systemd.syntax(7) say: quotes, escapes, specifiers."""
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    plain, line = line.startswith(":"), line.removeprefix(":")
    found, rest = [], line
    while rest:
        taken = re.match(r'"((?:[^"\\]|\\.)*)"(?: |$)', rest)
        assert taken, rest
        word = re.sub(r"\\(.)", lambda escape: {"\\": "\\", '"': '"'}[escape[1]], taken[1])
        assert not re.search(r"(?<!%)(?:%%)*%(?!%)", word), word
        assert plain or "$" not in word, word
        found.append(word.replace("%%", "%"))
        rest = rest[taken.end() :]
    return tuple(found)


def windows_words(line: str) -> list[str]:
    """Return the words of a command line, as Microsoft's C runtime takes it apart."""
    words, word, at, quoted, begun = [], "", 0, False, False
    while at < len(line):
        slashes = len(line) - at - len(line[at:].lstrip("\\"))
        after = line[at + slashes : at + slashes + 1]
        if slashes:
            begun = True
            word += "\\" * (slashes // 2 if after == '"' else slashes)
            at += slashes
            if after == '"' and slashes % 2:
                word, at = word + '"', at + 1
        elif after == '"':
            quoted, begun, at = not quoted, True, at + 1
        elif after in " \t" and not quoted:
            words += [word] if begun else []
            word, begun, at = "", False, at + 1
        else:
            word, begun, at = word + after, True, at + 1
    return words + ([word] if begun else [])


SYSTEMCTL = """#!/bin/sh
echo "$@" >> {log}
case "$2" in
enable) mkdir -p {folder}/default.target.wants; ln -sf ../$3 {folder}/default.target.wants/$3;;
disable) rm -f {folder}/default.target.wants/$4;;
esac
"""
LAUNCHCTL = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
bootstrap) test ! -e {folder}/loaded || {{ echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; }}
  touch {folder}/loaded;;
bootout) rm {folder}/loaded 2>/dev/null || {{ echo "Boot-out failed: 3: No such process" >&2; exit 3; }};;
print) test -e {folder}/loaded || exit 113;;
esac
"""
SCHTASKS = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
/Create) touch {folder}/known;;
/Delete) rm {folder}/known;;
/Query|/Run|/End) test -e {folder}/known || {{
  echo "ERROR: The system cannot find the file specified." >&2; exit 1; }};;
esac
"""


def imitate(system: System, place: Path, folder: Path) -> Path:
    """Put a system's program into the folder `place`, for PATH; return the log of what it was told."""
    place.mkdir(parents=True, exist_ok=True)
    name, script = {
        "linux": ("systemctl", SYSTEMCTL), "macos": ("launchctl", LAUNCHCTL), "windows": ("schtasks", SCHTASKS),
    }[system]  # fmt: skip
    log = place / "told.log"
    log.touch()
    program = place / name
    program.write_text(script.format(log=shlex.quote(str(log)), folder=shlex.quote(str(folder))), "utf-8")
    program.chmod(0o755)
    return log


def path_with(place: Path) -> str:
    """Return a PATH on which these programs come first."""
    return f"{place}{os.pathsep}{os.environ['PATH']}"
