"""`python -m tests.fuzz [TARGET…] [--seconds N] [--jobs N]`: run libFuzzer on each target, and keep what it found.

Each target runs in a process of its own, through atheris, with the kept corpus and the seeds to begin with. An input
that raises, that takes 10 seconds, or for which the process takes 2 GB, is a fault: it is written to
`build/fuzz/<target>/`, and the exit status is 1. libFuzzer adds to a corpus what reaches code that nothing before it
has reached: `--keep` puts that into `tests/data/fuzz`, as far as there is room, and `make test` tries it every time.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.corpus import keep, kept
from tests.fuzz.target import Target, numbered
from tests.fuzz.targets import TARGETS

BUILD = Path("build") / "fuzz"
INPUT_SECONDS_MAX = 10
MEMORY_MB_MAX = 2048


@dataclass(frozen=True)
class Outcome:
    """What came of one target: how many inputs were tried, how many are in its corpus, which files break it."""

    target: Target
    runs: int
    inputs: int
    faults: tuple[Path, ...]


def main() -> int:
    """Fuzz what the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("target", nargs="*", help=f"one or more of: {', '.join(TARGETS)} (all)")
    parser.add_argument("--seconds", type=int, default=60, help="how long each target is tried (60)")
    parser.add_argument("--in-all", type=int, help="seconds for all of them together, in the place of --seconds")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    parser.add_argument("--keep", action="store_true", help="keep the corpus in tests/data/fuzz")
    asked = parser.parse_args()
    unknown = [name for name in asked.target if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]}; there are: {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed here: `make fuzz` installs it, on Linux")
    chosen = [TARGETS[name] for name in asked.target] or list(TARGETS.values())
    seconds = max(1, asked.in_all * asked.jobs // len(chosen)) if asked.in_all else asked.seconds
    print(f"{len(chosen)} targets, {seconds} s each, {asked.jobs} at a time", flush=True)
    with ThreadPoolExecutor(asked.jobs) as pool:
        outcomes = []
        for outcome in pool.map(lambda target: _fuzz(target, seconds, keeps=asked.keep), chosen):
            outcomes.append(outcome)
            said = f"FAULT: {', '.join(map(str, outcome.faults))}" if outcome.faults else "no fault"
            print(
                f"{outcome.target.name:<14} {outcome.runs:>10,} inputs  corpus {outcome.inputs:>5}  {said}", flush=True
            )
    return 1 if any(outcome.faults for outcome in outcomes) else 0


def _fuzz(target: Target, seconds: int, *, keeps: bool) -> Outcome:
    home = BUILD / target.name
    corpus, faults = home / "corpus", home / "faults"
    for folder in (corpus, faults):
        folder.mkdir(parents=True, exist_ok=True)
    for name, data in (*numbered(target.seeds()), *((f"kept-{n}", data) for n, data in enumerate(kept(target.name)))):
        (corpus / name).write_bytes(data[: target.bytes_max])
    started = time.time()
    log = _run(
        target, f"-max_total_time={seconds}", f"-max_len={target.bytes_max}", f"-timeout={INPUT_SECONDS_MAX}",
        f"-rss_limit_mb={MEMORY_MB_MAX}", f"-artifact_prefix={faults}/", "-print_final_stats=1", str(corpus),
    )  # fmt: skip
    (home / "log.txt").write_bytes(log)
    runs = [int(line.split()[-1]) for line in log.splitlines() if line.startswith(b"stat::number_of_executed_units")]
    if not runs and not list(faults.iterdir()):
        raise RuntimeError(f"{target.name} did not run: see {home / 'log.txt'}")
    if keeps:
        keep(target.name, (path.read_bytes() for path in corpus.iterdir() if not path.name.startswith("seed-")))
    new = tuple(sorted(path for path in faults.iterdir() if path.stat().st_mtime >= started - 1))
    return Outcome(target, sum(runs), len(list(corpus.iterdir())), new)


def _run(target: Target, *arguments: str) -> bytes:
    command = [sys.executable, "-m", "tests.fuzz.inside", target.name, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout


if __name__ == "__main__":
    sys.exit(main())
