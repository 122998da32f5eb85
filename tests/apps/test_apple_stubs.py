"""``ios_demo/check``: what the stubs declare is in Apple's frameworks, by the names that Objective-C has for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from converters.errors import ExportError
from tests.apps import swift, toolchains

STUBS = sorted((swift.DEMO / "check").glob("*.swift"))
FRAMEWORKS = (*(path.stem for path in STUBS), "CoreFoundation", "CoreGraphics")
OLDEST_IOS = 16
# What Swift itself asks of a type that has raw values, and of every class.
_SWIFTS_OWN = ("rawValue", "init(rawValue", "init()")
_DECLARATION = re.compile(
    r"^ *(?:public|open) (?:convenience |final |static |class (?=func|var))*"
    r"(?:class|struct|enum|protocol|typealias|let|var|func|(?=init)) ?(init\((?:\)|\w*)|\w+)"
)


@pytest.fixture(scope="module")
def apple() -> str:
    try:
        files = [toolchains.apple() / f"objc!{name}.d.ts" for name in FRAMEWORKS]
        return "".join(path.read_text(encoding="utf-8") for path in files)
    except ExportError as error:
        pytest.skip(f"{error.what}: {error.next_step}")


def named(stub: Path) -> list[str]:
    """The names in Objective-C of what a stub declares: in a comment above, else Swift's own."""
    names, above = [], ""
    for line in stub.read_text(encoding="utf-8").splitlines():
        found = _DECLARATION.match(line)
        if found and found[1] not in _SWIFTS_OWN and above != "Swift alone":
            names.append(above or found[1])
        comment = re.fullmatch(r" *// (Swift alone|\w+)", line)
        above = comment[1] if comment else above if line.strip() == "@discardableResult" else ""
    return names


def problem(name: str, declarations: str) -> str | None:
    """What is wrong with a name: not there, or newer than the oldest iOS."""
    found = re.search(rf"(?:@since ([\d.]+)\s+\*/\s+)?^[^*\n]*\b{name}\b", declarations, re.MULTILINE)
    if found is None:
        return f"{name} is not there"
    if found[1] and float(found[1]) > OLDEST_IOS:
        return f"{name} is of iOS {found[1]}"
    return None


@pytest.mark.parametrize("stub", STUBS, ids=lambda path: path.stem)
def test_what_stubs_declare_is_in_the_frameworks_of_the_oldest_ios(apple, stub):
    names = named(stub)
    assert names
    assert [wrong for name in names if (wrong := problem(name, apple))] == []


def test_every_declaration_is_looked_at():
    written = sum(len(re.findall(r"\b(?:public|open) (?!extension)", path.read_text())) for path in STUBS)
    alone = sum(path.read_text().count("// Swift alone") for path in STUBS)
    own = sum(len(re.findall(r"public (?:let rawValue|init\(rawValue|init\(\))", path.read_text())) for path in STUBS)
    assert sum(len(named(path)) for path in STUBS) == written - alone - own


def test_names_that_are_not_there_or_too_new_are_noticed(apple):
    assert problem("imageByCroppingToRectangle", apple) == "imageByCroppingToRectangle is not there"
    # The asynchronous prediction.
    assert problem("predictionFromFeaturesCompletionHandler", apple) == (
        "predictionFromFeaturesCompletionHandler is of iOS 17.0"
    )
