"""The documentation is a site whose links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.long


def built(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", root / "mkdocs.yml"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, "--site-dir", site], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_the_site_is_built_without_a_warning(tmp_path):
    done = built(ROOT, tmp_path)
    assert not done.returncode, done.stderr
    reference = (tmp_path / "reference/index.html").read_text(encoding="utf-8")
    for name in ("ExportRequest", "MattingRequest", "BenchRequest", "open_matting"):
        assert re.search(rf'<h3 id="[a-z_]+\.{name}"', reference), name
    assert "What to export" in reference
    # Nothing is loaded from elsewhere: a reader in a train, and one who is not to be counted.
    pages = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html"))
    assert not re.findall(r'(?:src="|<link [^>]*href=")https?://[^"]+', pages)


def test_a_link_that_leads_nowhere_is_noticed(tmp_path):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for name in ("mkdocs.yml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    page = tmp_path / "docs/glossary.md"
    page.write_text(page.read_text(encoding="utf-8") + "\n[nowhere](api.md#nowhere)\n", encoding="utf-8")
    done = built(tmp_path, tmp_path / "site")
    assert done.returncode
    assert "#nowhere" in done.stderr
