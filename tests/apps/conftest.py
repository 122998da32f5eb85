"""What several tests of the apps need: each is compiled once for all processes of a run."""

from __future__ import annotations

import pytest

from converters.errors import ExportError
from tests.apps import api, kotlin, toolchains


@pytest.fixture(scope="session")
def android_tools():
    """Skips where the toolchains are missing, and says how to get them."""
    try:
        toolchains.java(), toolchains.kotlin(), toolchains.android_jar(), toolchains.junit()
        toolchains.ktlint(), toolchains.api(), toolchains.levels()
    except ExportError as error:
        pytest.skip(f"{error.what}: {error.next_step}")


@pytest.fixture(scope="session")
def matting(shared, android_tools):
    """The classes of ``android_demo/matting``, with the stubs of LiteRT in place of the library."""

    def make(folder):
        sources = kotlin.sources(kotlin.DEMO / "matting/src/main", kotlin.DEMO / "check/litert")
        done = kotlin.compiled(sources, folder, [api.android_36()], "-no-jdk")
        assert not done.returncode, done.stderr

    return shared("matting", make)
