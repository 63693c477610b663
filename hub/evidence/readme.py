"""README of a bundle in every language: what it is, how and with what it is checked, what a finding means.

It names the checkers of the release that made it. Nobody signs a README, and a checker can't hold its own SHA-256: so a
README is right in its words with whatever it names of its release, and what is known of a file must be as it says.
"""

from __future__ import annotations

import re
from typing import Final

import schemas
from hub.base.release import release
from hub.evidence.checkers import Checkers, recorded
from hub.evidence.layout import READMES
from hub.evidence.texts import say
from schemas.words import Language, to_language

_PLACE: Final = "{checkers}\n"
_NAMED: Final = re.compile(
    r"^ {7}(?P<digest>[0-9a-f]{64})  (?P<file>cohub-check-[0-9A-Za-z._-]{1,80}\.pyz)$", re.MULTILINE
)


def readmes(checkers: Checkers | None = None) -> dict[str, bytes]:
    """Return the README files by path, with the checkers of this release unless others are given."""
    known = recorded() if checkers is None else checkers
    return {path: _readme(to_language(language), known).encode() for language, path in READMES.items()}


def is_ours(path: str, content: bytes) -> bool:
    """Return whether this release writes a README so, with whatever SHA-256 for whichever of its checkers."""
    named = _named(content)
    return content == readmes(Checkers(named))[path] and all(f.startswith(f"cohub-check-{release()}-") for f in named)


def contradiction(content: bytes, known: Checkers) -> str:
    """Return what a README says of a checker that is known to be otherwise, '' for nothing."""
    for file, digest in sorted(_named(content).items()):
        if known.digests.get(file, digest) != digest:
            return f"says that {file} has the SHA-256 {digest}: it has {known.digests[file]}"
    return ""


def _named(content: bytes) -> dict[str, str]:
    return {found["file"]: found["digest"] for found in _NAMED.finditer(content.decode("utf-8", "replace"))}


def _readme(language: Language, checkers: Checkers) -> str:
    text = schemas.read(f"words/bundle_readme.{language}.txt").decode()
    said = say("checkers_recorded" if checkers.digests else "checkers_none", language)
    lines = [f"   {line}\n" for line in said.splitlines()]
    lines += [f"       {digest}  {file}\n" for file, digest in sorted(checkers.digests.items())]
    return text.replace(_PLACE, "".join(lines))
