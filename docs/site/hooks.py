"""What the site has beside the files of docs/: README as its first page, and the reference of the Python API."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent.parent
_PACKAGES = ("modnet_export", "benchmarks")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are no files."""
    for path, text in (("index.md", front()), ("reference.md", reference())):
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """What lies outside docs/ is in the repository only: it is named, without a link."""
    return re.sub(r"\[([^]]+)\]\(\.\./[^)]+\)", r"\1", markdown)


def front() -> str:
    """README as a page of docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.sub(r"\]\((?!https?:|#|docs/)", "](../", text).replace("](docs/", "](")


def reference() -> str:
    """A page with all that the packages export, from their docstrings."""
    lines = ["# Reference of the Python API", ""]
    for package in _PACKAGES:
        lines += [f"## {package}", ""]
        for name in import_module(package).__all__:
            lines += [f"::: {package}.{name}", ""]
    return "\n".join(lines)
