"""A target of an iOS project in any of its forms: what it is, which files it takes in, and what it says of itself."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from converters.errors import ExportError

Kind = Literal["app", "tests", "library"]
_KINDS: dict[str, Kind] = {
    "application": "app",
    "bundle.unit-test": "tests",
    "framework": "library",
    "framework.static": "library",
    "library.static": "library",
    "library.dynamic": "library",
}
OLDEST, INFO = "IPHONEOS_DEPLOYMENT_TARGET", "INFOPLIST_KEY_"
"""Xcode's build settings: the oldest iOS, and what begins those that are keys of Info.plist."""
WRAPPERS = (
    ".mlpackage",
    ".mlmodelc",
    ".xcassets",
    ".bundle",
    ".framework",
    ".xcframework",
    ".xcdatamodeld",
    ".icon",
    ".docc",
)
"""Folders that count as one file."""
_NOT_SOURCES = {"build", "Pods", "Carthage", "node_modules", "DerivedData"}
_LARGEST = 4 << 20
KIT = "MattingKit"
"""The module of ``ios_demo/MattingKit``, and the package and product that bring it."""


@dataclass(frozen=True, eq=False)
class Target:
    """One target; a path that it takes may be of a file that is not there yet."""

    name: str
    kind: Kind
    folder: Path
    """Where files of its own are put."""
    roots: tuple[Path, ...]
    """The folders and files that it is made of."""
    takes: Callable[[Path], bool]
    """Whether a file, or a folder that counts as one, is compiled or copied into it, without any edit."""
    depends: frozenset[str] = frozenset()
    """Names of targets and of packages' products."""
    minimum: str | None = None
    """The oldest iOS that it runs on, as it is written; None: not to be seen here."""
    info: Mapping[str, Any] | None = None
    """What is known of its Info.plist; None: nothing."""
    module_name: str | None = None
    """The module's name, or the product's; None: it is the target's."""
    named: frozenset[Path] = frozenset()
    """The files that the definition names one by one: a build fails where one is missing."""

    @property
    def module(self) -> str:
        """The name of its Swift module: Xcode makes an identifier of a product's name, ``_048`` of ``2048``."""
        return re.sub(r"^\d|\W", "_", self.module_name or self.name)

    @property
    def oldest_ios(self) -> int | None:
        """The first number of ``minimum``; None where it is none."""
        found = re.match(r"\d{1,4}(?=$|\.)", self.minimum or "")
        return int(found[0]) if found else None

    def files(self) -> Iterator[Path]:
        """All that is in it, folders that count as one file as such."""
        for root in dict.fromkeys(self.roots):
            for path in walked(root):
                if self.takes(path):
                    yield path


class Form(ABC):
    """An iOS project in one of its forms."""

    what: str
    """As messages call it, for example ``an XcodeGen project``."""
    definition: Path
    """The file that says what is in it."""
    targets: Sequence[Target]

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.definition.parent

    @abstractmethod
    def steps(self, target: Target, paths: Sequence[Path], kit: str | None) -> str:
        """What is to be done so that a target takes files in, in the project's own terms.

        ``kit``: the path of the package MattingKit from the project's folder, where that is to be depended on, too.
        """

    @abstractmethod
    def edited(self, wanted: Sequence[tuple[Target, Sequence[Path], str | None]]) -> bytes:
        """The definition with all of that done; raises ValueError where it cannot be edited."""

    def after(self) -> str | None:
        """What is to be run before Xcode sees new files; None: nothing."""
        return None


def kind_of(product_type: str) -> Kind | None:
    """Xcode's product type, with or without ``com.apple.product-type.``; None for any other product."""
    return _KINDS.get(product_type.removeprefix("com.apple.product-type."))


def walked(root: Path) -> Iterator[Path]:
    """The files below a folder, or the file or wrapper itself; hidden ones and what builds leave behind are not."""
    if root.suffix in WRAPPERS or not root.is_dir():
        if root.exists():
            yield root
        return
    for folder, folders, names in os.walk(root):
        inner = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_SOURCES)
        yield from (Path(folder, name) for name in inner if name.endswith(WRAPPERS))
        folders[:] = [name for name in inner if not name.endswith((*WRAPPERS, ".xcodeproj"))]
        yield from (Path(folder, name) for name in sorted(names))


def text_of(path: Path) -> str:
    """A project's file; raises ExportError for one that is no text, or larger than any that a person writes."""
    if path.stat().st_size > 16 * _LARGEST:
        raise damaged(path, f"it has {path.stat().st_size:,} bytes")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise damaged(path, "it is not text in UTF-8") from error


def source(path: Path) -> bytes:
    """A source file; nothing of one that is no regular file, or is larger than any that a person writes."""
    return path.read_bytes() if path.is_file() and path.stat().st_size <= _LARGEST else b""


def damaged(path: Path, why: str) -> ExportError:
    return ExportError(
        f"cannot read {path.name}: {why}",
        where=path,
        expected="a project that Xcode opens",
        next_step="restore the file, for example by git",
    )
