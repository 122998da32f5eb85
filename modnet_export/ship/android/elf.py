"""Native libraries: how their segments are aligned."""

from __future__ import annotations

from io import BytesIO

from converters.errors import needs, reason

HEAD = 1 << 16
"""As much of a library as is needed: the program headers follow the ELF header."""
WIDE = ("arm64-v8a", "x86_64", "riscv64")
"""Android's names of 64-bit processors."""


def load_alignment(head: bytes) -> int:
    """The smallest alignment of a library's LOAD segments, in bytes, from its first ``HEAD`` bytes.

    Raises ValueError for what is no ELF file, and ExportError where pyelftools is not installed.
    """
    needs("elftools", extra="apps")
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    data = bytearray(head)
    # The section headers lie at the file's end and say nothing of loading: there are none, as far as we ask.
    if data[4:5] == b"\x02":
        data[0x28:0x30], data[0x3C:0x40] = bytes(8), bytes(4)
    else:
        data[0x20:0x24], data[0x30:0x34] = bytes(4), bytes(4)
    try:
        found = [item["p_align"] for item in ELFFile(BytesIO(data)).iter_segments("PT_LOAD")]
    except (ELFError, UnicodeDecodeError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it is not a native library: {reason(error)}") from error
    if not found:
        raise ValueError("it is a native library with nothing to load")
    return int(min(found))
