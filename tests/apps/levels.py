"""Whether compiled classes call what is newer than an app's oldest Android only where they have asked for its level.

Each method is followed along its instructions: behind ``SDK_INT >= N`` level N is sure, and where ways meet the lower
one is. What is annotated with ``@RequiresApi(N)``, and what extends a class of level N, may count on N, and counts as
newer where it is used. Lambdas and anonymous classes may count on what is sure where they are made. Not followed:
levels that are kept in a variable or asked for by a function. Constants are compiled in, and count for nothing.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.apps import api, bytecode, toolchains
from tests.apps.bytecode import Instruction
from tests.apps.classfile import ClassFile, Member, annotated_with
from tests.apps.declarations import declared, dots, matching

_SDK_INT = ("android/os/Build$VERSION", "SDK_INT", "I")
_REQUIRES = "Landroidx/annotation/RequiresApi;"
_PLATFORM = ("android/", "java/", "javax/", "org/json/", "org/w3c/", "org/xml/", "org/xmlpull/", "dalvik/")
_COMPARISONS = {159: (0, None), 160: (None, 0), 161: (None, 0), 162: (0, None), 163: (1, None), 164: (None, 1)}
"""if_icmpeq to if_icmple: what to add to N where ``SDK_INT ? N`` jumps and where it does not; None: nothing."""
_TURNED = {159: 159, 160: 160, 161: 163, 162: 164, 163: 161, 164: 162}
"""The same with N on the left."""
_ANY = 1000
_LAMBDA = "lambda$"
_ANONYMOUS = re.compile(r"\$(\d+|WhenMappings)$")
"""Classes that Kotlin makes for an ``object``, or for a ``when`` over an enum."""


class Platform:
    """Since which level Android has what is referred to."""

    def __init__(self) -> None:
        self._new, self._old = (
            zipfile.ZipFile(io.BytesIO(path.read_bytes())) for path in (api.android_36(), toolchains.android_jar())
        )
        self._declared = declared(toolchains.levels())
        self._read: dict[tuple[bool, str], ClassFile | None] = {}

    def _class(self, name: str, old: bool = False) -> ClassFile | None:
        if (old, name) not in self._read:
            archive = self._old if old else self._new
            there = f"{name}.class" in archive.NameToInfo
            self._read[old, name] = ClassFile(archive.read(f"{name}.class")) if there else None
        return self._read[old, name]

    def of_class(self, name: str) -> int:
        known = self._declared.get(dots(name))
        if known is not None:
            return known.level
        return 0 if self._class(name, old=True) else api.undeclared_level(name)

    def of_member(self, owner: str, name: str, descriptor: str) -> int | None:
        """None where Android has it not at all."""
        for item in self._lineage(owner):
            if _has(item, name, descriptor):
                old = self._class(item.name, old=True)
                if old is not None and _has(old, name, descriptor):
                    return self.of_class(owner)
                known = self._declared.get(dots(item.name))
                levels = [member.level for member in matching(known, name, descriptor)] if known else []
                level = max([self.of_class(item.name), *levels])
                # What should be in API 23 and is not has another type since, or is newer than the declarations.
                return max(self.of_class(owner), level if level > api.OLD else api.NEWEST)
        return None

    def _lineage(self, name: str) -> Iterator[ClassFile]:
        item = self._class(name)
        if item is not None:
            yield item
            for parent in (item.parent, *item.interfaces, "java/lang/Object"):
                if parent and parent != name:
                    yield from self._lineage(parent)


def _has(item: ClassFile, name: str, descriptor: str) -> bool:
    return any((member.name, member.descriptor) == (name, descriptor) for member in (*item.fields, *item.methods))


@dataclass
class Levels:
    """The classes of an app; those that they refer to and that are neither theirs nor Android's are not looked at."""

    classes: dict[str, ClassFile]
    minimum: int
    platform: Platform
    _sure_at: dict[str, int] = field(default_factory=dict)
    """Of lambdas (``CLASS.NAME``) and anonymous classes, the lowest level that is sure where they are made."""
    _found: dict[str, int] = field(default_factory=dict)
    """The same, as it is being found."""
    _unmade: int = _ANY
    """The level of those that were not seen to be made."""
    _problems: set[str] = field(default_factory=set)

    def problems(self) -> list[str]:
        """What is called without having asked for its level."""
        # From the highest level down, until nothing falls: a lambda within a lambda may count on what that one does.
        for unmade in (_ANY, self.minimum):
            self._unmade = unmade
            while True:
                self._found = {}
                self._problems = set()
                for item in self.classes.values():
                    for method in item.methods:
                        if "Code" in method.attributes:
                            self._follow(item, method)
                if self._found == self._sure_at:
                    break
                self._sure_at = self._found
        return sorted(self._problems)

    def _required(self, name: str) -> int:
        """The level that a class of the app, or of Android, asks for."""
        item = self.classes.get(name)
        if item is None:
            return self.platform.of_class(name) if name.startswith(_PLATFORM) else 0
        return max(
            _annotated(item, item.attributes), *(self._required(base) for base in (item.parent, *item.interfaces))
        )

    def _level(self, owner: str, name: str, descriptor: str) -> int | None:
        """The level that a member asks for; None where neither the app nor Android has it."""
        item = self.classes.get(owner)
        if item is None:
            return self.platform.of_member(owner, name, descriptor) if owner.startswith(_PLATFORM) else 0
        for one in (*item.methods, *item.fields):
            if (one.name, one.descriptor) == (name, descriptor):
                return max(self._required(owner), _annotated(item, one.attributes))
        inherited = (self._level(base, name, descriptor) for base in (item.parent, *item.interfaces))
        return min((level for level in inherited if level is not None), default=None)

    def _sure(self, item: ClassFile, method: Member) -> int:
        """The level that is sure where a method begins."""
        inferred = 0
        if _ANONYMOUS.search(item.name):
            inferred = self._sure_at.get(item.name, self._unmade)
        if _LAMBDA in method.name:
            inferred = self._sure_at.get(f"{item.name}.{method.name}", self._unmade)
        return max(self.minimum, self._required(item.name), _annotated(item, method.attributes), inferred)

    def _follow(self, item: ClassFile, method: Member) -> None:
        listed, handlers = bytecode.instructions(method.attributes["Code"])
        places = {one.at: number for number, one in enumerate(listed)}
        levels: dict[int, int] = {}
        waiting = [(listed[0].at, self._sure(item, method))]
        while waiting:
            at, level = waiting.pop()
            if levels.get(at, level + 1) <= level:
                continue
            levels[at] = level
            one = listed[places[at]]
            waiting += [(handler.handler, level) for handler in handlers if handler.begin <= at < handler.end]
            jumping, falling = self._compared(item, listed, places[at])
            waiting += [(target, max(level, jumping)) for target in one.jumps]
            if one.following is not None:
                waiting.append((one.following, max(level, falling)))
        for at, level in levels.items():
            self._refer(item, method, listed[places[at]], level)

    def _compared(self, item: ClassFile, listed: list[Instruction], place: int) -> tuple[int, int]:
        """The levels that a comparison of SDK_INT makes sure, where it jumps and where it does not."""
        code = listed[place].code
        if code not in _COMPARISONS or place < 2:
            return 0, 0
        first, second = listed[place - 2], listed[place - 1]
        if _number(first, item) is not None:
            first, second, code = second, first, _TURNED[code]
        number = _number(second, item)
        if number is None or first.code != bytecode.GET_STATIC or bytecode.member(item, first.operand) != _SDK_INT:
            return 0, 0
        jumping, falling = (0 if more is None else number + more for more in _COMPARISONS[code])
        return jumping, falling

    def _refer(self, item: ClassFile, method: Member, one: Instruction, level: int) -> None:
        """Check what one instruction refers to."""
        if one.code == bytecode.INVOKE_DYNAMIC:
            descriptor, handles = bytecode.dynamic(item, one.operand)
            self._check(item, method, level, descriptor[descriptor.index(")") + 2 : -1])
            for owner, name, given in handles:
                if owner in self.classes and _LAMBDA in name:
                    self._make(f"{owner}.{name}", level)
                else:
                    self._check(item, method, level, owner, name, given)
        elif 178 <= one.code <= 185:
            owner, name, descriptor = bytecode.member(item, one.operand)
            # A method that Android calls since a level may call the one that it overrides.
            if one.code != bytecode.INVOKE_SPECIAL or (name, descriptor) != (method.name, method.descriptor):
                self._check(item, method, level, owner, name, descriptor)
        elif one.code in (187, 189, 192, 193, 197) or (one.code in (18, 19) and item.constants[one.operand][0] == 7):
            name = item.class_name(one.operand).lstrip("[").removeprefix("L").removesuffix(";")
            self._check(item, method, level, name)

    def _make(self, name: str, level: int) -> None:
        self._found[name] = min(level, self._found.get(name, level))

    def _check(
        self, item: ClassFile, method: Member, level: int, owner: str, name: str = "", descriptor: str = ""
    ) -> None:
        if _ANONYMOUS.search(owner) and owner in self.classes and owner != item.name:
            self._make(owner, level)
        needed = self._level(owner, name, descriptor) if name else self._required(owner)
        where = f"{item.name}.{method.name}"
        what = f"{owner}.{name}{descriptor}" if name else owner
        if needed is None:
            self._problems.add(f"{where}: Android has no {what}")
        elif needed > level:
            self._problems.add(f"{where}: {what} is there since API {needed}, and {level} is all that is sure")


def _number(one: Instruction, item: ClassFile) -> int | None:
    """The number that an instruction puts on the stack; None for other instructions."""
    if 2 <= one.code <= 8:
        return one.code - 3
    if one.code in (16, 17):
        return one.operand
    if one.code in (18, 19) and item.constants[one.operand][0] == 3:
        return int(struct.unpack_from(">i", item.constants[one.operand], 1)[0])
    return None


def _annotated(item: ClassFile, attributes: dict[str, bytes]) -> int:
    """The level that ``@RequiresApi`` names, as its value or as api; 0 without one."""
    places = annotated_with(item, attributes).get(_REQUIRES, {}).values()
    return max((struct.unpack_from(">i", item.constants[place], 1)[0] for place in places), default=0)


def unguarded(folders: list[Path], minimum: int = 24) -> list[str]:
    """What the classes below folders call without having asked whether this Android has it."""
    paths = sorted(path for folder in folders for path in folder.rglob("*.class"))
    classes = (ClassFile(path.read_bytes()) for path in paths)
    return Levels({item.name: item for item in classes}, minimum, Platform()).problems()
