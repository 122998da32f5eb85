"""What a build file lacks for a model, as lines that Kotlin and Groovy read alike, and putting them into it.

The file is not run. Strings and comments are blanked out, blocks found by their braces, and lines put at a block's end;
what was made is read again, and is no success before nothing is lacking in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from converters.errors import ExportError
from modnet_export.ship.android import gradle
from modnet_export.ship.android.gradle import LITERT, Scripts
from modnet_export.ship.android.project import Project

LITERT_VERSION = "2.3.0"
"""Of LiteRT, which the shipped sources are written for."""
_NAME = f"{LITERT}:litert"
RULES = "modnet-rules.pro"
_RUNNER = "androidx.test.runner.AndroidJUnitRunner"
# Of what a test on a device needs: the version, and what brings it too.
_FOR_TESTS = {
    "androidx.test.ext:junit": ("1.3.0", ()),
    "androidx.test:runner": ("1.7.0", ("androidx.test.espresso:espresso-core",)),
}
_BLANKED = re.compile(
    r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*[\s\S]*?\*/'
)


@dataclass(frozen=True)
class Edit:
    """Lines that belong into a block, the outermost first: ``("android", "defaultConfig")``."""

    why: str
    block: tuple[str, ...]
    lines: tuple[str, ...]

    def shown(self) -> str:
        """The lines within their blocks, to be copied."""
        return "\n".join(_nested(self.block, self.lines, "", "    "))


def lacking(project: Project, scripts: Scripts | None = None) -> list[Edit]:
    """What the app module's build file lacks; ``scripts``: what it says, where that is not what lies in the project."""
    own = scripts or project.app.scripts
    libraries = project.libraries | own.libraries()
    found = []
    if not own.stores("tflite"):
        why = "models are stored, to be mapped into memory"
        found.append(Edit(why, ("android", "androidResources"), ('noCompress.add("tflite")',)))
    version = libraries.get(_NAME) or LITERT_VERSION
    litert = [name for name in (_NAME, f"{_NAME}-gpu") if name not in libraries]
    if litert and not is_old(version):  # an old one is to be raised first, and has no accelerator of its version
        lines = tuple(f"implementation({_library(own, name, version)})" for name in litert)
        found.append(Edit("LiteRT, and its GPU accelerator of the same version", ("dependencies",), lines))
    if RULES not in own.own:
        found.append(_keep(own))
    if "testInstrumentationRunner" not in own.own:
        line = f'testInstrumentationRunner = "{_RUNNER}"'
        found.append(Edit("what runs tests on devices", ("android", "defaultConfig"), (line,)))
    tests = [
        (name, version) for name, (version, also) in _FOR_TESTS.items() if not own.libraries().keys() & {name, *also}
    ]
    if tests:
        lines = tuple(f"androidTestImplementation({_library(own, *item)})" for item in tests)
        found.append(Edit("what the test on devices needs", ("dependencies",), lines))
    return found


def is_old(version: str) -> bool:
    """Whether the shipped sources need a newer LiteRT."""
    return gradle.version_number(version) < gradle.version_number(LITERT_VERSION)


def _library(scripts: Scripts, name: str, version: str) -> str:
    """How a build file names a library: by the catalog where that has it."""
    alias = next((alias for alias, (known, _) in scripts.catalog.libraries.items() if known == name), None)
    return f"libs.{alias}" if alias else f'"{name}:{version}"'


def _keep(scripts: Scripts) -> Edit:
    """The file of rules: in the block ``optimization`` where R8 is set up there, else for every build type."""
    why = "R8 keeps what LiteRT's native code calls"
    if any(gradle.is_set(block, "enable") for block in gradle.blocks(scripts.own, "optimization")):
        block = ("android", "buildTypes", "release", "optimization", "keepRules")
        return Edit(why, block, (f'files.add(project.file("{RULES}"))',))
    # The plugin takes its own file of rules only where a build names none.
    named = re.search(r"\b[pP]roguardFiles?\b", scripts.own) is not None or not gradle.is_set(
        scripts.own, "minifyEnabled"
    )
    default = "" if named else 'getDefaultProguardFile("proguard-android-optimize.txt"), '
    return Edit(why, ("android", "defaultConfig"), (f'proguardFiles({default}"{RULES}")',))


def applied(project: Project) -> bytes:
    """The app module's build file with all that it lacks; raises ExportError for a form that is not understood."""
    path = project.app.script
    try:
        text = path.read_bytes().decode()
        for edit in lacking(project):
            text = _inserted(text, edit)
        scripts = replace(project.app.scripts, own=gradle.without_comments(text.replace("\r\n", "\n")))
        if lacking(project, scripts):
            raise ValueError("what was added is not found in it")
    except ValueError as error:  # what is no UTF-8 is one, too
        raise ExportError(
            f"{project.name(path)} has a form that cannot be edited: {error}",
            where=path,
            expected="`android { }` at the top, in Kotlin or Groovy, with its braces in pairs",
            next_step="leave `apply` out, and copy the lines that are printed",
        ) from error
    return text.encode()


def _inserted(text: str, edit: Edit) -> str:
    """A build file with the lines of an edit at the end of their block; raises ValueError where that is not found."""
    code = _BLANKED.sub(lambda found: " " * len(found[0]), text)
    begin, end, inner = 0, len(code), 0
    while inner < len(edit.block) and (child := _child(code, begin, end, edit.block[inner])) is not None:
        (begin, end), inner = child, inner + 1
    if inner == 0 and edit.block[0] == "android":
        raise ValueError("it has no block `android { }` at the top")
    newline = "\r\n" if "\r\n" in text else "\n"
    unit = found[1] if (found := re.search(r"^([ \t]+)\S", text, re.MULTILINE)) else "    "
    outer = "" if inner == 0 else _indent(text, begin)
    lines = _nested(edit.block[inner:], edit.lines, outer if inner == 0 else outer + unit, unit)
    if inner == 0:
        return text.rstrip() + newline * 2 + newline.join(lines) + newline
    kept = text[:end].rstrip(" \t")
    gap = "" if kept.endswith("\n") else newline
    return kept + gap + newline.join(lines) + newline + outer + text[end:]


def _child(code: str, begin: int, end: int, name: str) -> tuple[int, int] | None:
    """Where the first block of a name begins and ends, behind its braces, of those directly in a part of a file.

    None: there is none. Raises ValueError where the braces are not in pairs.
    """
    depth, opened = 0, None
    for brace in re.finditer(r"[{}]", code[begin:end]):
        at = begin + brace.start()
        if brace[0] == "{":
            if depth == 0 and opened is None and re.search(rf"(?<![\w.]){name}\s*$", code[begin:at]):
                opened = at + 1
            depth += 1
        else:
            depth -= 1
            if depth < 0:
                break
            if depth == 0 and opened is not None:
                return opened, at
    if depth != 0:
        raise ValueError("its braces are not in pairs")
    return None


def _indent(text: str, at: int) -> str:
    """How far the line of a place is indented."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _nested(block: tuple[str, ...], lines: Iterable[str], outer: str, unit: str) -> list[str]:
    """Lines within blocks."""
    if not block:
        return [outer + line for line in lines]
    return [f"{outer}{block[0]} {{", *_nested(block[1:], lines, outer + unit, unit), f"{outer}}}"]
