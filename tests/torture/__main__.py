"""`python -m tests.torture`: treat a whole network badly for as long as one likes, and check all that is left of it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from random import SystemRandom
from typing import Final

from tests.torture import disks
from tests.torture.checker import sentences
from tests.torture.defects import BY_NAME, VARIABLE
from tests.torture.plan import DRAWN, ROOTS, Size, plan, told
from tests.torture.run import Order, Result, Run

RESULT: Final = "result.json"
SETTLE_S: Final = 600.0
DEFECT_SETTLE_S: Final = 180.0


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return what was asked for. Errors: SystemExit with a line that says what was expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults befall it (10)")
    parser.add_argument("--seed", type=int, help="makes the same faults befall it again; none: another one each time")
    parser.add_argument("--centers", type=int, default=30, help="offices (30)")
    parser.add_argument("--workers", type=int, default=2, help="HQ's workers (2)")
    parser.add_argument(
        "--only", action="append", choices=[str(kind) for kind in DRAWN], help="only faults of this kind"
    )
    parser.add_argument("--defect", choices=list(BY_NAME), help="with this defect, and the plan that shows it")
    parser.add_argument("--sound", action="store_true", help="with that plan, and without the defect")
    parser.add_argument("--folder", type=Path, help="where all of it is kept; none: a temporary folder")
    parser.add_argument("--keep", action="store_true", help="keep the folder, whatever comes of it")
    parser.add_argument("--plan", action="store_true", help="print the plan alone")
    asked = parser.parse_args(arguments)
    if asked.minutes <= 0 or not 1 <= asked.centers <= 99 or not 1 <= asked.workers <= 9:
        parser.error("expected some minutes, 1 to 99 centers, and 1 to 9 workers")
    return asked


def sized(centers: int, workers: int) -> Size:
    """Return a network of this size; the disks of two of its offices are such that their power can be cut."""
    offices = tuple(f"c{number:02}" for number in range(1, centers + 1))
    return Size(offices, tuple(f"worker-{number}" for number in range(1, workers + 1)), weak=offices[-2:])


def main() -> int:
    """Run; return 1 where there are findings."""
    asked = options()
    disks.apart(["-m", "tests.torture", *sys.argv[1:]])
    seed = SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    size, length_s = sized(asked.centers, asked.workers), asked.minutes * 60
    kinds = [kind for kind in DRAWN if not asked.only or kind in asked.only]
    has_disks = disks.can_mount()
    faults = plan(seed, length_s, size, kinds)
    defect = BY_NAME[asked.defect] if asked.defect else None
    if defect is not None:
        size, length_s, faults = defect.size, defect.length_s, list(defect.faults)
        if not asked.sound:
            os.environ[VARIABLE] = defect.name
    if not has_disks:
        print("only root has disks of its own here: no disk is full, and no power is cut")  # noqa: T201
        faults = [fault for fault in faults if fault.kind not in ROOTS]
    if asked.plan:
        for fault in faults:
            print(f"{fault.at_s:7.0f} s  {fault}")  # noqa: T201
        return 0
    root = asked.folder or Path(tempfile.mkdtemp(prefix="cohub-torture-"))
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    again = f'make torture ARGS="--seed {seed}{said_of(asked)}"'
    print(f"seed {seed}; the same faults again by: {again}", flush=True)  # noqa: T201
    is_defective = defect is not None and not asked.sound
    settle_s = DEFECT_SETTLE_S if is_defective else SETTLE_S
    order = Order(root, size, seed, length_s, faults, has_disks, settle_s, is_defective=is_defective)
    try:
        result = asyncio.run(Run(order).do())
    except BaseException:
        print(f"cut off; all of it is kept in {root}\nthe same again: {again}")  # noqa: T201
        raise
    tell(result, seed)
    (root / RESULT).write_text(json.dumps(facts(result, seed), indent=1), "utf-8")
    if result.findings or asked.keep:
        print(f"all of it is kept in {root}\nthe same again: {again}")  # noqa: T201
    else:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if result.findings else 0


def said_of(asked: argparse.Namespace) -> str:
    """Return what a command that does the same again ends with."""
    if asked.defect:
        return f" --defect {asked.defect}" + (" --sound" if asked.sound else "")
    words = [f" --minutes {asked.minutes:g} --centers {asked.centers} --workers {asked.workers}"]
    return "".join([*words, *(f" --only '{kind}'" for kind in asked.only or [])])


def facts(result: Result, seed: int) -> dict[str, object]:
    """Return what came of a run, for whoever compares runs."""
    findings = [{"what": one.what, "where": one.where, "detail": one.detail} for one in result.findings]
    return {
        "seed": seed,
        "events": result.events,
        "faults": told(result.begun),
        "seconds": result.seconds,
        "findings": findings,
    }


def tell(result: Result, seed: int) -> None:
    """Print what came of a run."""
    print(f"\nseed {seed}: {result.events} events; seconds {result.seconds}")  # noqa: T201
    for kind, count in told(result.begun).items():
        print(f"  {count:4} × {kind}")  # noqa: T201
    print(f"{len(result.findings) or 'no'} findings")  # noqa: T201
    for line in sentences(result.findings):
        print(f"  {line}")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
