"""Rows of a table as wanted states of entities, by a mapping that is data and never code. Pure."""

from connectors.mapping.compiled import compile_mapping
from connectors.mapping.model import Mapping, Source, read_mapping
from connectors.mapping.outcome import Problem, RowOutcome, Wanted, outcomes
from connectors.mapping.person import Instead, PersonField, PersonSaid, SealPerson, person_identity
from connectors.mapping.problem import LocalCode

__all__ = [
    "Instead",
    "LocalCode",
    "Mapping",
    "PersonField",
    "PersonSaid",
    "Problem",
    "RowOutcome",
    "SealPerson",
    "Source",
    "Wanted",
    "compile_mapping",
    "outcomes",
    "person_identity",
    "read_mapping",
]
