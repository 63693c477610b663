"""Persons under kills: who was sealed is read again or erased, who was erased stays so, and no key is left over."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.mapping import LocalCode, PersonField, PersonSaid
from connectors.runtime.persons import Persons
from connectors.runtime.persons.cipher import KEY_BYTES
from connectors.runtime.persons.register import KEYS

pytestmark = pytest.mark.fault

ROUNDS = 6
PROGRAM = """
import random, sys, time
from pathlib import Path
from connectors.mapping import PersonField, PersonSaid
from connectors.runtime.persons import Persons

office, name, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
chance = random.Random(seed)
with Persons(office, "hub.example", "uz") as persons:
    for number in range(10_000):
        time.sleep(0.001)  # locks of SQLite are not fair
        made = []
        with persons.transaction():
            for part in range(chance.randrange(1, 6)):
                who = f"{name}-{seed}-{number}-{part}"
                place, said = PersonField("partner", f"uz:{who}", "contact"), PersonSaid(who, {"name": who})
                made.append((who, persons.seal(place, said).text))
        for who, text in made:
            print("sealed", who, text, ".", flush=True)
        if number % 3 == 0:
            print("erasing", made[0][0], ".", flush=True)
            persons.erase(persons.find(made[0][0]))
            print("erased", made[0][0], ".", flush=True)
"""


def lines(log: Path) -> Iterator[list[str]]:
    """Yield what a child has printed whole: a line that ends in a point; the kill may have cut one."""
    for line in log.read_text("ascii").splitlines():
        if line.endswith(" ."):
            yield line.split(" ")


@pytest.mark.long
def test_persons_of_two_processes_that_are_killed(tmp_path: Path) -> None:
    """Two writers at once, killed at any moment, again and again: what they have said holds for whoever comes next."""
    chance = random.Random(5)
    (tmp_path / "keys").mkdir(exist_ok=True)
    log = tmp_path / "said"
    for seed in range(ROUNDS):
        with log.open("ab") as first, (tmp_path / "said-2").open("ab") as second:
            starts = first.tell(), second.tell()
            command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
            children = [
                subprocess.Popen([*command, name, str(seed)], stdout=output)
                for name, output in (("one", first), ("two", second))
            ]
            try:
                ends = time.monotonic() + 60
                while any(
                    output.seek(0, 2) < start + 3000 for output, start in zip((first, second), starts, strict=True)
                ):
                    assert time.monotonic() < ends, "a child has said nothing"
                    time.sleep(0.02)
                time.sleep(chance.random() / 2)  # until the kill: not a wait for anything
            finally:
                for child in children:
                    child.kill()
                    child.wait()
            for output in (first, second):
                output.write(b"\n")  # after half a line
    said = [*lines(log), *lines(tmp_path / "said-2")]
    sealed = {line[1]: line[2] for line in said if line[0] == "sealed"}
    erasing = {line[1] for line in said if line[0] == "erasing"}
    erased = {line[1] for line in said if line[0] == "erased"}
    assert len(sealed) > 50
    assert len(erased) > 5
    with Persons(tmp_path, "hub.example", "uz") as persons:
        for who, text in sealed.items():
            place = PersonField("partner", f"uz:{who}", "contact")
            parts, again = persons.unseal(place, text), persons.seal(place, PersonSaid(who, {"name": who}))
            if who in erased:
                assert (parts, again.remark) == (None, LocalCode.PERSON_ERASED)
            elif who not in erasing:
                assert (parts, again.text) == ({"name": who}, text)
        living = {one.slot for one in persons.everyone() if one.erased_at is None}
    keys = (tmp_path / KEYS).read_bytes()
    left = {n for n in range(1, len(keys) // KEY_BYTES) if any(keys[n * KEY_BYTES : (n + 1) * KEY_BYTES])}
    assert left <= living
    assert pytest.approx(len(living), abs=len(erasing)) == len(left)
