"""MattingKit's Metal functions, compiled as C++ and run on this machine: Metal is C++, of which they use little."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.apps import swift

Floats = npt.NDArray[np.float32]
KERNELS = swift.KIT / "Sources/MattingKit/CompositingKernels.swift"
# The grid is larger than what is computed, as a GPU's is.
_DRIVER = """
#define GRID(height, width) for (uint y = 0; y < uint(height) + 5; y++) for (uint x = 0; x < uint(width) + 3; x++)
using read_t = texture2d<float, access::read>; using write_t = texture2d<float, access::write>;
extern "C" void run_restore(const int *n, const float *matte, float *alpha) {
    GRID(n[HEIGHT], n[WIDTH]) restore(n, matte, alpha, uint2{x, y});
}
extern "C" void run_colours(int *n, const float *alpha, float4 *frame, uint columns, float *small, float *sums,
                            float *colours, const int *radii) {
    GRID(n[COARSE_HEIGHT], n[COARSE_WIDTH]) shrink(n, alpha, small, read_t{frame, columns}, uint2{x, y});
    for (int pass = 0; pass < 2; pass++) {
        n[RADIUS] = radii[pass]; n[POWER] = pass ? 4 : 8; n[IS_FIRST] = !pass;
        GRID(n[COARSE_HEIGHT], n[COARSE_WIDTH]) sumRows(n, small, colours, sums, uint2{x, y});
        GRID(n[COARSE_HEIGHT], n[COARSE_WIDTH]) sumColumns(n, small, colours, sums, uint2{x, y});
    }
}
extern "C" void run_blend(const int *n, const float *alpha, const float *colours, float4 *frame, uint columns,
                          float4 *behind, float4 *result) {
    uint width = n[WIDTH];
    GRID(n[HEIGHT], n[WIDTH]) blend(n, alpha, colours, read_t{frame, columns}, read_t{behind, width},
                                    write_t{result, width}, uint2{x, y});
}
"""


def source() -> str:
    (found,) = re.findall(r'static let source = """\n(.*?)"""', KERNELS.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


def names() -> list[str]:
    """What each of the whole numbers is that the functions get."""
    (found,) = re.findall(r"enum \{(.*?)\}", source(), re.DOTALL)
    return [name.strip() for name in found.split(",")]


@dataclass(frozen=True)
class Kernels:
    """The compiled functions. Images are height x width x 3 in [0, 1], mattes height x width."""

    library: ctypes.CDLL

    def restore(self, matte: Floats, size: tuple[int, int], box: tuple[int, int, int, int]) -> Floats:
        """The matte of a frame of ``size``, of what lies in ``box`` (top, left, inner height, inner width)."""
        top, left, inner_height, inner_width = box
        numbers = _numbers(
            HEIGHT=size[0], WIDTH=size[1], TOP=top, LEFT=left, INNER_HEIGHT=inner_height, INNER_WIDTH=inner_width,
            STRIDE=matte.shape[1],
        )  # fmt: skip
        alpha = np.full(size, np.nan, np.float32)
        self.library.run_restore(_pointer(numbers), _pointer(matte), _pointer(alpha))
        return alpha

    def composite(
        self, memory: Floats, alpha: Floats, behind: Floats | None, coarse: tuple[int, int], **places: int
    ) -> Floats:
        """The composite, height x width x 4, of an image that lies in ``memory`` as ``places`` say."""
        height, width = alpha.shape
        numbers = _numbers(
            HEIGHT=height, WIDTH=width, COARSE_HEIGHT=coarse[0], COARSE_WIDTH=coarse[1],
            IS_TRANSPARENT=int(behind is None), **{"RIGHT_X": 1, "DOWN_Y": 1, **places},
        )  # fmt: skip
        frame, back = _four(memory), _four(alpha[..., None].repeat(3, 2) if behind is None else behind)
        small, sums, colours = (np.full((*coarse, count), np.nan, np.float32) for count in (4, 8, 6))
        result = np.full((height, width, 4), np.nan, np.float32)
        radii = np.asarray([max(coarse) // 6, max(max(coarse) // 80, 1)], np.int32)
        columns = ctypes.c_uint(frame.shape[1])
        self.library.run_colours(
            *map(_pointer, (numbers, alpha, frame)), columns, *map(_pointer, (small, sums, colours, radii))
        )
        self.library.run_blend(
            *map(_pointer, (numbers, alpha, colours, frame)), columns, *map(_pointer, (back, result))
        )
        return result


def _numbers(**values: int) -> npt.NDArray[np.int32]:
    places = names()
    assert set(values) <= set(places)
    return np.asarray([values.get(name, 0) for name in places], np.int32)


def _four(image: Floats) -> Floats:
    return np.concatenate([image, np.ones_like(image[..., :1])], axis=2).astype(np.float32)


def _pointer(array: npt.NDArray[np.float32] | npt.NDArray[np.int32]) -> ctypes.c_void_p:
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


def compiler() -> str | None:
    return shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")


def compiled(text: str, into: Path) -> Kernels:
    """Compiles the functions' text; a warning is an error. Raises RuntimeError with what the compiler says."""
    shutil.copy(Path(__file__).with_name("metal_stdlib.h"), into / "metal_stdlib")
    (into / "kernels.cpp").write_text(text + _DRIVER, encoding="utf-8")
    library = into / "kernels.so"
    # Metal's attributes say which buffer an argument is. Metal contracts products and sums unless it is told not to.
    options = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-attributes", "-Wno-unknown-attributes")
    done = subprocess.run(
        [str(compiler()), *options, "-shared", "-fPIC", "-I", into, into / "kernels.cpp", "-o", library],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Kernels(ctypes.CDLL(str(library)))
