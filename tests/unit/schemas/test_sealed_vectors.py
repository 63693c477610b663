"""The vectors of personal values are what a center's cipher makes, opens and refuses, and what HQ takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.runtime.persons.cipher import Located, key_id, seal, unseal
from hub.domain.sealed import SEALED_LENGTH_MAX, key_id_of
from hub.protocol.errors import Malformed
from schemas.vectors.make import HERE

FILE: dict[str, Any] = json.loads((HERE / "sealed.json").read_text("utf-8"))


def cases(kind: str) -> pytest.MarkDecorator:
    """Return the parameters of a test over one list of the file, each under its own name."""
    return pytest.mark.parametrize("vector", [pytest.param(v, id=v["name"]) for v in FILE[kind]])


@cases("good")
def test_value_is_sealed_and_opened(vector: dict[str, Any]) -> None:
    """The same parts in the same place give the same text, and the text the parts."""
    key, place = bytes.fromhex(vector["key"]), Located(**vector["place"])
    assert seal(key, place, vector["parts"]) == vector["value"]
    assert key_id(key, place) == vector["key_id"]
    assert unseal(key, place, vector["value"]) == vector["parts"]


@cases("bad")
def test_value_does_not_open_elsewhere(vector: dict[str, Any]) -> None:
    """Each of these has one thing changed."""
    with pytest.raises(Malformed):
        unseal(bytes.fromhex(vector["key"]), Located(**vector["place"]), vector["value"])


@cases("shapes")
def test_shape_is_what_hq_takes(vector: dict[str, Any]) -> None:
    """HQ can't open a value: it looks at its shape and length alone."""
    value = vector["value"]
    assert (key_id_of(value) is not None and len(value) <= SEALED_LENGTH_MAX) == vector["taken"]
