"""The alarms that `connector status` shows: each is kept in the outbox under its name for as long as it holds."""

from __future__ import annotations

from enum import StrEnum


class AlarmName(StrEnum):
    """What a person at the center must know."""

    FOREIGN = "foreign"  # another machine writes for this center
    DIVERGED = "diverged"  # HQ holds more of our lane than we do, or another tree
    KEY = "key"  # HQ does not have our seal key, or has revoked it
    LONG_SEALS = "long_seals"  # HQ expects seals by a second kind of key, which we do not have
    WITNESS_KEY = "witness_key"  # HQ does not have our witness key, or has revoked it
    FOREIGN_KEY = "foreign_key"  # HQ has a key in our name that this office never made
    SUSPENDED = "suspended"  # HQ takes no events of this center
    SCHEMA_NOT_ANNOUNCED = "schema_not_announced"  # an event waits until HQ can read it
    LOG = "log"  # HQ's log did not only grow, or the topic does not show all of it: nothing is cosigned
    CLOCK = "clock"  # this computer's clock is wrong
    NOT_LOGGED = "not_logged"  # HQ gave a receipt that its log does not have
    REGISTRY = "registry"  # the copy of HQ's own lane that this office reads is too short, or another
