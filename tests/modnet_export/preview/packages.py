"""npm's packages that the page is tested with, as ``npm/package-lock.json`` pins them, in the user's cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from modnet_export.record.files import cache

LOCK = [Path(__file__).parent / "npm" / name for name in ("package.json", "package-lock.json")]


def folder() -> Path:
    return cache() / "preview-tests"


def fetched() -> Path:
    """The folder with ``node_modules``; the test is skipped where it is not there, or older than the lock file."""
    lock = folder() / "package-lock.json"
    if not (folder() / "node_modules").is_dir() or lock.read_bytes() != LOCK[1].read_bytes():
        pytest.skip("the packages for this test are not here: make setup-preview")
    return folder()
