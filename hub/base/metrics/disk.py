"""How much room there is where a process keeps its data."""

from __future__ import annotations

import shutil
from pathlib import Path

from hub.base.metrics import declared
from hub.base.metrics.book import Book


def disk(book: Book, folder: Path) -> None:
    """Put how much room there is on the disk of a folder, for whoever may not use what is kept for root."""
    found = shutil.disk_usage(folder)
    book.put(declared.DISK_FREE, found.free)
    book.put(declared.DISK_SIZE, found.total)
