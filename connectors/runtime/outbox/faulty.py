"""An outbox whose commits fail when they are told to: what tests drive the connector's shells with."""

from __future__ import annotations

from pathlib import Path

from connectors.runtime.outbox.database import Database, OutboxFull
from hub.base.faulty import Fault, Faults


class FaultyDatabase(Database):
    """An outbox file that fails as `faults` has it: a commit is refused, or done and told to have failed.

    What is counted are the transactions from its opening on, the file's own preparation not among them.
    Errors: OutboxFull, of every commit that is to fail.
    """

    def __init__(self, path: Path) -> None:
        self.faults = Faults()
        super().__init__(path)
        self.faults = Faults()

    def _commit(self) -> None:
        fault = self.faults.next("")
        if fault is not Fault.REFUSED:
            super()._commit()
        if fault is not None:
            raise OutboxFull("errors.outbox_full", path=self.path)
