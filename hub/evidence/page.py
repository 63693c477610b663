"""The summary of a bundle as one HTML page for people: who said what, when, what HQ decided, what is proved.

Everything that comes from a bundle is escaped; the page has no script and fetches nothing.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final

from hub.evidence import layout
from hub.evidence.article import TAGS, Article
from hub.evidence.case import Case
from hub.evidence.checkers import recorded
from hub.evidence.generator import generator
from hub.evidence.layout import READMES
from hub.evidence.markup import text
from hub.evidence.readme import contradiction, is_ours
from hub.evidence.report import Check, Origin, Report, Severity
from hub.evidence.style import STYLE
from hub.evidence.texts import say
from hub.protocol.keys import Verifier
from schemas.words import Language

_GENERATOR: Final = re.compile(rb'<meta name="generator" content="(cohub [^"<>]{1,60})">')
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
# The order of the articles and their tabs: a bundle's page is compared byte for byte, so it is part of the page.
_SHOWN: Final[tuple[Language, ...]] = ("zh", "ru", "en")


def page(case: Case, report: Report | None = None, root: Verifier | None = None, origin: Origin | None = None) -> str:
    """Return the page of a bundle; with `report`, what a check of `origin` with `root` found stands in it."""
    pages = "".join(Article(case, report, root, language, generator(), origin).to_html() for language in _SHOWN)
    choices = "".join(
        f'<input type="radio" name="language" id="{language}"{" checked" if language == "en" else ""}>'
        for language in _SHOWN
    )
    names = {language: say("language", language) for language in _SHOWN}
    labels = "".join(
        f'<label for="{language}" lang="{TAGS[language]}">{name}</label>' for language, name in names.items()
    )
    title = text(f"{say('page', 'en')}: {case.subject.id}")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="generator" content="{escape(generator())}">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n"
        f'<body><main>{choices}<nav class="tabs">{labels}</nav>\n{pages}</main></body></html>\n'
    )


def check_page(case: Case) -> None:
    """Compare the bundle's page and README with what this software makes of the evidence."""
    known = recorded() if case.checkers is None else case.checkers
    summary = case.files.get(layout.SUMMARY, b"")
    made = _GENERATOR.search(summary[:4000])
    by_us = made is None or made[1].decode("utf-8", "replace") == generator()
    right = {layout.SUMMARY: summary == page(case).encode()}
    right |= {path: is_ours(path, case.files.get(path, b"")) for path in READMES.values()}
    for path, is_right in right.items():
        if path != layout.SUMMARY and (fault := contradiction(case.files.get(path, b""), known)):
            case.report.error(Check.SUMMARY, fault, path)
        elif is_right:
            case.report.passed(Check.SUMMARY)
        elif by_us:
            case.report.error(Check.SUMMARY, "is not what the evidence gives", path)
        else:
            detail = "another release made it, so it was not compared: read the page that --html writes"
            case.report.found(Severity.WARNING, Check.SUMMARY, detail, path)
