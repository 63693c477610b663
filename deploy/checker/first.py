"""`__main__.py` of the checker: may this Python run it, alone, and is the file whole? Then `start.py` is believed.

An old Python has to be able to read this far: what is newer than Python 3.6 stands in start.py.
"""

# ruff: noqa: INP001, PLC0415, PTH100, PTH120, PTH123  a part of the file that deploy/checker/make.py writes
import os
import sys

OLDEST = (3, 11)
UNUSABLE = 3


def run(file: str) -> int:
    """Run the checker in `file`; return the exit status."""
    if sys.version_info < OLDEST:  # whoever has an older one is told so here, and not by a traceback
        return refuse("expected Python 3.11, 3.12 or 3.13, this is {}.{}".format(*sys.version_info))
    if not (sys.flags.isolated and sys.flags.no_site and sys.flags.dont_write_bytecode):
        return run_alone(file)
    if not is_whole(file):
        return refuse(
            file + " is damaged: its bytes are not those that were made. Fetch it again, and compare its SHA-256"
        )
    from start import main  # type: ignore[import-not-found]

    return int(main(file))


def run_alone(file: str) -> int:
    """Start again without what else is installed here or named by the environment: nothing of it may take part."""
    if not sys.executable:
        return refuse("this Python does not know where it is: start it by its path, /path/to/python3 FILE.pyz")
    command = [sys.executable, "-I", "-S", "-B", file, *sys.argv[1:]]
    if os.name == "posix":
        os.execv(sys.executable, command)  # noqa: S606 -- our own file, by the Python that runs it
    import subprocess

    return subprocess.call(command)


def is_whole(file: str) -> bool:
    """Return whether the third line is the SHA-256 of all the others."""
    import hashlib

    with open(file, "rb") as opened:
        before, said, after = opened.readline() + opened.readline(), opened.readline(), opened.read()
    return said == b"# " + hashlib.sha256(before + after).hexdigest().encode() + b"\n"


def refuse(text: str) -> int:
    """Say why the checker can't be run, which says nothing of the bundle; return the exit status."""
    sys.stderr.write("cohub-check: " + text + "\n")
    return UNUSABLE


sys.exit(run(os.path.dirname(os.path.abspath(__file__))))
