"""A stream that no release has: everything that adding one takes, as the files of its two places."""

from __future__ import annotations

from pathlib import Path
from typing import Final

NAME: Final = "interest"
DOMAIN: Final = '''
"""A party wants to talk about another center's offer."""

from typing import Annotated

from hub.domain.fields import EntityId, FieldRules, Reason, one_of
from hub.domain.stream import EventKind, StatusChange, Stream


class Interest(FieldRules):
    """Whose interest in what."""

    subject: EntityId
    depth: Annotated[str, one_of(("curious", "serious"))]
    note: Reason | None = None


INTEREST = Stream(
    name="interest",
    record=Interest,
    writer="center",
    events=(
        EventKind("interest", "expressed", Interest, True, frozenset({None, "withdrawn"}), "expressed"),
        EventKind("interest", "withdrawn", StatusChange, False, frozenset({"expressed"}), "withdrawn"),
    ),
    references={"subject": "offer"},
    foreign_fields=frozenset({"subject"}),
)
'''
EXPRESSED: Final = """{
  "type": "record",
  "name": "InterestExpressed",
  "namespace": "net.cohub.interest",
  "doc": "A party wants to talk.",
  "fields": [
    {"name": "subject", "type": "string", "doc": "Entity id of another center's offer."},
    {"name": "depth", "type": "string", "doc": "curious or serious."},
    {"name": "note", "type": ["null", "string"], "doc": "At most 500 characters.", "default": null}
  ]
}
"""
WITHDRAWN: Final = """{
  "type": "record",
  "name": "InterestWithdrawn",
  "namespace": "net.cohub.interest",
  "doc": "The interest is over.",
  "fields": [
    {"name": "reason", "type": ["null", "string"], "doc": "At most 500 characters.", "default": null},
    {"name": "effective_on", "type": ["null", {"type": "int", "logicalType": "date"}], "default": null}
  ]
}
"""
WORDS: Final = """\
title = { zh = "意向", en = "interest", ru = "интерес" }
sheets = { zh = "意向", en = "interests", ru = "интересы" }

[events]
expressed = { zh = "表达意向", en = "interest expressed", ru = "интерес выражен" }
withdrawn = { zh = "撤回意向", en = "interest withdrawn", ru = "интерес отозван" }

[statuses]
expressed = { zh = "已表达", en = "expressed", ru = "выражен" }
withdrawn = { zh = "已撤回", en = "withdrawn", ru = "отозван" }

[fields]
subject = { zh = "对象", en = "subject", ru = "предмет" }
depth = { zh = "程度", en = "depth", ru = "серьёзность" }
note = { zh = "说明", en = "note", ru = "примечание" }
reason = { zh = "原因", en = "reason", ru = "причина" }
effective_on = { zh = "生效日期", en = "effective on", ru = "дата вступления в силу" }

[codes.depth]
curious = { zh = "了解", en = "curious", ru = "из любопытства" }
serious = { zh = "认真", en = "serious", ru = "всерьёз" }

[explanations]
subject = { zh = "对哪项供给", en = "the offer that it is about", ru = "о каком предложении" }
depth = { zh = "有多认真", en = "how serious it is", ru = "насколько всерьёз" }
note = { zh = "补充说明", en = "what you want to add", ru = "что хотите добавить" }
reason = { zh = "为何撤回", en = "why it was withdrawn", ru = "почему отозван" }
effective_on = { zh = "从哪天起", en = "from which day", ru = "с какого дня" }

[columns]
subject = { zh = "供给", en = "subject | offer", ru = "предмет | предложение" }
depth = { zh = "程度", en = "depth", ru = "серьёзность" }
note = { zh = "备注", en = "note", ru = "примечание" }
reason = { zh = "原因", en = "reason", ru = "причина" }
effective_on = { zh = "日期", en = "date", ru = "дата" }

[said]
expressed = { zh = "有意", en = "expressed", ru = "есть" }
withdrawn = { zh = "撤回", en = "withdrawn", ru = "нет" }
"""
SOURCES: Final = """\
{
 "stream": "network",
 "events": {"expressed": "network", "withdrawn": "network"},
 "statuses": {"expressed": "network", "withdrawn": "network"},
 "fields": {"subject": "network", "depth": "own", "note": "own", "reason": "own", "effective_on": "own"}
}
"""


def add_to(tree: Path) -> None:
    """Add the stream to a copy of the product: one domain file and one schema folder, words included."""
    (tree / "hub" / "domain" / "streams" / f"{NAME}.py").write_text(DOMAIN, "utf-8")
    folder = tree / "schemas" / NAME
    folder.mkdir()
    (folder / f"{NAME}.expressed.v1.avsc").write_text(EXPRESSED, "utf-8")
    (folder / f"{NAME}.withdrawn.v1.avsc").write_text(WITHDRAWN, "utf-8")
    (folder / "words.toml").write_text(WORDS, "utf-8")
    (folder / "sources.json").write_text(SOURCES, "utf-8")
