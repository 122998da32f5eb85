"""Android's API 36 to compile against, without Google's SDK: the classes of API 23, with what is newer added.

Names, arguments, levels, deprecations, what may be null and constants are those of API 36. What is lost: ``throws``;
which methods of a newer class are abstract (all of an interface, none of another class); interfaces that an old class
has been given; whether a newer method returns int or long, float or double, where its name does not tell
(``signatures``): of API 23's own 33,000 methods, 97 of 100 are had whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import tempfile
import zipfile
from pathlib import Path

from tests.apps import sdk, toolchains
from tests.apps.classfile import ABSTRACT, ENUM, FINAL, INTERFACE, PROTECTED, PUBLIC, STATIC, VARARGS, ClassFile, Member
from tests.apps.declarations import Declared, declared, dots, key, matching
from tests.apps.declarations import Member as Known
from tests.apps.signatures import OBJECT, Signature, Signatures, signatures

OLD, NEWEST = 23, 36
_FUNCTION = "java/util/function/"
_NULLABLE = "androidx/annotation/RecentlyNullable"
"""Google's android.jar marks with this what may be null: Kotlin warns."""
_VIEW = "Landroid/view/View;"
_FINDERS = ("findViewById", "findViewWithTag", "requireViewById")
"""What returns the type of view that is asked for, since API 26: the signatures say View."""
_DEFAULTS = ("and", "andThen", "compose", "negate", "or")
"""Of java.util.function's interfaces, the methods that are not abstract."""
_MADE_BY = ("api.py", "classfile.py", "declarations.py", "signatures.py")


def android_36() -> Path:
    """A jar of API 36 or newer: the SDK's of this machine, else one that is made once (half a minute) and kept."""
    if own := sdk.platform():
        return own
    old, api, levels = toolchains.android_jar(), toolchains.api().parent, toolchains.levels()
    digest = hashlib.sha256(repr((toolchains.API, toolchains.LEVELS)).encode())
    for path in (old, *(Path(__file__).with_name(name) for name in _MADE_BY)):
        digest.update(path.read_bytes())
    made = toolchains.folder() / f"android-36-{digest.hexdigest()[:16]}.jar"
    if not made.is_file():
        with tempfile.TemporaryDirectory(prefix="android-36.", dir=made.parent) as scratch:
            write(Path(scratch) / "made", old, signatures(api), declared(levels))
            (Path(scratch) / "made").replace(made)
    return made


def write(into: Path, old: Path, newer: dict[str, Signatures], levels: dict[str, Declared]) -> None:
    """Write a jar of the jar ``old``, with the members and classes of ``newer`` that ``levels`` knows."""
    with zipfile.ZipFile(old) as archive:
        names = [name for name in archive.namelist() if name.endswith(".class")]
        classes = {name.removesuffix(".class"): ClassFile(archive.read(name)) for name in names}
    known = {name: levels[dots(name)] for name in {*classes, *newer} if dots(name) in levels}
    known |= {name: _undeclared(name, item) for name, item in newer.items() if name not in {*known, *classes}}
    for name in sorted(newer.keys() & known.keys()):
        outer = name.rpartition("$")[0]
        if name not in classes and (not outer or outer in classes):
            classes[name] = _begun(name, newer[name], known)
            if outer:
                classes[outer].nest(name, _nested(classes[name].access))
    for name, item in known.items():
        if name in classes:
            for signature in newer[name].members if name in newer else ():
                _add(classes[name], signature, item)
            _mark(classes[name], item)
    classes[_NULLABLE] = _annotation()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, made in sorted(classes.items()):
            archive.writestr(f"{name}.class", made.written())


def undeclared_level(name: str) -> int:
    """Of a class that the declarations leave out: java.util.function came with 24, others count as newest."""
    return 24 if name.startswith(_FUNCTION) else NEWEST


def _undeclared(name: str, item: Signatures) -> Declared:
    level = undeclared_level(name)
    made = Declared(level, interface=name.startswith(_FUNCTION))
    for member in item.members:
        made.members[key(member.name, member.descriptor)] = [Known(level)]
    return made


def _nested(access: int) -> int:
    return access & ~0x20 | STATIC


