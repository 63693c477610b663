"""The embedded broker as a process of its own: `python -m hub.broker --data-dir DIR [--port PORT] [--plain]`.

It lets nobody in but by TLS and a password; the admin's and the worker's are in files of the folder.
Prints one JSON line `{"bootstrap": ..., "pid": ...}` once it takes writes (`pid` is Kafka's own process), then runs
until SIGTERM or SIGINT (status 0) or until Kafka ends by itself (status 1).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

from hub.base.crash import leave_no_memory
from hub.base.lines import log_lines
from hub.base.text import visible
from hub.broker.embedded import EmbeddedKafka
from hub.protocol.errors import CohubError, UsageError


async def run_broker(kafka: EmbeddedKafka) -> int:
    """Run the broker until a signal or its own end; return the exit status for the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends asyncio.run instead
            loop.add_signal_handler(number, stop.set)
    async with kafka:
        sys.stdout.write(json.dumps({"bootstrap": kafka.bootstrap, "pid": kafka.pid}) + "\n")
        sys.stdout.flush()
        stopped = asyncio.ensure_future(stop.wait())
        ended = asyncio.ensure_future(kafka.wait())
        keeping = asyncio.ensure_future(kafka.keep())
        await asyncio.wait((stopped, ended), return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, ended, keeping):
            task.cancel()
        if stop.is_set():
            return 0
        sys.stderr.write(f"the broker ended by itself (status {ended.result()}); see {kafka.log_file}\n")
        return 1


def main() -> int:
    """Parse the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m hub.broker", description="Run Apache Kafka on loopback.")
    parser.add_argument("--data-dir", type=Path, required=True, help="where the data and the port are kept")
    parser.add_argument("--port", type=int, help="default: the port of the earlier start, or a free one")
    parser.add_argument("--plain", action="store_true", help="let everybody on this machine in, and do everything")
    options = parser.parse_args()
    leave_no_memory()
    log_lines()  # standard output is for the one line
    try:
        return asyncio.run(run_broker(EmbeddedKafka(options.data_dir, port=options.port, plain=options.plain)))
    except KeyboardInterrupt:
        return 0
    except CohubError as exc:
        sys.stderr.write(f"{visible(str(exc))}\n")
        return 2 if isinstance(exc, UsageError) else 1


if __name__ == "__main__":
    sys.exit(main())
