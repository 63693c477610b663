"""rules.json: whoever judges by the file alone finds the verdicts that HQ's own models give."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.rules import check, complete
from hub.protocol.errors import Rejected
from hub.protocol.rules import FIRST, NEWEST, RULES, RULES_KNOWN
from schemas.rules import ENTITY_KEYS, text
from schemas.vectors.samples import RECORDS
from tests.support.by_rules import CHECKED, CROSSED, entity_key, judge_fields, rules, trim

# A center's keys are proved by signatures over a note, which PROTOCOL.md describes: no rule of a field can say that.
ELSEWHERE = {"vkey"}
# White space, controls of every kind, marks of direction, what only looks like them, and letters.
ODD = [
    *map(chr, (*range(0x21), *range(0x7E, 0xA2), 0xAD, 0x1680, *range(0x2000, 0x2010), *range(0x2027, 0x2030))),
    *map(chr, (0x205F, 0x2060, *range(0x2065, 0x206B), 0x3000, 0xFEFF, 0x61C, ord("a"), ord("я"), ord("青"))),
]
TIMES = ["00:00:00", "23:59:59", "24:00:00", "12:60:00", "12:00:60"]
LEI = "25340077S9WKUJJ9YT95"


def names_of(event: dict[str, Any]) -> set[str]:
    """The names of an event's fields."""
    return {rule["name"] for rule in event["fields"]}


def odd_texts(rule: dict[str, Any], good: Any) -> st.SearchStrategy[str]:
    """Texts near the border of what a rule allows."""
    longest = rule.get("max", 300)
    whole = good if isinstance(good, str) else "a"
    lengths = [longest, longest + 1] if longest <= 4000 else []
    return st.one_of(
        st.text(st.sampled_from(ODD), max_size=3),
        st.tuples(st.sampled_from(ODD), st.booleans()).map(lambda p: p[0] + whole if p[1] else whole + p[0]),
        st.sampled_from(["", " ", "\x1c", "\x85", "a b", "a\nb", LEI, LEI[:-1] + "6", "http://\x1c", "H", "uz:1"]),
        st.sampled_from([f"2026-0{month}-01T{at}.000000Z" for month in (0, 2, 9) for at in TIMES]),
        st.sampled_from([f"{before}{'x' * (length - len(before + after))}{after}" for length in lengths
                         for before, after in (("", ""), (" ", ""), ("", "\n"))] or ["a"]),
        st.sampled_from([before + "x" * length + " " for length in lengths for before in ("", " ")] or ["a"]),
    )  # fmt: skip


