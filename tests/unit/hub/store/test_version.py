"""Which databases a release may use: its own, and newer ones that say so."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

from hub.base.release import release
from hub.protocol.errors import UsageError
from hub.store import migrate
from hub.store.moved import MOVED
from hub.store.version import COMPATIBLE_SINCE, HEAD, SINCE_RELEASE, Version

MIGRATIONS: Final = Path(migrate.__file__).parent / "migrations" / "versions"
ADDING: Final = {"create_table", "create_index", "add_column"}


def scripts() -> list[Path]:
    return sorted(MIGRATIONS.glob("[0-9]*.py"))


def operations(script: str) -> list[ast.Call]:
    """Return what a migration calls of `op`."""
    return [
        node
        for node in ast.walk(ast.parse(script))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "op"
    ]


def only_adds(script: str) -> bool:
    """Return whether programs of the version before may go on: they neither read what is new, nor have to write it."""
    for call in operations(script):
        assert isinstance(call.func, ast.Attribute)
        if call.func.attr not in ADDING:
            return False
        words = {word.arg: ast.unparse(word.value) for one in call.args[1:2] for word in getattr(one, "keywords", ())}
        if call.func.attr == "add_column" and words.get("nullable") == "False" and "server_default" not in words:
            return False
        if call.func.attr == "create_index" and any(word.arg == "unique" for word in call.keywords):
            return False  # an older program may write two rows alike
    return True


def test_newest_migration_is_this_releases() -> None:
    assert scripts()[-1].name[:4] == HEAD


def test_migrations_behind_the_compatible_one_only_add() -> None:
    """Whoever writes another kind sets COMPATIBLE_SINCE to it, so that no older program is let in."""
    behind = [script for script in scripts() if script.name[:4] > COMPATIBLE_SINCE]
    assert [script.name for script in behind if not only_adds(script.read_text())] == []


@pytest.mark.parametrize(
    ("operation", "adds"),
    [
        ("op.create_table('a', sa.Column('b', sa.Text(), nullable=False))", True),
        ("op.create_index('a', 'b', ['c'])", True),
        ("op.create_index('a', 'b', ['c'], unique=True)", False),
        ("op.add_column('a', sa.Column('b', sa.Text()))", True),
        ("op.add_column('a', sa.Column('b', sa.Text(), nullable=True))", True),
        ("op.add_column('a', sa.Column('b', sa.Integer(), nullable=False, server_default='0'))", True),
        ("op.add_column('a', sa.Column('b', sa.Integer(), nullable=False))", False),
        ("op.drop_column('a', 'b')", False),
        ("op.execute('UPDATE a SET b = 1')", False),
        ("op.create_table('a')\nop.drop_table('b')", False),
    ],
)
def test_migration_that_does_more_than_add_is_known(operation: str, adds: bool) -> None:
    assert only_adds(operation) == adds


def test_release_that_is_named_is_one_that_there_is() -> None:
    """Nobody is sent for a release to come: the newest that the sentence can name is this one."""

    def numbers(of: str) -> list[int]:
        return [int(part) for part in of.partition("a")[0].split(".")]

    assert COMPATIBLE_SINCE <= HEAD
    assert numbers(SINCE_RELEASE) <= numbers(release())


@pytest.mark.parametrize(
    ("version", "usable", "copied"),
    [
        (Version(HEAD, HEAD, SINCE_RELEASE), True, True),
        (Version(HEAD), True, True),
        (Version("9999", COMPATIBLE_SINCE, SINCE_RELEASE), True, False),
        (Version("9999", "9999", "9.9.9"), False, False),
        (Version("9999"), False, False),
        (Version("0012"), False, False),
        (Version("0012", "0001"), False, False),
        (Version(MOVED, COMPATIBLE_SINCE), False, False),
        (Version(), False, False),
    ],
    ids=str,
)
def test_version_is_used_or_refused(version: Version, usable: bool, copied: bool) -> None:
    """Whoever copies all tables has to know all of them, and so takes its own version alone."""
    for check, is_taken in ((version.refuse, usable), (version.refuse_others, copied)):
        if is_taken:
            check("hub.sqlite3")
        else:
            with pytest.raises(UsageError, match=r"^hub\.sqlite3: "):
                check("hub.sqlite3")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (
            Version("9999", "9998", "9.9.9"),
            "only programs from version 9998 on may use it; .*install cohub 9.9.9 or newer",
        ),
        (Version("9999"), "only programs from version 9999 on may use it; .*install a newer cohub"),
        (Version("0012"), "`hub migrate` brings it up to date"),
        (Version(MOVED, "0001"), "was moved to another place"),
    ],
    ids=str,
)
def test_refusal_says_what_to_do(version: Version, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        version.refuse()


def test_row_of_any_release_is_read() -> None:
    """Releases up to 0.2 had one column alone; what is not there says nothing."""
    assert Version.of(None) == Version()
    assert Version.of({"version_num": "0002"}) == Version("0002")
    assert Version.of({"version_num": "0013", "compatible_since": None, "since_release": None}) == Version("0013")
    assert Version.of({"since_release": "1", "version_num": "0014", "compatible_since": "0013"}) == Version(
        "0014", "0013", "1"
    )
