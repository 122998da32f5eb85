"""The classes of Android's API 36, from signatures in Python (PyPI, chaquopy-stubs-android).

Arguments keep their Java types. What is lost: which of int, long, short and byte is returned (int is taken), and float
or double (float), ``throws``, the values of constants, what is abstract, final or an interface. ``declarations`` tells
some of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

OBJECT = "java/lang/Object"
_NUMBERS = {
    "jint": "I", "jlong": "J", "jshort": "S", "jbyte": "B", "jfloat": "F", "jdouble": "D", "jboolean": "Z",
    "jchar": "C",
}  # fmt: skip
_PYTHON = {"int": "I", "float": "F", "bool": "Z", "str": "Ljava/lang/String;", "None": "V"}
# A method of such a name returns a long: Python's int does not tell. Found by comparing with API 23.
_LONG = ("Millis", "Nanos", "Time", "Timestamp", "Duration", "Bytes", "longValue", "VersionCode")


@dataclass(frozen=True)
class Signature:
    """A field (no parentheses in its descriptor) or a method."""

    name: str
    descriptor: str
    generic: str
    """With the arguments of types; the descriptor where it has none."""
    static: bool
    varargs: bool


@dataclass
class Signatures:
    """A class; names as in class files."""

    bases: list[str]
    """What it extends and implements, with the arguments of types."""
    formals: tuple[str, ...]
    """The names of its type's parameters."""
    members: list[Signature] = field(default_factory=list)


def signatures(folder: Path) -> dict[str, Signatures]:
    """Every class by its name in class files."""
    found: dict[str, Signatures] = {}
    for path in sorted(folder.glob("*-stubs/**/__init__.pyi")):
        top, *rest = path.parent.relative_to(folder).parts
        module = _Module(folder, "/".join((top.removesuffix("-stubs"), *rest)))
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            module.note(node)
            if isinstance(node, ast.ClassDef):
                found.update(module.classes(node, ""))
    return found


