"""What a native program was built for, from its ELF header (System V ABI, chapters 4 and 5)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from converters.errors import ExportError

_ABIS = {3: "x86", 40: "armeabi-v7a", 62: "x86_64", 183: "arm64-v8a", 243: "riscv64"}
"""Android's ABIs by e_machine."""
_LOAD = 1


@dataclass(frozen=True)
class Program:
    """Android's name of the ABI (or ELF's number of the machine), and the alignment of its segments in bytes."""

    abi: str
    page_bytes: int


def read(path: Path) -> Program | None:
    """The program in a file; None for a script. Raises ExportError for anything else."""
    with path.open("rb") as file:
        data = file.read(1 << 16)
    if data[:2] == b"#!":
        return None
    try:
        if data[:4] != b"\x7fELF":
            raise ValueError("it has no ELF header")
        wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
        (machine,) = struct.unpack_from(f"{order}H", data, 18)
        (table,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", data, 32 if wide else 28)
        size, count = struct.unpack_from(f"{order}HH", data, 54 if wide else 42)
        segments = [
            struct.unpack_from(f"{order}IIQQQQQQ" if wide else f"{order}IIIIIIII", data, table + index * size)
            for index in range(count)
        ]
    except (ValueError, struct.error, IndexError) as error:
        raise ExportError(
            f"{path.name} is not a program for Android: {error}",
            where=path,
            expected="an ELF file for the device's ABI",
        ) from error
    aligned = [segment[-1] for segment in segments if segment[0] == _LOAD]
    return Program(_ABIS.get(machine, f"machine {machine}"), min(aligned, default=1))


def abi(path: Path) -> str | None:
    """The ABI of a program or library; None for a script. Raises ExportError for anything else."""
    program = read(path)
    return None if program is None else program.abi


def for_abis(paths: Sequence[Path], abis: str) -> Path:
    """Of several builds of one program, that for the ABI which a device prefers; the first where none is for it."""
    order = abis.split(",")

    def rank(path: Path) -> int:
        own = abi(path)
        return 0 if own is None else order.index(own) if own in order else len(order)

    return min(paths, key=rank)


def require_runs(path: Path, abis: str, page_bytes: int | None, device: str) -> None:
    """Raise ExportError unless a program runs on a device with these ABIs (``ro.product.cpu.abilist``) and pages."""
    program = read(path)
    if program is None:
        return
    if abis and program.abi not in abis.split(","):
        raise ExportError(
            f"{path.name} is for {program.abi}, {device} runs {abis}", where=path, next_step="take the one for its ABI"
        )
    if page_bytes is not None and program.page_bytes < page_bytes:
        raise ExportError(
            f"{path.name} is built for pages of {program.page_bytes} bytes, {device} has {page_bytes}",
            where=path,
            next_step="take a newer build: since 2025 they are made for pages of 16 KiB",
        )
