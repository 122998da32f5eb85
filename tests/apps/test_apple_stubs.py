"""``ios_demo/check``: what the stubs declare is in Apple's frameworks, by the names that Objective-C has for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from converters.errors import ExportError
from tests.apps import swift, toolchains

# SwiftUI is Swift's alone: Objective-C has no name of it.
STUBS = [path for path in sorted((swift.DEMO / "check").glob("*.swift")) if path.stem != "SwiftUI"]
FRAMEWORKS = (*(path.stem for path in STUBS), "CoreFoundation", "Foundation")
OLDEST_IOS = 16
# What Swift itself asks of a type that has raw values, and of every class.
_SWIFTS_OWN = ("rawValue", "init(rawValue", "init()")
# Those of protocols have no word before them.
_DECLARATION = re.compile(
    r"^ *(?:@MainActor )?(?:(?:public|open) "
    r"(?:convenience |final |override |nonisolated |static |class (?=func|var))*|(?=func|var))"
    r"(?:class|struct|enum|protocol|typealias|let|var|func|(?=init)) ?(init\??\((?:\)|\w*)|`?\w+`?|==)"
)


@pytest.fixture(scope="module")
def apple() -> str:
    try:
        files = [toolchains.apple() / f"objc!{name}.d.ts" for name in FRAMEWORKS]
        return "".join(path.read_text(encoding="utf-8") for path in files)
    except ExportError as error:
        pytest.skip(f"{error.what}: {error.next_step}")


def named(stub: Path) -> list[tuple[str, float]]:
    """The names in Objective-C of what a stub declares (in a comment above, else Swift's own), and for which iOS."""
    names, above, ios = [], "", float(OLDEST_IOS)
    for line in stub.read_text(encoding="utf-8").splitlines():
        if newer := re.fullmatch(r"@available\(iOS ([\d.]+), \*\)", line):
            ios = float(newer[1])
        found = _DECLARATION.match(line)
        if found and found[1] not in _SWIFTS_OWN and above != "Swift alone":
            names.append((above or found[1], ios))
        if line == "}" or (found and not line.startswith(" ") and line.endswith("{}")):
            ios = float(OLDEST_IOS)
        comment = re.fullmatch(r" *// (Swift alone|\w+)", line)
        above = comment[1] if comment else above if line.strip() == "@discardableResult" else ""
    return names


def problem(name: str, declarations: str, ios: float = OLDEST_IOS) -> str | None:
    """What is wrong with a name: not there, or newer than this iOS."""
    # Where it is declared comes before where it is only used.
    found = re.search(rf"^(?:declare )?(?:interface|class|const enum) {name}\b", declarations, re.MULTILINE)
    found = found or re.search(rf"^[^*\n]*\b{name}\b", declarations, re.MULTILINE)
    if found is None:
        return f"{name} is not there"
    since = re.search(r"@since ([\d.]+)\s+\*/\s+\Z", declarations[max(found.start() - 200, 0) : found.start()])
    if since and float(since[1]) > ios:
        return f"{name} is of iOS {since[1]}"
    return None


@pytest.mark.parametrize("stub", STUBS, ids=lambda path: path.stem)
def test_what_stubs_declare_is_in_the_frameworks_of_the_oldest_ios(apple, stub):
    names = named(stub)
    assert names
    assert [wrong for name, ios in names if (wrong := problem(name, apple, ios))] == []


def test_every_declaration_is_looked_at():
    declared = r"\b(?:public|open) (?!extension)|^ +(?:func|var) "
    written = sum(len(re.findall(declared, path.read_text(), re.MULTILINE)) for path in STUBS)
    alone = sum(path.read_text().count("// Swift alone") for path in STUBS)
    own = sum(
        len(re.findall(r"public (?:override )?(?:let rawValue|init\(rawValue|init\(\))", path.read_text()))
        for path in STUBS
    )
    assert sum(len(named(path)) for path in STUBS) == written - alone - own


def test_names_that_are_not_there_or_too_new_are_noticed(apple):
    assert problem("imageByCroppingToRectangle", apple) == "imageByCroppingToRectangle is not there"
    # The asynchronous prediction.
    assert problem("predictionFromFeaturesCompletionHandler", apple) == (
        "predictionFromFeaturesCompletionHandler is of iOS 17.0"
    )
