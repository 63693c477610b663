"""Code lists that HQ edits: technology and market keywords, industries. Where there is no list, any code is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from hub.domain.fields import FieldRules, ListedCode, Title, crossed, inconsistent
from hub.domain.stream import EventKind, Stream


class ListedTerm(FieldRules):
    """One code and what it is called; a name that is missing is shown as the code."""

    code: ListedCode
    zh: Title | None = None
    en: Title | None = None
    ru: Title | None = None


class CodeList(FieldRules):
    """A whole list, always: a code that is not in it may not be used from now on."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    codes: Annotated[list[ListedTerm], Field(max_length=5000)]
    crossed = (crossed("each_once", "codes", by="code"),)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({term.code for term in self.codes}) != len(self.codes):
            raise inconsistent("codes", "the same code twice")
        return self


def key_of(value: Mapping[str, Any]) -> str:
    """Return the list's name: a list's entity id is `hq:<name>`."""
    return str(value["name"])


CODE_LIST = Stream(
    name="code_list",
    record=CodeList,
    writer="hq",
    events=(
        EventKind("code_list", "published", CodeList, True, frozenset({None}), "published"),
        EventKind("code_list", "revised", CodeList, True, frozenset({"published"}), None),
    ),
    key_of=key_of,
)
