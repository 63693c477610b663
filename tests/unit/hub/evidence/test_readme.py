"""The README of a bundle names the checkers of its release, and can't be made to name another in silence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.base.release import release
from hub.evidence.check import check_bundle
from hub.evidence.checkers import Checkers
from hub.evidence.container import write_zip
from hub.evidence.export import ExportedBundle
from hub.evidence.generator import generator
from hub.evidence.layout import READMES, SUMMARY
from hub.evidence.page import check_page
from hub.evidence.readme import is_ours, readmes
from hub.evidence.report import Check, Finding, Report, Severity
from tests.support.evidence import ROOT, remade
from tests.unit.hub.evidence.conftest import DEAL, files_of

LINUX, MAC = (f"cohub-check-{release()}-{platform}.pyz" for platform in ("linux-x86_64", "macos-arm64"))
TWO = Checkers({MAC: "b" * 64, LINUX: "a" * 64})
WIDTH_MAX = 110


def report_of(bundle: ExportedBundle, texts: dict[str, bytes], known: Checkers) -> Report:
    made = remade(files_of(bundle), DEAL, texts)
    return check_bundle(write_zip(made), ROOT.verifier, checkers=known).report


def about_readmes(report: Report) -> list[Finding]:
    return [f for f in report.findings if f.check is Check.SUMMARY and f.file in READMES.values()]


def test_each_readme_names_file_and_digest_of_every_checker() -> None:
    """As `sha256sum -c` reads them, within the README's width."""
    for text in readmes(TWO).values():
        lines = text.decode().splitlines()
        at = lines.index(f"       {'a' * 64}  {LINUX}")
        assert lines[at + 1] == f"       {'b' * 64}  {MAC}"
        assert max(map(len, lines)) <= WIDTH_MAX


def test_readme_without_recorded_checkers_says_where_one_comes_from() -> None:
    """No place is left open, and no digest is made up."""
    for text in readmes(Checkers()).values():
        assert b"make checker" in text
        assert b"{" not in text
        assert b".pyz  " not in text


@pytest.mark.parametrize("known", [Checkers(), TWO, Checkers({LINUX: "a" * 64})])
def test_bundle_that_names_checkers_is_proved_wherever_they_are_not_known_to_be_others(
    deal: ExportedBundle, known: Checkers
) -> None:
    """A checker that knows of itself alone agrees with a release that knows them all."""
    report = report_of(deal, readmes(TWO), known)
    assert (report.status, report.findings) == ("proved", [])


def test_readme_that_gives_a_known_checker_another_digest_is_found(deal: ExportedBundle) -> None:
    """Whoever sends a checker of his own with a bundle would write its digest there."""
    report = report_of(deal, readmes(Checkers({LINUX: "c" * 64})), TWO)
    assert report.status == "failed"
    found = about_readmes(report)
    assert len(found) == len(READMES)
    assert all(LINUX in f.detail and "c" * 64 in f.detail and "a" * 64 in f.detail for f in found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (LINUX, "cohub-check-99.0.0-linux-x86_64.pyz"),  # a checker of another release
        (LINUX, "evil.pyz"),
        (f"       {'a' * 64}", f"      {'a' * 64}"),
        (f"       {'b' * 64}  {MAC}\n", f"       {'b' * 64}  {MAC}\n" * 2),
        ("a" * 64, "a" * 63),
        ("python3 CHECKER.pyz", "python3 evil.pyz"),
    ],
)
def test_readme_in_other_words_is_found(old: str, new: str) -> None:
    """Only the lines of checkers may differ from what this release writes, and those only in their one form."""
    for path, text in readmes(TWO).items():
        assert is_ours(path, text)
        changed = text.decode().replace(old, new)
        assert changed != text.decode()
        assert not is_ours(path, changed.encode())


def test_readme_of_another_release_can_not_give_a_known_checker_another_digest(deal: ExportedBundle) -> None:
    """Whoever claims another release, so that words are not compared, does not get a digest past."""
    files = files_of(deal) | readmes(Checkers({LINUX: "c" * 64}))
    files[SUMMARY] = files[SUMMARY].replace(generator().encode(), b"cohub 99.0.0")
    report = Report()
    check_page(replace(deal.case, files=files, report=report, checkers=TWO))
    found = {(f.file, f.severity) for f in report.findings}
    assert found == {(SUMMARY, Severity.WARNING), *((path, Severity.ERROR) for path in READMES.values())}
