from __future__ import annotations

import time
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from connectors.mapping import LocalCode, RowOutcome, compile_mapping, outcomes, read_mapping
from connectors.mapping.outcome import Outcomes
from connectors.source import ProblemCode, Row, read_table
from hub.domain.catalogue import KINDS
from hub.domain.rules import check, complete
from hub.protocol.errors import UsageError
from hub.protocol.verdict import Code

DEALS = """
files: deals*.csv
stream: deal
key: "№"
key_prefix: D-
format: {delimiter: ";"}
fields:
  title: {column: Название}
  language: {value: ru}
  kind:
    column: Вид
    table: {лицензия: licence, "передача прав": transfer}
  amount: {column: Сумма}
  currency: {column: Валюта, blanks: ["-"]}
  partner: {column: Партнёр, prefix: P-}
  signed_on: {column: Подписан}
status:
  column: Состояние
  default: opened
  table: {открыт: opened, подписан: signed}
occurred_at: {column: Подписан}
utc_offset: +05:00
"""
HEAD = "№;Название;Вид;Сумма;Валюта;Партнёр;Подписан;Состояние\n"


def run(mapping: str, text: str, name: str = "deals.csv", center: str = "uz") -> list[RowOutcome]:
    found = read_mapping(mapping, "deals.yaml")
    return outcomes(found, read_table(name, text.encode(), found.format_options()), center)


def codes(outcome: RowOutcome) -> list[tuple[str, str, str]]:
    return [(problem.column, problem.field, problem.code) for problem in outcome.problems]


def test_outcomes_gone_through_again_are_the_same() -> None:
    """Repeated keys, unreadable and good rows come in the sheet's order, as often as one goes through them."""
    rows = "1;Насос;лицензия;1;USD;4;31.05.2024;открыт\n"
    text = HEAD + rows + "2;a;b;c;d;e;f;g;h;i;j\n" + rows + "3;Насос;лицензия;1;USD;4;31.05.2024;открыт\n"
    mapping = read_mapping(DEALS, "deals.yaml")
    found = Outcomes(mapping, read_table("deals.csv", text.encode(), mapping.format_options()), "uz")
    first, again = list(found), list(found)
    assert first == again
    assert [(o.row, bool(o.problems), o.duplicate_of) for o in first] == [
        (2, False, None), (3, True, None), (4, False, 2), (5, False, None),
    ]  # fmt: skip
    assert len(found) == len(first)


def test_row_becomes_wanted_state_with_typed_values() -> None:
    """A row's cells arrive as the types the stream's record has, every optional field filled."""
    (outcome,) = run(DEALS, HEAD + "17; Насос ;ПЕРЕДАЧА  прав;1 234 567,50;USD;4;31.05.2024;Подписан\n")
    wanted = outcome.wanted
    assert outcome.problems == ()
    assert wanted is not None
    assert (outcome.row, outcome.key, wanted.subject, wanted.status) == (2, "D-17", "uz:D-17", "signed")
    assert wanted.record["title"] == "Насос"
    assert wanted.record["kind"] == "transfer"
    assert wanted.record["amount"] == Decimal("1234567.50")
    assert wanted.record["partner"] == "uz:P-4"
    assert wanted.record["signed_on"] == date(2024, 5, 31)
    assert wanted.record["closed_on"] is None
    assert wanted.occurred_at == datetime(2024, 5, 30, 19, tzinfo=UTC)
    kind = KINDS["net.cohub.deal.signed.v1"]
    assert complete(kind, wanted.record) == wanted.record
    check(kind, wanted.record)


def test_row_with_several_bad_cells_names_each_column() -> None:
    """A person sees every cell that could not be read at once, not one after the other."""
    (outcome,) = run(DEALS, HEAD + "17;Насос;аренда;много;USD;4;31.02.2024;сгорел\n")
    assert outcome.wanted is None
    assert outcome.problems
    assert set(codes(outcome)) >= {
        ("Вид", "kind", LocalCode.NOT_IN_TABLE),
        ("Сумма", "amount", LocalCode.BAD_NUMBER),
        ("Подписан", "signed_on", LocalCode.BAD_DATE),
        ("Состояние", "status", LocalCode.NOT_IN_TABLE),
    }


def test_row_breaking_domain_rules_is_refused_with_hqs_code() -> None:
    """What HQ would reject for its fields never leaves the center, and carries HQ's own code."""
    unsigned, no_currency = run(DEALS, HEAD + "1;Насос;лицензия;5;USD;;;подписан\n2;Насос;лицензия;5;-;;;\n")
    assert codes(unsigned) == [("Подписан", "signed_on", Code.MISSING_FIELD)]
    assert codes(no_currency) == [("Валюта", "currency", Code.INCONSISTENT)]


