"""Code lists: from a file or by hand, published first and revised afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def stored(hub: Any, name: str) -> Any:
    return json.loads(hub("show", "code_list", f"hq:{name}", "--json").out)["record"]["codes"]


def test_publish_a_file_then_revise_it(made: Any, tmp_path: Path) -> None:
    file = tmp_path / "technology.csv"
    file.write_text("\ufeffcode,zh,en,ru\nAERO,航空,aviation,авиация\nAGRI,,,\n", "utf-8")
    assert made("code-list", "publish", "technology", str(file)).out == "code list technology is published: 2 codes\n"
    assert stored(made, "technology") == [
        {"code": "AERO", "zh": "航空", "en": "aviation", "ru": "авиация"},
        {"code": "AGRI", "zh": None, "en": None, "ru": None},
    ]
    assert "is revised: 1 codes" in made("code-list", "publish", "technology", "--code", "FOOD").out
    assert [c["code"] for c in stored(made, "technology")] == ["FOOD"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name\nAERO\n", "expected a first line of code, zh, en, ru, came name"),
        (b'code\nAERO\n""\n', "line 3: expected a code, came an empty cell"),
        (b"code,zh\nAERO,\xba\xbd\n", "expected CSV in UTF-8"),
        (b"", "expected a first line of"),
    ],
)
def test_bad_file_names_the_line(made: Any, tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(content)
    done = made("code-list", "publish", "technology", str(file))
    assert done.status == 2
    assert said in done.err


def test_the_same_code_twice_is_refused(made: Any) -> None:
    done = made("code-list", "publish", "market", "--code", "FOOD", "--code", "FOOD")
    assert "the values contradict each other" in done.err
    assert made("show", "code_list", "hq:market").status == 2
