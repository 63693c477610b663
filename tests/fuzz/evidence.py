"""What somebody who doubts HQ is handed: a bundle."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

from hub.evidence.check import check_bundle
from tests.fuzz.target import Script, Target
from tests.support.evidence import ROOT

BUNDLE = Path(__file__).parents[1] / "data" / "evidence" / "deal-v1.zip"


@cache
def parts() -> tuple[tuple[str, bytes], ...]:
    """Return the files of a good bundle."""
    with zipfile.ZipFile(BUNDLE) as bundle:
        return tuple((name, bundle.read(name)) for name in sorted(bundle.namelist()))


def _checked(data: bytes) -> None:
    report = check_bundle(data, ROOT.verifier).report
    assert not [finding for finding in report.findings if "could not go on" in str(finding)], report.findings


def _bundle(data: bytes) -> None:
    """Check any bytes as a bundle."""
    _checked(data)


def _bundle_part(data: bytes) -> None:
    """Check a good bundle of which one file was cut open somewhere, and something else put in."""
    script, made = Script(data), io.BytesIO()
    changed, at, gone = script.number(len(parts())), script.number(1 << 16), script.number(1 << 8)
    with zipfile.ZipFile(made, "w") as bundle:
        for number, (name, content) in enumerate(parts()):
            start = at % (len(content) + 1)
            bundle.writestr(
                name, content[:start] + data[4:] + content[start + gone :] if number == changed else content
            )
    _checked(made.getvalue())


EVIDENCE = (
    Target("bundle", _bundle, lambda: [BUNDLE.read_bytes()[:4096], b"PK\x05\x06" + bytes(18)], refusals=()),
    Target("bundle-part", _bundle_part, lambda: [bytes([n, 0, n, n]) for n in range(0, len(parts()), 5)], refusals=()),
)
