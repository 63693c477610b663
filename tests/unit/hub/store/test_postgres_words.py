"""What PostgreSQL is told otherwise than SQLite, and that nothing else gets through."""

from __future__ import annotations

import pytest

from hub.store.postgres_words import formatted, numbered


@pytest.mark.parametrize(
    ("sqlite", "postgres"),
    [
        ("SELECT 1 FROM lane WHERE id = ? AND size > ?", "SELECT 1 FROM lane WHERE id = $1 AND size > $2"),
        (
            "l.center IN (SELECT value FROM json_each(?))",
            "l.center IN (SELECT CAST(value AS text) FROM jsonb_array_elements_text(CAST($1 AS jsonb)) AS value)",
        ),
        (
            "sequence IN (SELECT value FROM json_each(?))",
            "sequence IN (SELECT CAST(value AS bigint) FROM jsonb_array_elements_text(CAST($1 AS jsonb)) AS value)",
        ),
        ("typeof(p.upto) = 'integer' AND p.upto > 1", "true AND p.upto > 1"),
        ("typeof(published.upto) <> 'integer' OR x", "false OR x"),
        ("SELECT CAST(r.note AS BLOB)", "SELECT r.note"),
        ("SELECT CAST(document AS BLOB)", "SELECT convert_to(document, 'UTF8')"),
        ("CAST(signed_at_us AS INTEGER)", "signed_at_us"),
        ("max(said.upto, excluded.upto)", "greatest(said.upto, excluded.upto)"),
        ("SELECT max(last) FROM segment", "SELECT max(last) FROM segment"),
        ("request IS ? AND other IS ?", "request IS NOT DISTINCT FROM $1 AND other IS NOT DISTINCT FROM $2"),
        ("VALUES (0, x'')", "VALUES (0, '\\x')"),
        ("DELETE FROM remark WHERE rowid = ?", "DELETE FROM remark WHERE ctid = $1"),
    ],
)
def test_statement_is_said_as_postgresql_takes_it(sqlite: str, postgres: str) -> None:
    assert numbered(sqlite) == postgres


@pytest.mark.parametrize(
    "sqlite",
    [
        "SELECT json_each(?)",
        "INSERT OR REPLACE INTO place VALUES (?)",
        "SELECT typeof(x) = 'real'",
        "SELECT x'00ff'",
        "SELECT last FROM receipt WHERE lane_id = ?1",
        "SELECT json_extract(document, '$.record')",
    ],
)
def test_what_is_not_in_the_list_is_refused(sqlite: str) -> None:
    """Nothing is guessed: whoever writes such a statement finds out in the contract suite."""
    with pytest.raises(ValueError, match="PostgreSQL has no"):
        numbered(sqlite)


def test_signs_of_the_other_driver_are_kept_apart() -> None:
    """pg8000 takes `%s` for a value, so a percent sign of the statement's own is doubled."""
    assert formatted("origin LIKE '%/log' AND size > ?") == "origin LIKE '%%/log' AND size > %s"