def values(rule: dict[str, Any], good: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, good and bad."""
    if rule["type"] == "text":
        found: st.SearchStrategy[Any] = odd_texts(rule, good)
    elif rule["type"] == "code":
        codes = rule["codes"] if isinstance(rule["codes"], list) else rules()["codes"][rule["codes"]]
        found = st.sampled_from([*codes[:3], codes[-1], "", " ", "nothing", codes[0].swapcase(), codes[0] + " "])
    elif rule["type"] == "int":
        found = st.integers(-2, 12) | st.sampled_from([999, 1000, 2200, 2201, 2**31, 2**53 - 1, 2**53, -(2**63)])
    elif rule["type"] == "decimal":
        found = st.sampled_from(
            [Decimal(text) for text in ("0", "-0.0001", "0.0001", "1", "99999999", "100000000", "999999999999999.9999")]
            + [Decimal(10) ** 15, Decimal("0.00000001"), Decimal(-1)]
        )
    elif rule["type"] == "date":
        found = st.sampled_from(
            [dt.date(1899, 12, 31), dt.date(1900, 1, 1), dt.date(2200, 1, 1), dt.date(2200, 1, 2)]
        ) | st.dates(dt.date(2026, 1, 1), dt.date(2028, 2, 1))
    elif rule["type"] == "bool":
        found = st.booleans()
    elif rule["type"] == "record":
        found = st.fixed_dictionaries({inner["name"]: values(inner, None) for inner in rule["fields"]})
    else:
        item = good[0] if good else None
        few = st.lists(values(rule["items"], item) | (st.just(item) if item else st.nothing()), max_size=3)
        many = st.just([item if item is not None else "002"] * min(rule.get("max", 1) + 1, 110))
        found = few | (many if rule["items"]["type"] == "text" else st.nothing())
    return found | st.none() if rule.get("null") else found


@st.composite
def events(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """An event's type and value: a good one with up to three fields changed, sometimes one of them absent."""
    event_type = draw(st.sampled_from(sorted(KINDS)))
    kind, event = KINDS[event_type], rules()["events"][event_type]
    sample = RECORDS.get(f"{kind.stream}.v{kind.version}", RECORDS[kind.stream])
    if not kind.carries_record:
        sample = {"reason": "sold", "effective_on": dt.date(2026, 2, 2)}
    value = complete(kind, sample)
    if kind.stream == "center" and kind.carries_record:
        value["keys"] = []
    fields = {rule["name"]: rule for rule in event["fields"]}
    touched = [name for name in fields if (kind.stream, name) != ("center", "keys")]
    for name in draw(st.lists(st.sampled_from(touched), max_size=3, unique=True)):
        value[name] = draw(values(fields[name], value.get(name)))
    if draw(st.integers(0, 20)) == 0:
        value.pop(draw(st.sampled_from(touched)), None)
    if draw(st.integers(0, 40)) == 0:
        value["nothing"] = 1
    return event_type, value


@settings(max_examples=600, deadline=None)
@given(events(), st.sampled_from(RULES_KNOWN))
def test_file_alone_judges_as_the_models_do(event: tuple[str, dict[str, Any]], number: int) -> None:
    """The same code, at the same field, for good values and bad ones, under every number."""
    judged_alike(*event, number)


@pytest.mark.long
@settings(max_examples=20_000, deadline=None)
@given(events(), st.sampled_from(RULES_KNOWN))
def test_file_alone_judges_as_the_models_do_for_long(event: tuple[str, dict[str, Any]], number: int) -> None:
    """The same, of many more events."""
    judged_alike(*event, number)


def judged_alike(event_type: str, value: dict[str, Any], number: int) -> None:
    try:
        check(KINDS[event_type], value, RULES[number])
    except Rejected as exc:
        ours: tuple[str, str] | None = (str(exc.code), exc.field)
    else:
        ours = None
    assert judge_fields(event_type, value, number) == ours


@settings(max_examples=500, deadline=None)
@given(events())
def test_what_newer_rules_accept_the_first_accept_too(event: tuple[str, dict[str, Any]]) -> None:
    """An office that goes by the newest field rules never sends what older rules would refuse."""
    event_type, value = event
    try:
        check(KINDS[event_type], value, NEWEST)
    except Rejected:
        return
    check(KINDS[event_type], value, FIRST)


def test_file_is_up_to_date() -> None:
    """`python -m schemas.rules` writes what is there."""
    assert schemas.read("rules.json").decode() == text()


def test_every_rule_by_name_is_one_that_a_reader_finds() -> None:
    """The file names no rule that it does not explain, and explains none that it does not use."""
    used = {rule["rule"] for event in rules()["events"].values() for rule in event["crossed"]}
    assert used == set(rules()["crossed"])
    assert used == set(CROSSED)
    named = set(re.findall(r'"checked": "(\w+)"', schemas.read("rules.json").decode()))
    assert named == set(rules()["checked"])
    assert named - ELSEWHERE == set(CHECKED)
    for event in rules()["events"].values():
        for rule in event["crossed"]:
            assert {rule["field"], *rule.get("fields", []), *filter(None, [rule.get("other")])} <= names_of(event)


def test_file_says_what_the_catalogue_says_of_every_event() -> None:
    """Which fields name centers, entities and lists, and what may follow what."""
    assert set(rules()["events"]) == set(KINDS)
    for kind in KINDS.values():
        event, stream = rules()["events"][kind.type], STREAMS[kind.stream]
        assert [rule["name"] for rule in event["fields"]] == list(kind.model.model_fields)
        assert set(event["legal_in"]) == set(kind.legal_in)
        assert event["status_after"] == kind.status_after
        if kind.carries_record:
            assert [(row["field"], row["stream"]) for row in event["entities"]] == list(stream.references.items())
            assert event["centers"] == list(stream.network_fields)
            assert [(row["field"], row["list"]) for row in event["listed"]] == list(stream.code_list_fields.items())


def test_record_says_its_entity_s_key_as_the_file_says() -> None:
    """Whoever goes by the file comes to the id that HQ asks for, and to none where HQ asks for none."""
    assert {stream.name for stream in STREAMS.values() if stream.key_of} == set(ENTITY_KEYS)
    for kind in KINDS.values():
        key_of = STREAMS[kind.stream].key_of
        if key_of is None or not kind.carries_record:
            assert rules()["events"][kind.type]["entity_key"] is None
            continue
        value = complete(kind, RECORDS[kind.stream])
        assert entity_key(kind.type, value) == key_of(value)
        for name, other in (("name", "another"), ("origin", "hub.example/uz/1b2c3d4e"), ("schema_id", 7), ("keys", [])):
            if name in value and (kind.stream, name) != ("center", "name"):
                changed = value | {name: other}
                assert entity_key(kind.type, changed) == key_of(changed)


def test_file_is_ascii_and_its_patterns_need_no_dialect() -> None:
    """No escape that one engine reads otherwise than another: what is meant stands there as the character itself."""
    whole = schemas.read("rules.json").decode("ascii")
    for pattern in re.findall(r'"(?:exact_|exact_lines_)?pattern": ("(?:[^"\\]|\\.)*")', whole):
        said = json.loads(pattern)
        assert not re.search(r"\\[^.+]", said), said
        assert not said.startswith("^")


def test_white_space_is_what_the_core_trims() -> None:
    """The two sets of the file are those of pydantic's core and of Python."""
    kind = KINDS["net.cohub.rules.adopted.v1"]
    for character in map(chr, range(0x3100)):
        assert (trim(character, "blank") == "") == character.isspace()
        is_trimmed = True
        try:
            check(kind, {"number": 2, "reason": character + "x" * 500}, FIRST)
        except Rejected as exc:
            is_trimmed = exc.code != "TOO_LONG"
        assert (trim(character, "white_space") == "") == is_trimmed
