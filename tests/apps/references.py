"""Whether Android's API has what compiled classes refer to, by name and number of arguments."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

_ARGUMENTS = re.compile(r"\[*(?:L[^;]+;|[BCDFIJSZ])")


def unknown(references: set[str], api: Path) -> list[str]:
    """Those of the references that are not in the API whose signatures lie in the folder ``api``."""
    return sorted(reference for reference in references if not _known(reference, api))


def _known(reference: str, api: Path) -> bool:
    owner, name, descriptor = re.fullmatch(r"([\w/$]+)\.([\w<>$]+):(\S+)", reference).groups()  # type: ignore[union-attr]
    package, _, type_name = owner.rpartition("/")
    return _has(api, package.removeprefix("android").strip("/"), tuple(type_name.split("$")), name, descriptor)


def _has(api: Path, package: str, types: tuple[str, ...], name: str, descriptor: str) -> bool:
    node: ast.AST | None = _module(api / package / "__init__.pyi")
    for part in types:
        inner = getattr(node, "body", [])
        node = next((item for item in inner if isinstance(item, ast.ClassDef) and item.name == part), None)
    if not isinstance(node, ast.ClassDef):
        return False
    if any(_is(item, name, descriptor) for item in node.body):
        return True
    return any(_has(api, *_named(ast.unparse(base), package), name, descriptor) for base in node.bases)


def _named(base: str, package: str) -> tuple[str, tuple[str, ...]]:
    """The package and the types of a base class, which is written without its package where that is the class's own."""
    parts = base.split("[")[0].split(".")
    folders = [part for part in parts if not part[0].isupper()]
    return "/".join(folders[1:]) if folders else package, tuple(part for part in parts if part[0].isupper())


def _is(item: ast.stmt, name: str, descriptor: str) -> bool:
    """Whether one line of a class declares a field, or a method with as many arguments."""
    if not descriptor.startswith("("):
        return isinstance(item, ast.AnnAssign) and ast.unparse(item.target) == name
    count = len(_ARGUMENTS.findall(descriptor[1 : descriptor.index(")")]))
    wanted = name.replace("<init>", "__init__")
    return isinstance(item, ast.FunctionDef) and item.name == wanted and _count(item) == count


def _count(method: ast.FunctionDef) -> int:
    given = [argument.arg for argument in (*method.args.posonlyargs, *method.args.args) if argument.arg != "self"]
    return len(given) + (method.args.vararg is not None)


@cache
def _module(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
