"""What the witness does, as `connector status` shows it: kept as its sentence, said by its name."""

from __future__ import annotations

from enum import StrEnum


class WitnessState(StrEnum):
    """What the witness does."""

    NEVER_RAN = "never ran"
    NOT_YET = "not yet: this release of the connector has not run here"
    ANSWERS_FIRST = "waits: HQ's answers are read first"
    NO_LOG_KEYS = "waits: the trust file has no keys for HQ's log, fetch the new one from HQ"
    NO_LOG = "waits: HQ publishes no log yet, or does not show it to this center"
    READS = "reads"
    NO_KEY = "reads, and cosigns nothing: there is no witness key, `connector key new --purpose witness` makes one"
    MISSING = "waits: hub.checkpoints does not have all that HQ has signed of its log"
    STOPPED = "stopped"
