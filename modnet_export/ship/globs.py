"""Patterns of paths, as build files have them."""

from __future__ import annotations

import re

_MOST_STARS = 8
"""Build tools write two. With many, matching a long path could take hours; what somebody made to hang us has them."""


def matches(glob: str, path: str) -> bool:
    """Whether one of ``uncompressed_glob`` covers a path, by the rules of Java's ``FileSystem.getPathMatcher``.

    ``**`` crosses folders, ``*`` and ``?`` do not, brackets and braces choose; AGP writes ``**.[tT][fF]...``.
    """
    if glob.count("*") > _MOST_STARS:
        return False
    pattern, at, depth = "", 0, 0
    while at < len(glob):
        char = glob[at]
        if glob.startswith("**", at):
            pattern, at = pattern + ".*", at + 1
        elif char in "*?":
            pattern += "[^/]*" if char == "*" else "[^/]"
        elif char == "[" and "]" in glob[at + 2 :]:
            end = glob.index("]", at + 2)
            inside = glob[at + 1 : end].replace("\\", r"\\").replace("[", r"\[")
            pattern, at = pattern + "[" + ("^" + inside[1:] if inside[0] == "!" else inside) + "]", end
        elif char == "{":
            pattern, depth = pattern + "(?:", depth + 1
        elif char == "}" and depth:
            pattern, depth = pattern + ")", depth - 1
        elif char == "," and depth:
            pattern += "|"
        else:
            at += char == "\\" and at + 1 < len(glob)
            pattern += re.escape(glob[at])
        at += 1
    try:
        return re.fullmatch(pattern, path) is not None
    except re.error:  # for example a brace that is never closed: bundletool refuses the bundle
        return False
