"""Checking a bundle with nothing but the bundle and a root key: no broker, no database, no network, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.evidence import layout
from hub.evidence.case import Case, take_apart
from hub.evidence.checkers import Checkers
from hub.evidence.container import AGAIN, read_zip
from hub.evidence.judging import check_after, check_schemas, fold_hq, judge_subject, read_schemas
from hub.evidence.lanes import check_inclusion, check_order, check_receipts
from hub.evidence.log import check_log
from hub.evidence.manifest import differing, manifest, read_subject, reasons, root_hint
from hub.evidence.page import check_page
from hub.evidence.ranges import check_range, read_before
from hub.evidence.report import Check, Report
from hub.protocol.errors import Malformed, Newer
from hub.protocol.keys import Verifier
from hub.protocol.trust import Trust, open_trust
from hub.store.released import released_schemas


@dataclass(frozen=True, slots=True)
class CheckedBundle:
    """The report on a bundle, and the bundle taken apart (None where there was nothing to take apart)."""

    report: Report
    case: Case | None


def check_bundle(
    data: bytes, root: Verifier, pinned: Trust | None = None, checkers: Checkers | None = None
) -> CheckedBundle:
    """Check an evidence bundle completely; every finding is in the report.

    Shapes: `root` is HQ's root key, known from elsewhere; `pinned` a trust note of that root that the checker has;
            `checkers` the checkers whose SHA-256 is known, None for those of this release's list.
    Errors: none, for any bytes.
    """
    report = Report()
    files = read_zip(data, report)
    if not files:
        return CheckedBundle(report, None)  # the container's findings say why
    _check_sums(files, report)
    if layout.MANIFEST not in files:
        report.error(
            Check.MANIFEST, f"is missing, so the bundle does not say what it is about; {AGAIN}", layout.MANIFEST
        )
        return CheckedBundle(report, None)
    try:
        subject = read_subject(files[layout.MANIFEST])
    except Malformed as exc:
        report.error(Check.MANIFEST, exc, layout.MANIFEST)
        return CheckedBundle(report, None)
    except Newer as exc:
        report.newer(Check.MANIFEST, exc, layout.MANIFEST)
        return CheckedBundle(report, None)
    case = take_apart(files, subject, report)
    case.pinned, case.checkers = pinned, checkers
    try:
        examine(case, root)
        if not case.is_newer:
            if case.trust is not None:
                check_after(case)
            check_derived(case)
    except Exception as exc:  # noqa: BLE001 -- the bytes are a stranger's; what breaks the check is a finding too
        report.error(Check.CONTAINER, f"the check could not go on: {type(exc).__name__}: {exc}")
    return CheckedBundle(report, case)


def examine(case: Case, root: Verifier | None) -> None:
    """Make every check of the evidence itself; what follows from it, state, manifest and summary, is not looked at.

    Without `root` the root key in the trust note is taken at its word, which only the maker of a bundle may do.
    """
    try:
        case.trust = open_trust(case.files.get(layout.TRUST, b""), root)
        case.report.passed(Check.TRUST)
    except Malformed as exc:
        case.report.error(Check.TRUST, exc, layout.TRUST)
    if case.trust is None:
        return  # nothing else can be said to be HQ's word
    read_schemas(case)
    check_receipts(case)
    fold_hq(case, released_schemas())
    check_order(case)
    check_inclusion(case)
    if case.is_newer:
        return  # what was sealed and receipted is looked at; what follows from it a later release can say
    read_before(case)
    judge_subject(case)
    if case.is_newer:
        return
    check_schemas(case)
    check_range(case)
    check_log(case)
    _check_belongs(case)


def check_derived(case: Case) -> None:
    """Compare manifest and summary with what this software makes of the evidence."""
    if case.trust is None:
        case.report.skip(Check.MANIFEST, "HQ's keys are not known")
        case.report.skip(Check.SUMMARY, "HQ's keys are not known")
        return
    expected = manifest(case)
    if case.files[layout.MANIFEST] != expected:
        case.report.error(Check.MANIFEST, differing(case.files[layout.MANIFEST], expected), layout.MANIFEST)
    else:
        case.report.passed(Check.MANIFEST)
    check_page(case)


def claimed_root(data: bytes) -> str:
    """Return the root key that a bundle names, '' if none can be read: to be compared by another way, not believed."""
    return root_hint(read_zip(data, Report()).get(layout.MANIFEST, b""))


def _check_sums(files: Mapping[str, bytes], report: Report) -> None:
    """Compare every file with SHA256SUMS, which must be in its one form."""
    if layout.SUMS not in files:
        report.error(
            Check.FILES, f"is missing, so nothing says that the files are all here and unaltered; {AGAIN}", layout.SUMS
        )
        return
    digests = layout.digests(files)
    stated: dict[str, str] = {}
    for line in files[layout.SUMS].decode("utf-8", "replace").splitlines():
        digest, _, path = line.partition("  ")
        stated[path] = digest
    for path in sorted(digests.keys() | stated.keys()):
        if path not in stated:
            report.error(Check.FILES, "is not listed in SHA256SUMS", path)
        elif path not in digests:
            report.error(Check.FILES, "is listed in SHA256SUMS and is not here", path)
        elif stated[path] != digests[path]:
            report.error(Check.FILES, f"has the SHA-256 {digests[path]}, listed is {stated[path]}", path)
        else:
            report.passed(Check.FILES)
    if not report.findings and files[layout.SUMS] != layout.sums(digests):
        report.error(Check.FILES, "is not in the one form that the list has", layout.SUMS)


def _check_belongs(case: Case) -> None:
    """Every entity with events belongs to what the bundle is about, and that is there."""
    why, _ = reasons(case)
    told = {held.entity for _, _, held in case.story()}
    for _, _, held in case.story():
        if held.entity not in why:
            case.report.error(Check.MANIFEST, f"{' '.join(held.entity)} has no part in this bundle", held.path)
    if case.subject.root is not None and case.subject.root not in told:
        case.report.error(Check.MANIFEST, f"there is no event of {' '.join(case.subject.root)}", layout.MANIFEST)
