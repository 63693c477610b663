"""What the code asks the catalogue of an office for is found in the code itself."""

from __future__ import annotations

from pathlib import Path

from schemas.words.asked import asked_texts

TEXTS = {"a.b": frozenset({"x"}), "a.c": frozenset[str](), "log.d": frozenset({"y"})}
CODE = """
said("a.b", x=1)
said("a.b")
speaker.tell(f"a.{name}")
words("other").say("not.ours", language)
OfficeError("a.c" if x else "a.z")
log.info("d", y=1)
log.warning("d")
log.info("for_support_alone")
said(name, **values)
"""


def test_texts_that_are_asked_for_are_found_with_what_they_are_given(tmp_path: Path) -> None:
    """A text that is not there, or lacks a value, is told with its place; a line for the log file needs none."""
    (tmp_path / "connectors").mkdir()
    (tmp_path / "connectors" / "x.py").write_text(CODE)
    found = [fault for one in asked_texts(tmp_path) for fault in one.faults(TEXTS)]
    assert found == ["connectors/x.py:3: a.b wants x", "connectors/x.py:8: log.d wants y"]
    (tmp_path / "connectors" / "x.py").write_text('said("a.z")\n')
    assert [fault for one in asked_texts(tmp_path) for fault in one.faults(TEXTS)] == [
        r"connectors/x.py:1: there is no text a\.z"
    ]
