"""What a process that crashes leaves of its memory: nothing, for keys and passwords are in it.

A core dump is a process's memory as a file: in the folder where it stood, or wherever the system collects crashes, from
where it may be sent to somebody. Two things are asked of the system before any secret is read:

    RLIMIT_CORE        no dump of this process, nor of what it starts: Kafka's JVM has keys and passwords in its memory,
                       too. On Linux the limit is one byte. No dump is as short; and where dumps go to a program
                       (systemd-coredump, apport), which no limit bounds, this one alone keeps Linux from making any,
                       while of 0 it takes no notice there (fs/coredump.c).
    PR_SET_DUMPABLE 0  on Linux: no dump of this process whatever the limit says; and no other process of the same user
                       can attach to it, or read its memory or its environment, as with ssh-agent.

The second has a price: gdb, strace and py-spy need root to look into a running hub or connector. What they are wanted
for is in the log all the same: the stacks of a process that hangs (`hub.base.ending`), and where an error came from
(COHUB_DEBUG). systemd, its notifications and its restarts need nothing of it.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Final

PR_SET_DUMPABLE: Final = 4
CORE_BYTES_MAX: Final = 1 if sys.platform == "linux" else 0

if sys.platform == "win32":

    def leave_no_memory() -> None:
        """Do nothing: Windows keeps no memory of a process that crashes, unless its administrator has it do so."""

else:
    import resource

    def leave_no_memory() -> None:
        """See that neither this process nor what it starts leaves its memory behind. For good: it can't be undone."""
        with contextlib.suppress(OSError, ValueError):  # a lower limit is in force already, for good
            resource.setrlimit(resource.RLIMIT_CORE, (CORE_BYTES_MAX, CORE_BYTES_MAX))
        if sys.platform == "linux":
            import ctypes

            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
