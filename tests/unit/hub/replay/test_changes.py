"""What differs between two values."""

from __future__ import annotations

from typing import Any

import pytest

from hub.replay.changes import changes


def told(old: Any, new: Any) -> list[tuple[str, Any, Any]]:
    return [(change.field, change.old, change.new) for change in changes(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, {"a": 1, "b": None, "c": []}, [("a", None, 1)]),
        ({"a": 1}, None, [("a", 1, None)]),
        ({"a": 1, "b": 2}, {"b": 3, "a": 1}, [("b", 2, 3)]),
        ({"a": ["x", "y"]}, {"a": ["y"]}, [("a", ["x", "y"], ["y"])]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("a.c", 2, 3)]),
        ({"keys": [{"s": "active"}]}, {"keys": [{"s": "revoked"}, {"s": "active"}]},
         [("keys.0.s", "active", "revoked"), ("keys.1.s", None, "active")]),
        ({"a": None}, {}, []),
        ({"a": []}, {"a": None}, []),
        ({"a": False}, {"a": None}, [("a", False, None)]),
        ({"a": 0}, {"a": False}, []),
    ],
)  # fmt: skip
def test_changes_are_told_by_field(old: Any, new: Any, expected: list[tuple[str, Any, Any]]) -> None:
    """Records are compared field by field; null, an empty list and nothing are the same."""
    assert told(old, new) == expected
