"""The start of a self-unpacking file: may this Python run it, alone, and is the file whole? Then start.py is believed.

An old Python has to be able to read this far: what is newer than Python 3.6 stands in start.py. The packer adds the
line that calls `run`.
"""

# ruff: noqa: INP001, PLC0415, PTH123  a part of the files that deploy/pyz/pack.py writes
import os
import sys

OLDEST = (3, 11)
UNUSABLE = 3
# In all languages, for nobody has said yet in which one; they stand here, for what is damaged can't be asked for words.
OTHER_PYTHON = (
    "expected Python 3.11, 3.12 or 3.13, this is {0}.{1}",
    "нужен Python 3.11, 3.12 или 3.13, а это {0}.{1}",
    "需要 Python 3.11、3.12 或 3.13，而这是 {0}.{1}",
)
DAMAGED = (
    "{0} is damaged: its bytes are not those that were made. Fetch it again, and compare its SHA-256",
    "{0} повреждён: это не те байты, что были созданы. Скачайте файл снова и сверьте его SHA-256",
    "{0} 已损坏：内容与制作时不同。请重新下载，并核对其 SHA-256",
)
LOST = (
    "this Python does not know where it is: start it by its path, /path/to/python3 FILE.pyz",
    "этот Python не знает, где он лежит: запустите его по пути, /path/to/python3 FILE.pyz",
    "此 Python 不知道自己的位置：请用完整路径启动，/path/to/python3 FILE.pyz",
)


def run(file: str, program: str, alone: str) -> int:
    """Run what is in `file`; return the exit status. `alone` has the options that Python is to be started with."""
    for stream in ("stdout", "stderr"):  # a program without a window has none on Windows
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(os.devnull, "w"))  # noqa: SIM115 -- for as long as the process lives
    if sys.version_info < OLDEST:  # whoever has an older one is told so here, and not by a traceback
        return refuse(program, OTHER_PYTHON, *sys.version_info)
    if not (sys.flags.isolated and sys.flags.no_site and sys.flags.dont_write_bytecode >= ("B" in alone)):
        return run_alone(file, program, alone)
    if not is_whole(file):
        return refuse(program, DAMAGED, file)
    from start import main  # type: ignore[import-not-found]

    return int(main(file, program))


def run_alone(file: str, program: str, alone: str) -> int:
    """Start again without what else is installed here or named by the environment: nothing of it may take part."""
    if not sys.executable:
        return refuse(program, LOST)
    command = [sys.executable, alone, file, *sys.argv[1:]]
    if os.name == "posix":
        os.execv(sys.executable, command)  # noqa: S606 -- our own file, by the Python that runs it
    import subprocess

    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # it has the same Ctrl-C, and ends in its own time
            continue


def is_whole(file: str) -> bool:
    """Return whether the third line is the SHA-256 of all the others."""
    import hashlib

    with open(file, "rb") as opened:
        before, said = opened.readline() + opened.readline(), opened.readline()
        digest = hashlib.sha256(before)
        while True:
            part = opened.read(1 << 20)
            if not part:
                return said == b"# " + digest.hexdigest().encode() + b"\n"
            digest.update(part)


def refuse(program: str, texts, *values) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002
    """Say why the file can't be run, which says nothing of what it was to do; return the exit status."""
    sys.stderr.write(program + ": " + "\n  ".join(texts).format(*values) + "\n")
    return UNUSABLE