@dataclass
class _Module:
    folder: Path
    package: str
    bounds: dict[str, ast.expr] = field(default_factory=dict)
    """Of the type variables that have been met, what they extend."""

    def note(self, node: ast.stmt) -> None:
        """Keep the bound of a type variable; of those with one name, the last that was met holds."""
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            name = ast.unparse(node.targets[0])
            self.bounds.pop(name, None)
            self.bounds.update((name, word.value) for word in node.value.keywords if word.arg == "bound")

    def classes(self, node: ast.ClassDef, outer: str) -> Iterator[tuple[str, Signatures]]:
        name = f"{outer}${node.name}" if outer else f"{self.package}/{node.name}"
        bases: list[ast.expr] = []
        formals: tuple[str, ...] = ()
        for base in node.bases:
            if ast.unparse(base).startswith("typing.Generic"):
                formals = tuple(str(_formal(ast.unparse(item))) for item in _items(base))
            else:
                bases.append(base)
        made = Signatures([self.generic(base) for base in bases], formals)
        for item in node.body:
            self.note(item)
            if isinstance(item, ast.ClassDef):
                yield from self.classes(item, name)
            elif isinstance(item, ast.FunctionDef):
                made.members.append(self.method(item, formals))
            elif isinstance(item, ast.AnnAssign):
                made.members.append(self.variable(item))
        yield name, made

    def variable(self, node: ast.AnnAssign) -> Signature:
        kind: ast.expr = node.annotation
        static = isinstance(kind, ast.Subscript) and ast.unparse(kind.value) == "typing.ClassVar"
        if isinstance(kind, ast.Subscript) and static:
            kind = kind.slice
        return Signature(ast.unparse(node.target), self.erased(kind), self.generic(kind), static, varargs=False)

    def method(self, node: ast.FunctionDef, formals: tuple[str, ...]) -> Signature:
        static = any(ast.unparse(item) == "staticmethod" for item in node.decorator_list)
        given = [argument for argument in (*node.args.posonlyargs, *node.args.args) if argument.arg != "self"]
        kinds = [argument.annotation for argument in given if argument.annotation is not None]
        arrays = [node.args.vararg.annotation] if node.args.vararg and node.args.vararg.annotation else []
        assert node.returns is not None
        is_long = node.name.endswith(_LONG) and self.erased(node.returns) == "I"
        descriptor, generic = (
            f"({''.join([*map(form, kinds), *('[' + form(kind) for kind in arrays)])})"
            f"{'J' if is_long else form(node.returns)}"
            for form in (self.erased, self.generic)
        )
        own = {
            formal: self.erased(found)
            for kind in (*kinds, *arrays, node.returns)
            for found in ast.walk(kind)
            if isinstance(found, ast.Name) and (formal := _formal(found.id))
            if static or formal not in formals
        }
        if own:
            generic = f"<{''.join(f'{name}:{bound}' for name, bound in own.items())}>{generic}"
        name = node.name.replace("__init__", "<init>").removesuffix("_")  # a word of Python's has one more
        return Signature(name, descriptor, generic, static, bool(arrays))

    def erased(self, kind: ast.expr) -> str:
        """The descriptor of a type."""
        parts = [part for part in _union(kind) if ast.unparse(part) != "None"] or [kind]
        names = [ast.unparse(part) for part in parts]
        for name in names:
            if (primitive := _NUMBERS.get(name.rpartition(".")[2])) is not None:
                return primitive
        for part, name in zip(parts, names, strict=True):
            if name not in _PYTHON:
                return self._class(part, name)
        return _PYTHON[names[0]]

    def _class(self, part: ast.expr, name: str) -> str:
        name = name.split("[")[0]
        if name.startswith("java.chaquopy.JavaArray"):
            element = name.removeprefix("java.chaquopy.JavaArray")
            return "[" + (
                _NUMBERS[element[0].lower() + element[1:].lower()] if element else self.erased(_items(part)[0])
            )
        if name == "typing.Type":
            return "Ljava/lang/Class;"
        if _formal(name):
            return self.erased(self.bounds[name]) if name in self.bounds else f"L{OBJECT};"
        return f"L{self._path(name)};"

    def _path(self, name: str) -> str:
        """``android.os.Build.VERSION`` as ``android/os/Build$VERSION``; a name without a package is of this module."""
        parts = [part.removesuffix("_") for part in name.split(".")]  # a word of Python's has one more
        count = 0
        while count < len(parts) - 1 and (self.folder / f"{parts[0]}-stubs" / "/".join(parts[1 : count + 1])).is_dir():
            count += 1
        package = "/".join(parts[:count]) or self.package
        return f"{package}/{'$'.join(parts[count:])}"

    def generic(self, kind: ast.expr) -> str:
        """The descriptor of a type with its arguments."""
        erased = self.erased(kind)
        parts = [part for part in _union(kind) if ast.unparse(part) != "None"]
        if len(parts) != 1 or len(erased) == 1:
            return erased
        (part,) = parts
        name = _formal(ast.unparse(part))
        if name is not None:
            return f"T{name};"
        if not isinstance(part, ast.Subscript) or erased.startswith("["):
            return erased
        inner = "".join(self.generic(item) for item in _items(part))
        return f"{erased[:-1]}<{inner}>;"


def _formal(name: str) -> str | None:
    """``T`` of ``_Consumer__T``; None for another name."""
    return name.rpartition("__")[2] if name.startswith("_") and "__" in name else None


def _union(kind: ast.expr) -> list[ast.expr]:
    if isinstance(kind, ast.BinOp):
        return [*_union(kind.left), *_union(kind.right)]
    return [kind]


def _items(kind: ast.expr) -> list[ast.expr]:
    if not isinstance(kind, ast.Subscript):
        return []
    return list(kind.slice.elts) if isinstance(kind.slice, ast.Tuple) else [kind.slice]
