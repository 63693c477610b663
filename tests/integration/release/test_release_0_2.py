"""Release 0.2 and the tree: each is HQ to the other's offices, and what 0.2 has written the tree takes up."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.mixed import Mixed
from tests.support.release import TREE, Release

pytestmark = pytest.mark.integration


@contextlib.asynccontextmanager
async def network(folder: Path, hq: Release, offices: Mapping[str, Release]) -> AsyncIterator[Mixed]:
    """Yield a network that is killed in the end."""
    made = await Mixed.set_up(folder, hq, offices)
    try:
        yield made
    finally:
        made.kill()


def checked(by: Release, bundle: Path, trust: Path) -> tuple[int, str]:
    """Return what a release's checker says of a bundle."""
    done = by.run("hub.cli.main", "audit", "check", str(bundle), "--trust", str(trust))
    return done.returncode, done.stdout + done.stderr


def test_libraries_of_the_tree_are_those_that_release_0_2_asks_for(release_0_2: Release) -> None:
    """So the old release runs beside the tree in one environment, and nothing is fetched for it."""
    assert release_0_2.site is not None
    (metadata,) = release_0_2.site.glob("cohub-*.dist-info")
    there: Distribution = PathDistribution(metadata)
    assert there.version == "0.2.0"
    for text in there.requires or ():
        needed = Requirement(text)
        if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in ("hq", "embedded", "archive")):
            assert distribution(needed.name).version in needed.specifier, text
    done = release_0_2.run("hub.cli.main", "--version")
    assert "0.2.0" in done.stdout


async def test_office_of_release_0_2_works_with_an_hq_of_the_tree(tmp_path: Path, release_0_2: Release) -> None:
    """Beside an office of the tree: rows, receipts, HQ's log; what both wrote is audited and proved."""
    async with network(tmp_path, TREE, {"uz": release_0_2, "kz": TREE}) as mixed:
        for office in mixed.offices:
            office.say({f"K-{number}": f"Offer {number}" for number in range(20)})
        mixed.start()
        await mixed.settle()
        for office in mixed.offices:
            office.say({"K-1": "Offer 1 revised", "K-20": "New"})
        await mixed.settle()
        await mixed.stop()
        assert json.loads(mixed.hub("audit", "verify", "--json"))["findings"] == []
        shown = json.loads(mixed.hub("show", "offer", "uz:K-1", "--json"))
        assert "Offer 1 revised" in json.dumps(shown)


@pytest.mark.long  # over a minute: HQ, office and audits of two releases
async def test_release_0_2_as_hq_works_with_the_tree_and_the_tree_takes_up_all_that_it_wrote(
    tmp_path: Path, release_0_2: Release
) -> None:
    """HQ, then an office of 0.2 are replaced by the tree where they stand; newer rules are adopted while all run."""
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    async with network(tmp_path, release_0_2, {"uz": release_0_2, "kz": TREE}) as mixed:
        trust = mixed.data_dir / "keys" / "trust.note"
        uz, _ = mixed.offices
        for office in mixed.offices:
            office.say({f"K-{number}": f"Offer {number}" for number in range(20)})
        mixed.start()
        await mixed.settle()
        await mixed.stop()
        for center in ("uz", "kz"):
            mixed.hub("audit", "export", "--entity", f"offer/{center}:K-1", "-o", str(bundles / f"{center}-0.2.zip"))

        # HQ of the tree, over all of it; its rules stay those of 0.2 until somebody adopts others.
        mixed.hq = TREE
        assert json.loads(mixed.hub("audit", "verify", "--json"))["findings"] == []
        mixed.hub("replay", "rebuild")
        for office in mixed.offices:
            office.say({"K-1": "Offer 1 revised", "K-20": "New"})
        mixed.start()
        await mixed.settle()
        assert "rules 1 are in force" in mixed.hub("rules")
        mixed.hub("audit", "export", "--entity", "offer/uz:K-1", "-o", str(bundles / "uz-tree.zip"))
        for bundle in sorted(bundles.iterdir()):
            for by in (TREE, release_0_2):
                status, said = checked(by, bundle, trust)
                assert status == 0, (bundle.name, by.name, said)

        # Newer rules, while an office of 0.2 goes on, and then is the tree too.
        mixed.hub("rules", "adopt", "2", "--yes")
        for office in mixed.offices:
            office.say({"K-2": "Offer 2 revised", "K-21": "Newer"})
        await mixed.settle()
        await mixed.stop()
        uz.release = TREE
        uz.say({"K-3": "Offer 3 revised", "K-22": "Newest"})
        mixed.start()
        await mixed.settle()
        await mixed.stop()
        assert json.loads(mixed.hub("audit", "verify", "--json"))["findings"] == []
        mixed.hub("audit", "export", "--entity", "offer/uz:K-3", "-o", str(tmp_path / "rules-2.zip"))
        assert checked(TREE, tmp_path / "rules-2.zip", trust)[0] == 0

        # And back: 0.2 can't read what the tree has made of its tables, and says so instead of guessing.
        for refused in (
            release_0_2.hub(mixed.data_dir, "status"),
            release_0_2.connector(uz.folder, "run", "--quiet"),
        ):
            assert refused.returncode != 0
            assert refused.stderr.count("\n") == 1, refused.stderr
            assert re.search("later release|newer", refused.stderr), refused.stderr