def _begun(name: str, signature: Signatures, known: dict[str, Declared]) -> ClassFile:
    """A class that is newer than API 23, without members."""
    made, item = ClassFile(), known[name]
    made.name = name
    if item.interface:
        made.access = PUBLIC | INTERFACE | ABSTRACT
    elif item.abstract:
        made.access |= ABSTRACT
    erased = [re.sub("<.*>", "", base)[1:-1] for base in signature.bases]
    interfaces = [base for base in erased if base in known and known[base].interface]
    parents = [base for base in erased if base not in interfaces]
    made.parent = OBJECT if item.interface or not parents else parents[0]
    made.interfaces = interfaces
    if made.parent == "java/lang/Enum":
        made.access |= ENUM | FINAL
    if "$" in name:
        made.nest(name, _nested(made.access))
    if signature.formals or any("<" in base for base in signature.bases):
        formals = "".join(f"{formal}:L{OBJECT};" for formal in signature.formals)
        generic = dict(zip(erased, signature.bases, strict=True))
        supers = "".join(generic.get(base, f"L{base};") for base in (made.parent, *interfaces))
        text = f"<{formals}>{supers}" if formals else supers
        made.attributes["Signature"] = struct.pack(">H", made.utf8(text))
    return made


def _add(into: ClassFile, signature: Signature, item: Declared) -> None:
    """Add a member, where it is newer than API 23 and not there. Its code, where it has any, throws null."""
    method = "(" in signature.descriptor
    parts = signature.descriptor.partition(")")[0] if method else ""
    there = into.methods if method else into.fields
    found = matching(item, signature.name, signature.descriptor)
    if not found or (max(member.level for member in found) <= OLD and item.level <= OLD):
        return
    same = [other for other in there if other.name == signature.name]
    if any(not method or other.descriptor.startswith(parts + ")") for other in same):
        return
    interface = bool(into.access & INTERFACE)
    access = PROTECTED if all(member.protected for member in found) and not interface else PUBLIC
    access |= (STATIC if signature.static else 0) | (VARARGS if signature.varargs else 0)
    added = Member(access, signature.name, signature.descriptor)
    if method and interface and item.level > OLD and not signature.static and signature.name not in _DEFAULTS:
        added.access |= ABSTRACT
    elif method:
        if signature.name == "<init>":
            added.descriptor = added.descriptor.partition(")")[0] + ")V"
        words = sum(2 if kind in ("J", "D") else 1 for kind in re.findall(r"\[*(?:L[^;]+;|\w)", parts[1:]))
        added.attributes["Code"] = struct.pack(">HHI", 1, words + 1, 2) + b"\x01\xbf" + b"\0\0\0\0"
    else:
        added.access |= FINAL if signature.static else 0
        if into.access & ENUM and signature.descriptor == f"L{into.name};":
            added.access |= ENUM
        _value(into, added, found[0])
    if signature.generic != signature.descriptor:
        added.attributes["Signature"] = struct.pack(">H", into.utf8(signature.generic))
    there.append(added)
    named = {name for name, _ in into.nested()}
    for mentioned in re.findall(r"L([^;<]+\$[^;<]+)[;<]", signature.generic):
        pieces = mentioned.split("$")
        for name in ("$".join(pieces[:count]) for count in range(2, len(pieces) + 1)):
            if name not in named:
                into.nest(name, PUBLIC | STATIC)
                named.add(name)


def _value(into: ClassFile, added: Member, known: Known) -> None:
    """Give a constant its value, so that it is compiled in, as it is against Google's android.jar."""
    try:
        value = json.loads(known.type)
    except ValueError:
        return
    if isinstance(value, str):
        index = into.constant(8, struct.pack(">H", into.utf8(value)))
    elif added.descriptor == "F":
        index = into.constant(4, struct.pack(">f", value))
    elif added.descriptor == "I" and not -(2**31) <= value < 2**31:
        added.descriptor = "J"
        index = into.constant(5, struct.pack(">q", value))
    elif added.descriptor in "IZBSC":
        index = into.constant(3, struct.pack(">i", int(value)))
    else:
        return
    added.attributes["ConstantValue"] = struct.pack(">H", index)


def _mark(into: ClassFile, item: Declared) -> None:
    """Mark what is deprecated in API 36, and which methods may return null."""
    if item.deprecated:
        into.attributes["Deprecated"] = b""
    annotation = struct.pack(">HHH", 1, into.utf8(f"L{_NULLABLE};"), 0)
    for member in (*into.fields, *into.methods):
        if member.name in _FINDERS and member.descriptor.endswith(_VIEW):
            text = f"<T:{_VIEW}>{member.descriptor.removesuffix(_VIEW)}TT;"
            member.attributes["Signature"] = struct.pack(">H", into.utf8(text))
        found = item.members.get(key(member.name, member.descriptor), [])
        if not member.visible or not found:
            continue
        if all(known.deprecated for known in found):
            member.attributes["Deprecated"] = b""
        if all(known.nullable for known in found) and member.descriptor.endswith(";"):
            member.attributes.setdefault("RuntimeInvisibleAnnotations", annotation)


def _annotation() -> ClassFile:
    made = ClassFile()
    made.name, made.access = _NULLABLE, PUBLIC | INTERFACE | ABSTRACT | 0x2000
    made.interfaces = ["java/lang/annotation/Annotation"]
    return made
