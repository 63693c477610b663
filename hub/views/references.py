"""Who names whom: each field of an entity that holds another one's id, to be read both ways."""

from __future__ import annotations

from typing import NamedTuple

from hub.domain.catalogue import STREAMS
from hub.domain.entity import Entity
from hub.views.table import FactTable
from hub.views.view import Facts, View, key_of


class Reference(NamedTuple):
    """That the entity's `field` names the entity `target`, which is a `key_of`."""

    field: str
    target: str


REFERENCE = FactTable("reference", Reference, key=("field",), indexes=("target",))


def facts_of(entity: Entity) -> Facts:
    """Return whom an entity names."""
    named = STREAMS[entity.stream].references
    found = [
        Reference(field, key_of(stream, target))
        for field, stream in named.items()
        if (target := entity.record.get(field)) is not None
    ]
    return {REFERENCE: found}


REFERENCES = View(
    name="references",
    version=1,
    streams=frozenset(name for name, stream in STREAMS.items() if stream.references),
    facts=(REFERENCE,),
    facts_of=facts_of,
)
