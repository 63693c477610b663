"""The outbox: what a center has to say, what it has said, and what HQ decided, in one SQLite file.

database   the file: transactions, errors
schema     its tables, and how the file of an older release comes to have them
meta       the single values that it keeps by name
beliefs    what is believed of each entity (`connectors.reconcile.belief`), loaded and saved
turn       the lock that goes to whoever has waited longest
faulty     the file with commits that fail when they are told to, for tests
queue      events on their way in
lane       epochs, sealed batches, the tree
answers    receipts, and the verdicts in them
rows       files and their rows
orphans    which file owns an entity, and what no file names any more
witnessed  what was seen of HQ's log, and what was cosigned
status     what `connector status` shows
"""

from connectors.runtime.outbox.database import IN_MEMORY
from connectors.runtime.outbox.outbox import Outbox

__all__ = ["IN_MEMORY", "Outbox"]
