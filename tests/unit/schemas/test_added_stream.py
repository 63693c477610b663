"""A stream is one domain file and one schema folder, words included: a copy of the product gets one, and nothing else.

From there it goes through everything that meets a stream: released schemas, the registry's rules, the codec, the fold,
the words of the evidence page, a connector's mapping and what its sheet of verdicts says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.added_stream import NAME, WORDS, add_to

ROOT = Path(__file__).parents[3]
PROGRAM = """
import datetime as dt, json
import hub, schemas
from connectors.mapping import compile_mapping, outcomes, read_mapping
from connectors.runtime.explanation import explain
from connectors.source import read_table
from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.judge import judge
from hub.domain.registry import Center, Registry
from hub.domain.rules import complete
from hub.domain.state import state_path
from hub.evidence.words import coded, event_word, field_word, status_word, stream_word
from hub.protocol.avro import Codec
from hub.protocol.errors import Rejected
from hub.protocol.schema import check_released, parse_schema
from schemas.fields import page
from schemas.sources import faults, generated
from schemas.vocabulary import vocabulary
from schemas.words import LANGUAGES

listed = schemas.read("released.json")
kind = KINDS["net.cohub.interest.expressed.v1"]
now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
center = lambda id: Center(id, "active", id, "UZ", "west", None, (), "UTC", frozenset({"interest"}), ())
basis = Registry(1, {"uz": center("uz"), "kz": center("kz")})
codec = Codec(parse_schema(schemas.read(kind.schema_path)))
value = codec.decode(codec.encode(complete(kind, {"subject": "kz:7", "depth": "serious"})))
entity = judge(kind, "uz:1", "uz", now, value, None, now, basis)
try:
    judge(kind, "uz:1", "uz", now, value | {"subject": "de:7"}, None, now, basis)
except Rejected as exc:
    rejected = str(exc.code)
sheet = b"No,About,How\\n1,kz:7,serious\\n2,kz:8,very\\n"
mapping = read_mapping('''
files: interest.csv
stream: interest
key: "No"
fields: {subject: {column: About}, depth: {column: How}}
status: {value: expressed}
''', "interest.yaml")
good, bad = outcomes(mapping, read_table("interest.csv", sheet, mapping.format_options()), "uz")
print(json.dumps({
    "from": hub.__file__,
    "released": [str(found) for found in check_released(schemas.every(), listed)],
    "state_schema": state_path(kind) in schemas.paths(),
    "entity": [entity.stream, entity.status, entity.record["subject"]],
    "rejected": rejected,
    "measure": {name: str(count) for name, count in STREAMS["interest"].contribution(entity).items()},
    "page": [[
        stream_word("interest", each), event_word(kind.type, each), status_word("interest", entity.status, each),
        field_word("interest", "depth", each), coded("interest", "depth", entity.record["depth"], each),
    ] for each in LANGUAGES],
    "told": ["## `interest`" in page(), "| `depth` | `serious` |" in page()],
    "sourced": [list(faults()), "## `interest`" in generated()],
    "known": [
        vocabulary().streams["interest"].statuses["выражен"],
        vocabulary().streams["interest"].codes["depth"]["всерьез"],
        "offer" in vocabulary().streams["interest"].fields["subject"],
    ],
    "wanted": [good.wanted.subject, good.wanted.status],
    "verdict": [explain(bad.problems[0], each) for each in LANGUAGES],
}))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the product with the stream in it, released as the how-to says."""
    tree = tmp_path_factory.mktemp("product")
    for package in ("hub", "connectors", "schemas"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__", "vectors"))
    add_to(tree)
    assert python(tree, "-m", "schemas", "next").returncode == 0
    return tree


def python(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "", "PYTHONUTF8": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def test_stream_of_two_places_goes_all_the_way(tree: Path) -> None:
    """No list, no table, no other module has to learn its name."""
    done = python(tree, "-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert Path(found["from"]).is_relative_to(tree)
    assert (found["released"], found["state_schema"]) == ([], True)
    assert found["entity"] == ["interest", "expressed", "kz:7"]
    assert found["rejected"] == "UNKNOWN_CENTER"
    assert found["measure"] == {"interest.expressed": "1"}
    assert found["page"] == [
        ["意向", "表达意向", "已表达", "程度", "认真"],
        ["interest", "interest expressed", "expressed", "depth", "serious"],
        ["интерес", "интерес выражен", "выражен", "серьёзность", "всерьёз"],
    ]
    assert found["told"] == [True, True]
    assert found["sourced"] == [[], True]
    assert found["known"] == ["expressed", "serious", True]
    assert found["wanted"] == ["uz:1", "expressed"]
    assert [text.partition(" (")[0] for text in found["verdict"]] == [
        "How: 不是标准代码",
        "How: not a code of the standard list",
        "How: такого кода нет в стандартном списке",
    ]


@pytest.mark.long
def test_stream_without_all_of_its_words_is_refused(tree: Path) -> None:
    """CI names each word that is missing, and words of no stream; with all of them it has nothing to say."""
    assert python(tree, "-m", "schemas.words").stdout == ""
    words = tree / "schemas" / NAME / "words.toml"
    words.write_text(WORDS.replace('serious = { zh = "认真", en = "serious", ru = "всерьёз" }\n', ""), "utf-8")
    lacking = python(tree, "-m", "schemas.words")
    words.unlink()
    without = python(tree, "-m", "schemas.words")
    elsewhere = tree / "schemas" / "forgotten"
    elsewhere.mkdir()
    (elsewhere / "words.toml").write_text(WORDS, "utf-8")
    words.write_text(WORDS, "utf-8")
    stray = python(tree, "-m", "schemas.words")
    shutil.rmtree(elsewhere)
    assert (lacking.returncode, lacking.stdout) == (1, "interest/words.toml: codes.depth.serious: missing\n")
    assert (without.returncode, without.stdout) == (1, "interest/words.toml: missing\n")
    assert (stray.returncode, stray.stdout) == (1, "forgotten/words.toml: nothing asks for this file\n")
