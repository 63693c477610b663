"""The digest of a record, by which a connector knows that HQ has it already."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from hub.domain.entity import canonical_json


def record_digest(record: Mapping[str, Any]) -> bytes:
    """Return 32 bytes that are equal for records that say the same.

    An optional field says the same whether it is absent, null or an empty list: otherwise a new version of a schema,
    with one more optional field, would make every entity of every center look revised.
    """
    said = {name: value for name, value in record.items() if value is not None and value != []}
    return sha256(canonical_json(said)).digest()
