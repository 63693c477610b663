"""The releases that the tree has to get on with, each built once a commit."""

from __future__ import annotations

import pytest

from tests.support.release import RELEASE_0_2, Release, built, has_commit


@pytest.fixture(scope="session")
def release_0_2(pytestconfig: pytest.Config) -> Release:
    """Return release 0.2, out of this repository's own history."""
    if not has_commit(RELEASE_0_2):
        pytest.skip("this copy of the repository has no history: release 0.2 can't be built from it")
    assert pytestconfig.cache is not None
    return Release("0.2", built(RELEASE_0_2, pytestconfig.cache.mkdir("releases")))
