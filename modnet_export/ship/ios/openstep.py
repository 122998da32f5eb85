"""Property lists in the old form of NeXTSTEP, which Xcode writes its projects in: dictionaries, lists and strings."""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(
    r"""(?:\s|//[^\n]*|/\*[\s\S]*?\*/)*(?:([{}()=;,])|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s{}()=;,"']+))""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|U([0-9A-Fa-f]{4})|([\s\S]))")
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_DEEPEST = 100


def parse(text: str) -> dict[str, Any]:
    """The dictionary that a file holds; raises ValueError, with the line, for what is damaged."""
    reader = _Reader(text)
    found = reader.value(0)
    if not isinstance(found, dict):
        raise ValueError("it is not a dictionary")
    if not re.fullmatch(r"(?:\s|//[^\n]*|/\*[\s\S]*?\*/)*", text[reader.at :]):
        raise ValueError(f"something follows its end in line {reader.line}")
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    @property
    def line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def next(self) -> tuple[str, str | None]:
        """A mark, or nothing and a string."""
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            raise ValueError(f"it ends, or is damaged, in line {self.line}")
        self.at = found.end()
        mark, double, single, plain = found.groups()
        if mark:
            return mark, None
        quoted = double if double is not None else single
        return "", plain if quoted is None else _ESCAPE.sub(_unescaped, quoted)

    def value(self, depth: int) -> Any:
        mark, text = self.next()
        if depth > _DEEPEST:
            raise ValueError(f"it is nested too deeply in line {self.line}")
        if text is not None:
            return text
        if mark == "{":
            return self.dictionary(depth)
        if mark == "(":
            return self.list(depth)
        raise ValueError(f"there is a '{mark}' where a value should be in line {self.line}")

    def dictionary(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while True:
            mark, key = self.next()
            if mark == "}":
                return found
            if key is None:
                raise ValueError(f"there is a '{mark}' where a key should be in line {self.line}")
            self.expect("=")
            found[key] = self.value(depth + 1)
            self.expect(";")

    def list(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while True:
            before = self.at
            mark, _ = self.next()
            if mark == ")":
                return found
            self.at = before
            found.append(self.value(depth + 1))
            mark, _ = self.next()
            if mark == ")":
                return found
            if mark != ",":
                raise ValueError(f"a comma is missing in line {self.line}")

    def expect(self, wanted: str) -> None:
        if self.next()[0] != wanted:
            raise ValueError(f"a '{wanted}' is missing in line {self.line}")


def _unescaped(found: re.Match[str]) -> str:
    octal, code, plain = found.groups()
    if octal:
        return chr(int(octal, 8))
    return chr(int(code, 16)) if code else _SHORT.get(plain, plain)
