"""Calls in Swift: what of Package.swift and Tuist's Project.swift can be read without running them, and added to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_BLANKED = re.compile(r'"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*[\s\S]*?\*/')
_COMMENTED = re.compile(r'("""[\s\S]*?"""|"(?:\\.|[^"\\\n])*")|//[^\n]*|/\*[\s\S]*?\*/')
_STRING = re.compile(r'"((?:\\.|[^"\\\n])*)"')
_CLOSES = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Call:
    """A call: where its arguments begin and end in the text, by their labels, and the whole from its parenthesis on."""

    text: str
    name: str
    begin: int
    end: int
    arguments: dict[str, tuple[int, int]]

    def raw(self, label: str) -> str | None:
        """An argument as it is written, without comments; None where there is none."""
        if label not in self.arguments:
            return None
        begin, end = self.arguments[label]
        return without_comments(self.text[begin:end]).strip()

    def string(self, label: str) -> str | None:
        """An argument that is one string without interpolation, or a constant of the file that is one."""
        raw = self.raw(label) or ""
        if re.fullmatch(r"[A-Za-z_]\w*", raw):
            constant = re.search(rf'\blet\s+{raw}\s*(?::\s*String\s*)?=\s*("(?:\\.|[^"\\\n])*")', self.text)
            raw = "" if constant is None else constant[1]
        return _plain(raw)

    def strings(self, label: str) -> list[str] | None:
        """The strings directly in a list, or the one string; None where something else is there, nothing in no list."""
        raw = self.raw(label)
        if raw is None:
            return []
        if not raw.startswith("["):
            return None if (one := self.string(label)) is None else [one]
        parts = _split(raw, blanked(raw), 1, len(raw) - 1)
        found = [_plain(raw[begin:end].strip()) for begin, end in parts]
        texts = [text for text in found if text is not None]
        return texts if len(texts) == len(found) else None


def _plain(raw: str) -> str | None:
    """The text of a string literal without interpolation."""
    found = _STRING.fullmatch(raw)
    return None if found is None or "\\(" in found[1] else unescaped(found[1])


def calls(text: str, name: str) -> Iterator[Call]:
    """The calls of what a pattern names, also within each other; raises ValueError for open brackets."""
    code = blanked(text)
    for found in re.finditer(rf"{name}\s*\(", code):
        begin = found.end() - 1
        end = _closed(code, begin)
        arguments = {}
        for at, stop in _split(text, code, begin + 1, end):
            label = re.match(r"\s*(\w+)\s*:", code[at:stop])
            if label is not None:
                arguments[label[1]] = (at + label.end(), stop)
        yield Call(text, name, begin, end, arguments)


def blanked(text: str) -> str:
    """The text with spaces for its strings and comments, as long as before."""
    return _BLANKED.sub(lambda found: " " * len(found[0]), text)


def without_comments(text: str) -> str:
    """The text with spaces for its comments, as long as before."""
    return _COMMENTED.sub(lambda found: found[1] or " " * len(found[0]), text)


def literal(text: str) -> str:
    """A Swift literal of any text."""
    plain = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(plain.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text) + '"'


def unescaped(text: str) -> str:
    short = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
    return re.sub(
        r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|(.))",
        lambda found: chr(int(found[1], 16)) if found[1] else short.get(found[2], found[2]),
        text,
    )


def with_elements(call: Call, label: str, elements: list[str], after: tuple[str, ...]) -> str:
    """The text with elements more in the list that is an argument, or with that argument behind those in ``after``.

    Raises ValueError where the argument is no list, and where there is none of those.
    """
    text = call.text
    newline = "\r\n" if "\r\n" in text else "\n"
    if label in call.arguments:
        begin, end = call.arguments[label]
        code = without_comments(text[begin:end]).rstrip()
        if not code.lstrip().startswith("[") or not code.endswith("]"):
            raise ValueError(f"`{label}` is not a list in it")
        inner = code[:-1].rstrip()
        at = begin + len(inner)
        comma = "" if inner.endswith(("[", ",")) else ","
        if newline not in inner and newline not in code:
            gap = "" if inner.endswith("[") else " "
            return f"{text[:at]}{comma}{gap}{', '.join(elements)}{text[at:]}"
        indent = _indent(text, begin) + "    "
        return text[:at] + comma + ",".join(f"{newline}{indent}{item}" for item in elements) + "," + text[at:]
    ends = [call.arguments[name][1] for name in after if name in call.arguments]
    if not ends:
        raise ValueError(f"there is no place for `{label}` in it")
    at = len(text[: max(ends)].rstrip())
    own_line = re.match(r"\s+\w+:", text[text.rfind("\n", 0, at) + 1 : at]) is not None
    gap = newline + _indent(text, at) if own_line else " "
    return f"{text[:at]},{gap}{label}: [{', '.join(elements)}]{text[at:]}"


def _indent(text: str, at: int) -> str:
    """How far the line of a place is indented."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _closed(code: str, begin: int) -> int:
    """Where the bracket that opens at ``begin`` is closed."""
    waiting: list[str] = []
    for at in range(begin, len(code)):
        if code[at] in _CLOSES:
            waiting.append(_CLOSES[code[at]])
        elif code[at] in ")]}":
            if not waiting or waiting.pop() != code[at]:
                break
            if not waiting:
                return at
    raise ValueError("its brackets are not in pairs")


def _split(text: str, code: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the parts between commas begin and end, without empty ones; ``code``: the text without its strings."""
    depth, at = 0, begin
    for here in range(begin, end + 1):
        if here == end or (code[here] == "," and depth == 0):
            if text[at:here].strip():
                yield at, here
            at = here + 1
        elif code[here] in "([{":
            depth += 1
        elif code[here] in ")]}":
            depth -= 1
