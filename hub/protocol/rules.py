"""The rules that verdicts are made by, by number. Which are in force the hq lane says, so every basis names them.

Rules 1 are those of releases before 0.3. What a number means never changes: a ledger, a bundle or an outbox is judged
again by the rules that were in force at its basis. New rules are a new number here, and a difference is a field of
`Rules`, so that this file is the whole list of differences.
Source: docs/adr/0026-rules-have-numbers.md; schemas/PROTOCOL.md, "Rules".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hub.protocol.errors import Newer


@dataclass(frozen=True, slots=True)
class Rules:
    """One number's rules: in what they differ from others'.

    `uuid_ids`: `ce_id` is a UUID in its canonical text form.
    `kafka_key_judged`: a record whose Kafka key is not its `ce_subject` gets BAD_KEY, though no seal covers that key.
    `exact_text`: text is measured as it is kept, and has neither white space at its ends nor any control character.
    `repeats_known`: an event that says what its entity already is gets ALREADY_SAID.
    `strict_seals`: a seal has no extension lines, and a record one seal at most.
    """

    number: int
    uuid_ids: bool
    kafka_key_judged: bool
    exact_text: bool
    repeats_known: bool
    strict_seals: bool


_ALL: Final = (
    Rules(1, uuid_ids=False, kafka_key_judged=True, exact_text=False, repeats_known=False, strict_seals=False),
    Rules(2, uuid_ids=True, kafka_key_judged=False, exact_text=True, repeats_known=True, strict_seals=True),
)
RULES: Final[Mapping[int, Rules]] = MappingProxyType({rules.number: rules for rules in _ALL})
RULES_KNOWN: Final = tuple(RULES)
FIRST: Final = _ALL[0]
NEWEST: Final = _ALL[-1]


def rules(number: int) -> Rules:
    """Return the rules of that number. Errors: Newer, for a number that this release does not have."""
    found = RULES.get(number)
    if found is None:
        known = ", ".join(map(str, RULES_KNOWN))
        raise Newer(f"rules {number} are in force, and this release has the rules {known}: take a newer release")
    return found
