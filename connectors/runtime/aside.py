"""Files that are there and not taken: locked, too large, or of a name that no mapping is for. `status` shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from connectors.mapping.model import Mapping
from connectors.runtime.office import mapping_for
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.rows import FileState, Reason
from connectors.source.folder import FileStatus, FolderSettings, list_files
from connectors.source.folder import ScanState as Seen
from connectors.source.problem import FileCode

UNMAPPED_EVERY_S: Final = 30.0  # it is a second listing, and no file waits for it

_STATES: Final = {Seen.LOCKED: FileState.LOCKED, Seen.TOO_LARGE: FileState.TOO_LARGE}
log = structlog.get_logger(__name__)


class Aside:
    """Notes in the outbox which files are set aside, and logs each change once."""

    def __init__(self, outbox: Outbox) -> None:
        self._rows = outbox.rows
        self._known = outbox.rows.aside()
        self._unmapped_at = float("-inf")

    def note(self, files: Iterable[FileStatus]) -> set[str]:
        """Note what became of `files`; return those that were set aside and can be read again now.

        The caller has them read once more, unchanged as they may be: their own state was covered by ours.
        Errors: Retriable.
        """
        seen = {file.name: file for file in files}
        for file in seen.values():
            state = _STATES.get(file.state)
            if state is not None:
                self._set(file.name, state, file.message)
        aside = {name for name, why in self._known.items() if why in _STATES.values()}
        for name in aside - seen.keys():
            self._rows.drop(name)
            del self._known[name]
        # Nothing can fail any more: what is told here is told once.
        freed = {name for name in aside & seen.keys() if seen[name].state is Seen.TAKEN}
        for name in freed:
            log.info("file_readable", file=name)
            del self._known[name]
        return freed

    def drop(self, name: str) -> None:
        """Forget a file that is gone."""
        self._known.pop(name, None)

    def find_unmapped(self, settings: FolderSettings, mappings: list[Mapping], now: float) -> None:
        """Note, now and then, the files that no mapping is for. Errors: Retriable."""
        if now - self._unmapped_at < UNMAPPED_EVERY_S:
            return
        try:
            there = list_files(settings)
        except (OSError, ValueError):
            return  # the scan says so itself; with too many files, the strange ones are not told
        self._unmapped_at = now
        found = {name for name in there if mapping_for(mappings, name) is None}
        for name in found:
            self._set(
                name,
                FileState.UNMAPPED,
                "no mapping is for this name: rename the file, or name it under `files` in a mapping",
            )
        for name in [name for name, state in self._known.items() if state is FileState.UNMAPPED and name not in found]:
            if name not in there:
                self._rows.drop(name)
            del self._known[name]

    def again(self) -> None:
        """Have the next look be for files without a mapping too: the mappings have changed."""
        self._unmapped_at = float("-inf")

    def _set(self, name: str, state: FileState, message: str) -> None:
        if self._known.get(name) is state:
            return
        code = FileCode.FILE_TOO_LARGE if state is FileState.TOO_LARGE else ""
        self._rows.set_aside(name, state, Reason(message, code))
        self._known[name] = state
        log.warning("file_set_aside", file=name, state=str(state), reason=message)