def test_row_without_key_is_refused_and_row_without_anything_is_blank() -> None:
    """An id never derives from a row's place, and an empty row is no mistake."""
    no_key, blank = run(
        DEALS,
        HEAD.replace("\n", ";Заметка\n") + ";Насос;лицензия;;;;;;\n;;;;;;;;чай\n",
    )
    assert codes(no_key) == [("№", "", LocalCode.NO_KEY)]
    assert blank.blank
    assert blank.problems == ()


def test_same_key_twice_is_unchanged_if_equal_and_refused_if_different() -> None:
    """Of two rows that contradict each other neither is sent; of two equal ones the later adds nothing."""
    same = "7;Насос;лицензия;5;USD;;;\n"
    first, second = run(DEALS, HEAD + same + same.replace("5;", "5,00;"))
    assert first.problems == second.problems == ()
    assert (first.duplicate_of, second.duplicate_of) == (None, 2)
    outs = run(DEALS, HEAD + same + same.replace("5;", "6;") + "8;Кран;лицензия;;;;;\n")
    assert [codes(o) for o in outs[:2]] == [[("", "", LocalCode.DUPLICATE_KEY)]] * 2
    assert outs[0].problems[0].params == "rows=3"
    assert outs[2].wanted is not None


def test_good_row_sharing_its_key_with_a_refused_one_is_refused() -> None:
    """Once the broken row is mended the two would contradict each other: better to say so now."""
    good, bad = run(DEALS, HEAD + "7;Насос;лицензия;;;;;\n7;Насос;аренда;;;;;\n")
    assert codes(good) == [("", "", LocalCode.DUPLICATE_KEY)]
    assert {code for _, _, code in codes(bad)} == {LocalCode.NOT_IN_TABLE, LocalCode.DUPLICATE_KEY}


def test_unreadable_row_is_refused_in_its_place() -> None:
    """A row that the source could not read is reported with the others, in the sheet's order."""
    outs = run(DEALS, HEAD + "1;Насос;лицензия;;;;;\n2;Насос;лицензия;;;;;;;;;лишнее\n3;Кран;лицензия;;;;;\n")
    assert [o.row for o in outs] == [2, 3, 4]
    assert codes(outs[1])[0][2] == ProblemCode.RAGGED_ROW


def test_fingerprint_ignores_what_a_person_does_not_mean_to_change() -> None:
    """Moving a row, adding spaces or writing 5,0 for 5 changes nothing; another status does."""
    a = run(DEALS, HEAD + "7;Насос;лицензия;5;USD;;;\n")[0]
    b = run(DEALS, HEAD + "6;Кран;лицензия;;;;;\n 7 ;Насос  ;Лицензия;5,0;USD;;;открыт\n")[1]
    c = run(DEALS, HEAD + "7;Насос;лицензия;5;USD;;31.05.2024;подписан\n")[0]
    assert a.fingerprint == b.fingerprint != c.fingerprint
    assert len(a.fingerprint) == 32


def test_export_controlled_offer_is_refused_at_the_center() -> None:
    """Prohibited technology, and restricted technology without a licence, is never sent."""
    mapping = """
files: o.csv
stream: offer
key: id
fields:
  title: {column: t}
  language: {value: en}
  export_control: {column: ec}
  export_licence: {column: lic}
"""
    outs = run(mapping, "id,t,ec,lic\n1,A,free,\n2,B,restricted,\n3,C,prohibited,L1\n4,D,restricted,L2\n", "o.csv")
    assert [[c for _, _, c in codes(o)] for o in outs] == [[], [Code.EXPORT_CONTROLLED], [Code.EXPORT_CONTROLLED], []]
    assert codes(outs[1])[0][0] == "ec"


def test_status_only_event_gets_its_reason_and_day() -> None:
    """Why and when an offer was withdrawn goes with the withdrawal, and its rules hold here too."""
    mapping = """
files: o.csv
stream: offer
key: id
fields: {title: {column: t}, language: {value: en}, export_control: {value: free}}
status: {column: s, table: {live: published, gone: withdrawn}}
reason: {column: why}
effective_on: {column: when}
"""
    live, gone, long = run(
        mapping, "id,t,s,why,when\n1,A,live,,\n2,B,gone,sold,2024-05-31\n3,C,gone," + "x" * 501 + ",\n", "o.csv"
    )
    assert live.wanted is not None
    assert live.wanted.reason is None
    assert gone.wanted is not None
    assert gone.wanted.reason == {"reason": "sold", "effective_on": date(2024, 5, 31)}
    assert codes(long) == [("why", "reason", Code.TOO_LONG)]


