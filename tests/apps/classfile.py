"""Class files, as far as members are to be listed and added (The Java Virtual Machine Specification, chapter 4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

PUBLIC, PROTECTED, STATIC, FINAL, VARARGS, INTERFACE, ABSTRACT, ENUM = 1, 4, 8, 16, 0x80, 0x200, 0x400, 0x4000
_SUPER = 0x20
_FIXED = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}


@dataclass
class Member:
    access: int
    name: str
    descriptor: str
    attributes: dict[str, bytes] = field(default_factory=dict)

    @property
    def visible(self) -> bool:
        return bool(self.access & (PUBLIC | PROTECTED))


class ClassFile:
    """One class, read or begun anew."""

    def __init__(self, data: bytes | None = None) -> None:
        self.constants: list[bytes] = [b""]
        self.version, self.access, self.name, self.parent = 52, PUBLIC | _SUPER, "", "java/lang/Object"
        self.interfaces: list[str] = []
        self.fields: list[Member] = []
        self.methods: list[Member] = []
        self.attributes: dict[str, bytes] = {}
        if data is not None:
            self._read(data)
        self._index = {constant: index for index, constant in enumerate(self.constants) if constant}

    def _read(self, data: bytes) -> None:
        self.version = struct.unpack_from(">H", data, 6)[0]
        count, at = struct.unpack_from(">H", data, 8)[0], 10
        while len(self.constants) < count:
            tag = data[at]
            size = 2 + struct.unpack_from(">H", data, at + 1)[0] if tag == 1 else _FIXED[tag]
            self.constants.append(data[at : at + 1 + size])
            if tag in (5, 6):
                self.constants.append(b"")  # a long or double takes two places
            at += 1 + size
        self._data, self._at = data, at
        self.access, own, parent = self._take(">HHH")
        self.name = self.class_name(own)
        self.parent = self.class_name(parent) if parent else ""
        self.interfaces = [self.class_name(*self._take(">H")) for _ in range(self._take(">H")[0])]
        self.fields, self.methods = self._members(), self._members()
        self.attributes = self._attributes()

    def _take(self, layout: str) -> tuple[int, ...]:
        found = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return found

    def _members(self) -> list[Member]:
        members = []
        for _ in range(self._take(">H")[0]):
            access, name, descriptor = self._take(">HHH")
            members.append(Member(access, self.text(name), self.text(descriptor), self._attributes()))
        return members

    def _attributes(self) -> dict[str, bytes]:
        attributes = {}
        for _ in range(self._take(">H")[0]):
            name, length = self._take(">HI")
            attributes[self.text(name)] = self._data[self._at : self._at + length]
            self._at += length
        return attributes

    def text(self, index: int) -> str:
        return self.constants[index][3:].decode("utf-8", "surrogatepass")

    def class_name(self, index: int) -> str:
        return self.text(struct.unpack_from(">H", self.constants[index], 1)[0])

    def constant(self, tag: int, value: bytes) -> int:
        """The place of a constant, added where it is not there."""
        raw = bytes([tag]) + value
        if raw not in self._index:
            self._index[raw] = len(self.constants)
            self.constants += [raw, b""] if tag in (5, 6) else [raw]
        return self._index[raw]

    def utf8(self, text: str) -> int:
        raw = text.encode("utf-8", "surrogatepass").replace(b"\0", b"\xc0\x80")
        return self.constant(1, struct.pack(">H", len(raw)) + raw)

    def class_index(self, name: str) -> int:
        return self.constant(7, struct.pack(">H", self.utf8(name)))

    def nested(self) -> Iterator[tuple[str, int]]:
        """The classes that ``InnerClasses`` names, and their access."""
        raw = self.attributes.get("InnerClasses", b"\0\0")
        for inner, _, _, access in struct.iter_unpack(">HHHH", raw[2:]):
            yield self.class_name(inner), access

    def nest(self, name: str, access: int) -> None:
        """Say of a class ``OUTER$INNER`` that it is nested."""
        raw = self.attributes.get("InnerClasses", b"\0\0")
        outer, _, inner = name.rpartition("$")
        entry = struct.pack(">HHHH", self.class_index(name), self.class_index(outer), self.utf8(inner), access)
        count = struct.unpack_from(">H", raw)[0] + 1
        self.attributes["InnerClasses"] = struct.pack(">H", count) + raw[2:] + entry

    def written(self) -> bytes:
        body = struct.pack(">HHH", self.access, self.class_index(self.name), self._parent_index())
        body += struct.pack(">H", len(self.interfaces))
        body += b"".join(struct.pack(">H", self.class_index(name)) for name in self.interfaces)
        for members in (self.fields, self.methods):
            body += struct.pack(">H", len(members))
            for member in members:
                names = self.utf8(member.name), self.utf8(member.descriptor)
                body += struct.pack(">HHH", member.access, *names) + self._written(member.attributes)
        body += self._written(self.attributes)
        head = struct.pack(">IHHH", 0xCAFEBABE, 0, self.version, len(self.constants))
        return head + b"".join(self.constants) + body

    def _parent_index(self) -> int:
        return self.class_index(self.parent) if self.parent else 0

    def _written(self, attributes: dict[str, bytes]) -> bytes:
        raw = struct.pack(">H", len(attributes))
        for name, value in attributes.items():
            raw += struct.pack(">HI", self.utf8(name), len(value)) + value
        return raw


def annotated_with(item: ClassFile, attributes: dict[str, bytes]) -> dict[str, dict[str, int]]:
    """Of each annotation's descriptor, the places of its constants by their names; other values are left out."""
    found: dict[str, dict[str, int]] = {}
    for kind in ("RuntimeVisibleAnnotations", "RuntimeInvisibleAnnotations"):
        raw = attributes.get(kind, b"\0\0")
        at = 2
        for _ in range(_word(raw, 0)):
            name = item.text(_word(raw, at))
            found[name], at = _annotation(item, raw, at)
    return found


def _word(raw: bytes, at: int) -> int:
    return int(struct.unpack_from(">H", raw, at)[0])


def _annotation(item: ClassFile, raw: bytes, at: int) -> tuple[dict[str, int], int]:
    values = {}
    count = _word(raw, at + 2)
    at += 4
    for _ in range(count):
        if chr(raw[at + 2]) in "BCDFIJSZs":
            values[item.text(_word(raw, at))] = _word(raw, at + 3)
        at = _after(item, raw, at + 2)
    return values, at


def _after(item: ClassFile, raw: bytes, at: int) -> int:
    """Where a value of an annotation ends."""
    tag = chr(raw[at])
    if tag == "@":
        return _annotation(item, raw, at + 1)[1]
    if tag == "[":
        end = at + 3
        for _ in range(_word(raw, at + 1)):
            end = _after(item, raw, end)
        return end
    return at + (5 if tag == "e" else 3)
