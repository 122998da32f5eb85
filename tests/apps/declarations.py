"""Since which level Android has each class and member, from declarations in TypeScript (@nativescript/types-android).

They tell what the signatures of API 36 do not: levels, interfaces, protected members, deprecations, constants' values.
Types are coarser there: every number is ``number``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

OLDEST = 21
"""What names no level is there since this one, or longer."""
_OPEN = re.compile(r"(?:declare|export) (?P<abstract>abstract )?(?P<kind>module|class) (?P<name>\w+)(?:<|\b)")
_MEMBER = re.compile(
    r"(?P<access>public|protected) (?P<static>static )?(?P<name>[\w$]+)(?:<.*?>)?(?P<method>\((?P<parameters>.*)\))?"
    r"(?:: (?P<type>.*))?;"
)
_REMARK = re.compile(r"(?<=\w) /\*.*?\*/")
_SINCE = re.compile(r"@since (\d+)")
_DEPRECATED = re.compile(r"@deprecated(?:.*?in API (\d+))?")


@dataclass(frozen=True)
class Member:
    level: int = OLDEST
    protected: bool = False
    static: bool = False
    deprecated: bool = False
    nullable: bool = False
    """Whether it may give null."""
    type: str = ""
    """Of a constant, its value."""


Key = tuple[str, tuple[str, ...] | None]
"""A method's name (``constructor`` for one) and the types of its arguments, without generics; None for a field."""


@dataclass
class Declared:
    """A class."""

    level: int = OLDEST
    interface: bool = False
    abstract: bool = False
    deprecated: bool = False
    members: dict[Key, list[Member]] = field(default_factory=dict)
    """What TypeScript cannot tell apart has one key."""


@cache
def declared(path: Path, highest: int = 36) -> dict[str, Declared]:
    """Every class by its name, with dots throughout; what is newer than ``highest`` is left out."""
    classes: dict[str, Declared] = {}
    names: list[str] = []
    comment, inside = "", False
    with path.open(encoding="utf-8") as lines:
        for line in (_REMARK.sub("", line).strip() for line in lines):
            if inside or line.startswith("/**"):
                comment += line
                inside = not line.endswith("*/")
                if "interface with the provided implementation" in line:
                    classes[".".join(names)].interface = True
                continue
            if opened := _OPEN.match(line):
                names.append(opened["name"])
                if opened["kind"] == "class":
                    found = Declared(_level(comment), False, bool(opened["abstract"]), _deprecated(comment, highest))
                    classes.setdefault(".".join(names), found)
            elif line == "}":
                names.pop()
            elif (match := _MEMBER.match(line)) and match["name"] != "class" and _level(comment) <= highest:
                key, member = _member(match, comment, highest)
                classes[".".join(names)].members.setdefault(key, []).append(member)
            comment = ""
    return {name: item for name, item in classes.items() if item.level <= highest}


def _level(comment: str) -> int:
    return int(found[1]) if (found := _SINCE.search(comment)) else OLDEST


def _deprecated(comment: str, highest: int) -> bool:
    found = _DEPRECATED.search(comment)
    return bool(found) and int(found[1] or OLDEST) <= highest  # type: ignore[index]


def _member(match: re.Match[str], comment: str, highest: int) -> tuple[Key, Member]:
    types = None
    if match["method"] is not None:
        types = tuple(_type(part) for part in _split(match["parameters"]))
    given = match["type"] or ""
    member = Member(
        max(_level(comment), OLDEST),
        match["access"] == "protected",
        bool(match["static"]),
        _deprecated(comment, highest),
        given.endswith("| null"),
        given.removesuffix(" | null"),
    )
    return (match["name"], types), member


def _split(parameters: str) -> list[str]:
    """At commas that are within no brackets."""
    parts, depth = [""], 0
    for character in parameters:
        depth += (character in "<({") - (character in ">)}")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


def _type(parameter: str) -> str:
    name = parameter.split(":", 1)[1].strip().removesuffix(" | null")
    if name.startswith("androidNative.Array<"):
        return f"{_type(':' + name[len('androidNative.Array<') : -1])}[]"
    name = name.split("<")[0]
    return name if "." in name or name in ("number", "boolean", "string") else "any"


_PRIMITIVES = dict.fromkeys("BDFIJS", "number") | {"Z": "boolean", "C": "string"}
_CLASSES = {"java.lang.String": "string", "java.lang.CharSequence": "string", "java.lang.Object": "any"}
_DESCRIPTOR = re.compile(r"(\[*)(?:L([^;]+);|([BCDFIJSZ]))")


def key(name: str, descriptor: str) -> Key:
    """How TypeScript writes what a class file calls ``name`` with ``descriptor``."""
    if not descriptor.startswith("("):
        return name, None
    types = []
    for array, of_class, primitive in _DESCRIPTOR.findall(descriptor[1 : descriptor.index(")")]):
        dotted = "java.lang.Object" if of_class.startswith("java/util/function/") else dots(of_class)
        types.append((_CLASSES.get(dotted, dotted) if of_class else _PRIMITIVES[primitive]) + "[]" * len(array))
    return "constructor" if name == "<init>" else name, tuple(types)


def dots(name: str) -> str:
    return name.replace("/", ".").replace("$", ".")


def matching(item: Declared, name: str, descriptor: str) -> list[Member]:
    """What is known of a member; of a method whose arguments are written otherwise, of all with as many."""
    exact = key(name, descriptor)
    if exact in item.members or exact[1] is None:
        return item.members.get(exact, [])
    return [
        member
        for (other, types), members in item.members.items()
        if other == exact[0] and types is not None and len(types) == len(exact[1])
        for member in members
    ]
