"""The instructions of a method (The Java Virtual Machine Specification, chapters 4.7.3 and 6)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tests.apps.classfile import ClassFile

_LENGTHS = {
    **dict.fromkeys((16, 18, *range(21, 26), *range(54, 59), 169, 188), 2),
    **dict.fromkeys((17, 19, 20, 132, *range(153, 169), *range(178, 185), 187, 189, 192, 193, 198, 199), 3),
    **dict.fromkeys((185, 186, 200, 201), 5), 197: 4,
}  # fmt: skip
TABLE_SWITCH, LOOKUP_SWITCH, WIDE, _IINC = 170, 171, 196, 132
GET_STATIC, INVOKE_SPECIAL, INVOKE_DYNAMIC = 178, 183, 186
_ENDS = {167, 169, *range(170, 178), 191, 200}
"""After these the next instruction is not reached: goto, ret, switches, returns and athrow."""


@dataclass(frozen=True)
class Instruction:
    at: int
    code: int
    operand: int
    """Two bytes as they stand (for ``bipush`` and ``ldc`` one): a place among the constants, or a number."""
    jumps: tuple[int, ...]
    following: int | None
    """None: what comes next is not reached from here."""


@dataclass(frozen=True)
class Handler:
    begin: int
    end: int
    handler: int


def instructions(code: bytes) -> tuple[list[Instruction], list[Handler]]:
    """Of a ``Code`` attribute."""
    length = struct.unpack_from(">I", code, 4)[0]
    body = code[8 : 8 + length]
    count = struct.unpack_from(">H", code, 8 + length)[0]
    entries = struct.iter_unpack(">HHHH", code[10 + length : 10 + length + 8 * count])
    return list(_decoded(body)), [Handler(*entry[:3]) for entry in entries]


def _decoded(body: bytes) -> Iterator[Instruction]:
    at = 0
    while at < len(body):
        op, operand = body[at], 0
        jumps: list[int] = []
        size = _LENGTHS.get(op, 1)
        if op == WIDE:
            size = 6 if body[at + 1] == _IINC else 4
        elif op in (TABLE_SWITCH, LOOKUP_SWITCH):
            size, jumps = _switch(body, at)
        elif op in (16, 18):
            operand = struct.unpack_from(">b" if op == 16 else ">B", body, at + 1)[0]
        elif size >= 3:
            operand = struct.unpack_from(">h" if op == 17 else ">H", body, at + 1)[0]
        if 153 <= op <= 168 or op in (198, 199):
            jumps = [at + struct.unpack_from(">h", body, at + 1)[0]]
        elif op in (200, 201):
            jumps = [at + struct.unpack_from(">i", body, at + 1)[0]]
        yield Instruction(at, op, operand, tuple(jumps), None if op in _ENDS else at + size)
        at += size


def _switch(body: bytes, at: int) -> tuple[int, list[int]]:
    start = at + 4 - at % 4
    default, low, high = struct.unpack_from(">iii", body, start)
    if body[at] == TABLE_SWITCH:
        count, first, step = high - low + 1, start + 12, 4
    else:
        count, first, step = low, start + 12, 8  # pairs, of which the second is the jump
    targets = [struct.unpack_from(">i", body, first + step * number)[0] for number in range(count)]
    end = first + 4 * count if step == 4 else start + 8 + 8 * count
    return end - at, [at + offset for offset in (default, *targets)]


def member(item: ClassFile, index: int) -> tuple[str, str, str]:
    """Owner, name and descriptor of a field or method that is referred to."""
    owner, pair = struct.unpack_from(">HH", item.constants[index], 1)
    return (item.class_name(owner), *_pair(item, pair))


def _pair(item: ClassFile, index: int) -> tuple[str, str]:
    name, descriptor = struct.unpack_from(">HH", item.constants[index], 1)
    return item.text(name), item.text(descriptor)


def dynamic(item: ClassFile, index: int) -> tuple[str, list[tuple[str, str, str]]]:
    """Of an ``invokedynamic``: its descriptor, and the methods that its bootstrap is given."""
    number, pair = struct.unpack_from(">HH", item.constants[index], 1)
    raw, at = item.attributes["BootstrapMethods"], 2
    for _ in range(number):
        at += 4 + 2 * struct.unpack_from(">H", raw, at + 2)[0]
    count = struct.unpack_from(">H", raw, at + 2)[0]
    given = struct.unpack_from(f">{count}H", raw, at + 4)
    handles = [item.constants[place] for place in given if item.constants[place][0] == 15]
    return _pair(item, pair)[1], [member(item, struct.unpack_from(">H", handle, 2)[0]) for handle in handles]