def test_json_lines_are_mapped_by_path() -> None:
    """Lists come as lists, tables apply to each item, and repeated items count once."""
    mapping = """
files: r.jsonl
stream: request
key: {path: topic.number}
fields:
  title: {path: title}
  language: {value: en}
  technology_keywords: {path: "areas[].name", table: {Space Platforms: SPACE, Sensors: SENSE, Optics: SENSE}}
  countries: {value: [UZ, KZ]}
  summary: {path: "join(' / ', notes)"}
"""
    text = (
        '{"topic": {"number": "AF-1"}, "title": "T", "areas": [{"name": "sensors"}, {"name": "OPTICS"}], '
        '"notes": ["a", "b"]}\n'
        '{"topic": {"number": "AF-2"}, "title": ["T"], "areas": [{"name": "Cooking"}], "notes": ["a"]}\n'
    )
    good, bad = run(mapping, text, "r.jsonl")
    assert good.wanted is not None
    assert good.wanted.record["technology_keywords"] == ["SENSE"]
    assert good.wanted.record["countries"] == ["UZ", "KZ"]
    assert good.wanted.record["summary"] == "a / b"
    assert {c for _, _, c in codes(bad)} == {LocalCode.NOT_ONE_VALUE, LocalCode.NOT_IN_TABLE}


def test_list_cell_is_split_and_default_fills_empty() -> None:
    """One cell may hold several values; an empty one takes the default, and blanks count as empty."""
    mapping = """
files: o.csv
stream: offer
key: [id, part]
fields:
  title: {columns: [t, u], join: " - "}
  language: {column: l, default: en}
  export_control: {value: free}
  ipc: {column: ipc, split: "|"}
  ip_expires_on: {column: exp, blanks: [0000-00-00]}
  trl: {column: trl, optional: true}
"""
    (outcome,) = run(mapping, "id,part,t,u,l,ipc,exp\nA,1,x,y,,A61B 5/02|G|A61B 5/02,0000-00-00\n", "o.csv")
    assert outcome.wanted is not None
    assert outcome.key == "A|1"
    record = outcome.wanted.record
    assert (record["title"], record["language"], record["ipc"]) == ("x - y", "en", ["A61B 5/02", "G"])
    assert (record["ip_expires_on"], record["trl"]) == (None, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("column: Название", "column: Имя"), "fields.title: the sheet has no column 'Имя'"),
        (("title: {column", "titel: {column"), "fields.titel: there is no such field; the fields are: title,"),
        (("  language: {value: ru}\n", ""), "fields.language: is required by the stream and has no source"),
        (("stream: deal", "stream: lane"), "stream: expected one of activity, deal, deal_confirmation, investment"),
        (("подписан: signed", "подписан: sealed"), "status.table.подписан: 'sealed' is no value of this field"),
        (("default: opened", "default: open"), "status.default: 'open' is no value of this field; expected one of"),
    ],
)
def test_mapping_unlike_sheet_or_stream_is_one_line_with_its_place(change: tuple[str, str], said: str) -> None:
    """A renamed column must not read as empty cells, which would revise every entity."""
    with pytest.raises(UsageError) as caught:
        run(DEALS.replace(*change), HEAD)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("deals.yaml: ")


def test_huge_number_is_refused_without_writing_out_its_digits() -> None:
    """1e999999999 is a dozen bytes and a gigabyte of digits."""
    mapping = """
files: r.jsonl
stream: request
key: {path: k}
fields: {title: {path: t}, language: {value: en}, budget: {path: b}, budget_currency: {value: USD}}
"""
    huge = Decimal("1E+999999")
    row = Row(1, {"k": huge, "t": huge, "b": huge})
    _, key, _, problems, _, _ = compile_mapping(read_mapping(mapping, "r.yaml"), "uz").read(row)
    assert key == ""
    assert [(p.field, p.code) for p in problems] == [
        ("", LocalCode.SHOWN_OTHERWISE),
        ("title", LocalCode.SHOWN_OTHERWISE),
        ("budget", LocalCode.BAD_NUMBER),
    ]


@pytest.mark.long
def test_twelve_columns_map_at_speed() -> None:
    """Mapping is not what bounds the connector. The goal is 20,000 rows/s; half passes on a busy machine."""
    mapping = """
files: o.csv
stream: offer
key: id
fields:
  title: {column: t}
  language: {column: l}
  summary: {column: s}
  description: {column: d}
  export_control: {column: ec, table: {свободно: free}}
  stage: {column: st}
  trl: {column: trl}
  published_on: {column: pub}
  countries: {column: c, split: ";"}
  ip_number: {column: n}
status: {column: status, table: {live: published}}
"""
    found = read_mapping(mapping, "o.yaml")
    lines = [
        f"K{i},Насос {i},ru,краткое,{'описание ' * 20},свободно,concept,{i % 9 + 1},2024-05-31,UZ;KZ,{i},live"
        for i in range(20_000)
    ]
    table = read_table(
        "o.csv", ("id,t,l,s,d,ec,st,trl,pub,c,n,status\n" + "\n".join(lines)).encode(), found.format_options()
    )
    best_s = float("inf")
    for _ in range(3):
        start = time.process_time()
        outs = outcomes(found, table, "uz")
        best_s = min(best_s, time.process_time() - start)
        assert not any(o.problems for o in outs)
    assert len(table.rows) / best_s >= 10_000
