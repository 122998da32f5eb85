"""The artefact contract: what every exported model takes and gives, and how close to the reference it must be.

Apps, tests, runtimes and documentation read these values from here or from the manifest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from converters.errors import ExportError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SIZE_MULTIPLE = 32
INPUT_NAME = "image"
OUTPUT_NAME = "matte"
OPSET = 18

Format = Literal["onnx", "tflite", "coreml"]
Precision = Literal[
    "fp32",
    "fp16",
    "int8-weights",
    "int8-dynamic",
    "int8",
    "int8-mixed",
    "int4-weights",
    "palettized6",
    "palettized4",
    "w8a8",
]
CoreMlPorts = Literal["image", "multiarray"]
CoreMlTarget = Literal["iOS16", "iOS17", "iOS18"]
Tuning = Literal["cpu", "gpu"]
Layout = Literal["NCHW", "NHWC", "image"]
"""``image``: an 8-bit pixel buffer, as Core ML hands it to an app."""

LAYOUTS: dict[Format, Layout] = {"onnx": "NCHW", "tflite": "NHWC", "coreml": "NCHW"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Size(_Frozen):
    """Height and width in pixels, multiples of 32."""

    height: int = Field(gt=0, multiple_of=SIZE_MULTIPLE)
    width: int = Field(gt=0, multiple_of=SIZE_MULTIPLE)

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"

    @classmethod
    def parse(cls, text: str) -> Size:
        """From ``HxW`` or one number for a square; raises ExportError."""
        parts = text.lower().split("x")
        if 1 <= len(parts) <= 2 and all(part.isascii() and part.isdecimal() and int(part) for part in parts):
            height, width = int(parts[0]), int(parts[-1])
            if height % SIZE_MULTIPLE == width % SIZE_MULTIPLE == 0:
                return cls(height=height, width=width)
        raise ExportError(
            f"'{text}' is not a size that MODNet can run at",
            where="--size",
            expected=f"HxW, both positive multiples of {SIZE_MULTIPLE}",
            next_step="try --size 512x512, or 256x384 for a faster and coarser model",
        )


class Port(_Frozen):
    """One input or output of an artefact."""

    name: str
    layout: Layout
    shape: tuple[int, int, int, int]
    dtype: Literal["float32", "uint8"]
    minimum: float
    maximum: float
    channels: Literal["RGB", "alpha"]

    def encoded(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.generic]:
        """Values in [0, 1] as the port takes them."""
        import numpy as np

        if self.dtype == "uint8":
            return np.asarray(np.rint(values * self.maximum), np.uint8)
        return np.ascontiguousarray(values, np.float32)

    def decoded(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """What the port gave, in [0, 1]."""
        import numpy as np

        return np.asarray(values.astype(np.float32) / self.maximum, np.float32)


class Contract(_Frozen):
    """RGB in [0, 1] in, matte in [0, 1] out; the normalisation to [-1, 1] is inside the graph."""

    image: Port
    matte: Port

    @classmethod
    def of(cls, format: Format, size: Size, *, images: bool = False, eight_bit: bool = False) -> Contract:
        """The contract of a format; ``images``: 8-bit pixel buffers instead of tensors; ``eight_bit``: of bytes."""
        layout: Layout = "image" if images else LAYOUTS[format]

        def port(name: str, channels: int, meaning: Literal["RGB", "alpha"]) -> Port:
            nhwc = (1, size.height, size.width, channels)
            nchw = (1, channels, size.height, size.width)
            return Port(
                name=name,
                layout=layout,
                shape=nchw if layout == "NCHW" else nhwc,
                dtype="uint8" if images or eight_bit else "float32",
                minimum=0,
                maximum=255 if images or eight_bit else 1,
                channels=meaning,
            )

        return cls(image=port(INPUT_NAME, 3, "RGB"), matte=port(OUTPUT_NAME, 1, "alpha"))


class Tolerance(_Frozen):
    """How far from the reference matte an artefact may be, by the names of ``parity.Measurement``; None: no limit."""

    max_abs_difference: float | None = None
    p999: float | None = None
    mad: float | None = None
    mse: float | None = None
    sad: float | None = None
    grad: float | None = None
    conn: float | None = None
    edge_mad: float | None = None
    edge_mse: float | None = None
    edge_sad: float | None = None
    edge_grad: float | None = None
    edge_conn: float | None = None
    flicker: float | None = None
    psnr_db: float | None = None
    """At least."""
    ssim: float | None = None
    """At least."""
    correlation: float | None = None
    """At least."""

    @model_serializer(mode="wrap")
    def _only_limits(self, handler: SerializerFunctionWrapHandler) -> dict[str, float]:
        return {name: limit for name, limit in handler(self).items() if limit is not None}

    @property
    def limits(self) -> dict[str, float]:
        return self.model_dump()

    def missed(self, values: Mapping[str, float | None]) -> tuple[str, ...]:
        """The names of the measures that are beyond their limit; one that was not taken is not judged.

        A matte that is not finite (its largest difference is not) misses every limit.
        """
        largest = values.get("max_abs_difference")
        if largest is None or not math.isfinite(largest):
            return ("max_abs_difference", *(name for name in self.limits if name != "max_abs_difference"))
        taken = {name: value for name in self.limits if (value := values.get(name)) is not None}
        return tuple(
            name
            for name, value in taken.items()
            if (value < self.limits[name] if name in AT_LEAST else value > self.limits[name])
        )

    def __str__(self) -> str:
        return ", ".join(
            f"{SHORT_NAMES.get(name, name)} {'>=' if name in AT_LEAST else '<='} {limit:g}"
            for name, limit in self.limits.items()
        )


AT_LEAST = frozenset({"psnr_db", "ssim", "correlation"})
"""The measures that a tolerance bounds from below."""
SHORT_NAMES = {"max_abs_difference": "max", "mad": "mean"}


TOLERANCES: dict[Precision, Tolerance] = {
    "fp32": Tolerance(max_abs_difference=1e-4),
    "fp16": Tolerance(mad=1e-3),
    "int8-weights": Tolerance(mad=5e-3),
    "int8-dynamic": Tolerance(mad=5e-3),
    "int8": Tolerance(mad=5e-3),
    "int8-mixed": Tolerance(mad=5e-3),
    "int4-weights": Tolerance(mad=3e-2),
    "palettized6": Tolerance(mad=3e-2),
    "palettized4": Tolerance(mad=1e-1),
    "w8a8": Tolerance(mad=1e-2),
}
# An 8-bit matte is rounded to the nearest of 256 values.
_HALF_STEP = 0.5 / 255


def tolerance(precision: Precision, *, eight_bit: bool = False) -> Tolerance:
    """What an artefact is held to; an 8-bit output may be half a step further off."""
    limits = TOLERANCES[precision]
    return Tolerance(**{name: limit + _HALF_STEP for name, limit in limits.limits.items()}) if eight_bit else limits
