"""The artefact contract: what every exported model takes and gives.

Apps, tests, runtimes and documentation read these values from here or from the manifest.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from converters.choices import CoreMlPorts
from converters.errors import ExportError
from modnet_export.record.choices import Format, Layout
from modnet_export.record.strict import Strict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SIZE_MULTIPLE = 32
PRESETS = {
    "square": (512, 512),
    "portrait-9x16": (512, 288),
    "portrait-3x4": (512, 384),
    "landscape-16x9": (288, 512),
    "landscape-4x3": (384, 512),
}
"""Heights and widths by the names that ``Size.parse`` knows: the shapes of cameras, exactly, none longer than 512."""
LARGEST_SIDE = 4096
"""The side of the largest image that every Vulkan device takes (maxImageDimension2D)."""
INPUT_NAME = "image"
OUTPUT_NAME = "matte"
OPSET = 18
SOURCE_KEY, VERSION_KEY = "io.modnet.source.sha256", "io.modnet.version"
"""In the metadata of a Core ML package: the SHA-256 of the source, and the version of this tool."""

PADDING = 0.5
"""What fills up a letterbox: mid-grey is 0 after the network's normalisation, and 0 is what its own padding adds."""

LAYOUTS: dict[Format, Layout] = {"onnx": "NCHW", "tflite": "NHWC", "coreml": "NCHW"}


class Size(Strict):
    """Height and width in pixels, multiples of 32 up to 4096."""

    height: int = Field(gt=0, le=LARGEST_SIDE, multiple_of=SIZE_MULTIPLE)
    width: int = Field(gt=0, le=LARGEST_SIDE, multiple_of=SIZE_MULTIPLE)

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"

    @classmethod
    def parse(cls, text: str) -> Size:
        """From ``HxW``, one number for a square, or a name in ``PRESETS``; raises ExportError."""
        if text.lower() in PRESETS:
            height, width = PRESETS[text.lower()]
            return cls(height=height, width=width)
        parts = text.lower().split("x")
        if 1 <= len(parts) <= 2 and all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
            with suppress(ValidationError):
                return cls(height=int(parts[0]), width=int(parts[-1]))
        raise ExportError(
            f"'{text}' is not a size that MODNet can run at",
            where="`size`",
            expected=f"HEIGHTxWIDTH, both multiples of {SIZE_MULTIPLE} from {SIZE_MULTIPLE} to {LARGEST_SIDE}, "
            f"or {', '.join(PRESETS)}",
            next_step="try `size=512x512`, or `size=256x384` for a faster and coarser model",
        )


class Preprocessing(Strict):
    """What an app does with a picture before the network; docs/preprocessing.md has it in words and as code."""

    orientation: Literal["upright"] = "upright"
    colours: Literal["sRGB"] = "sRGB"
    """As they are stored, full range, without alpha; ``contract`` says to which numbers, and in which layout."""
    normalisation: Literal["inside the model"] = "inside the model"
    fit: Literal["letterbox"] = "letterbox"
    """Scaled to fit with the aspect ratio kept, in the middle of the input; an odd pixel is at the bottom and right."""
    sides: Literal["round half to even"] = "round half to even"
    padding: float = PADDING
    """Beside the picture, where black is 0 and white is 1."""
    shrinking: Literal["area"] = "area"
    enlarging: Literal["bilinear"] = "bilinear"


class ForegroundColours(Strict):
    """Blur fusion (Forte, ICIP 2021), twice; ``images.compositing.fused_colours``."""

    method: Literal["blur fusion"] = "blur fusion"
    powers: tuple[int, int] = (8, 4)
    """Of the matte as a weight, the first time and the second."""
    radius_divisors: tuple[int, int] = (6, 80)
    """A box has this part of the image's longer side as its radius."""


class Postprocessing(Strict):
    """What an app does with the matte after the network."""

    crop: Literal["letterbox"] = "letterbox"
    """The picture's part of the matte is cut out, and scaled to the picture's size."""
    shrinking: Literal["area"] = "area"
    enlarging: Literal["bilinear"] = "bilinear"
    minimum: float = 0
    maximum: float = 1
    """The matte is clipped to these, last."""
    foreground: ForegroundColours = ForegroundColours()
    """How the foreground's own colours are estimated where the matte is soft."""


_Dtype = Literal["float32", "float16", "uint8"]


class Port(Strict):
    """One input or output of an artefact."""

    name: str
    layout: Layout
    shape: tuple[int, int, int, int]
    dtype: _Dtype
    minimum: float
    maximum: float
    channels: Literal["RGB", "alpha"]

    def encoded(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.generic]:
        """Values in [0, 1] as the port takes them. A port of bytes has no other values: it clips those beyond."""
        import numpy as np

        from converters.eight_bit import to_bytes

        if self.dtype == "uint8":
            return to_bytes(values)
        return np.ascontiguousarray(values, self.dtype)

    def decoded(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """What the port gave, as values in [0, 1]."""
        import numpy as np

        return np.asarray(values.astype(np.float32) / self.maximum, np.float32)


class Contract(Strict):
    """What an artefact takes and gives, from each port's minimum to its maximum; it normalises by itself."""

    image: Port
    matte: Port

    @classmethod
    def of(
        cls,
        format: Format,
        size: Size,
        *,
        ports: CoreMlPorts = "multiarray",
        half: bool = False,
        eight_bit: bool = False,
    ) -> Contract:
        """The contract of a format.

        ``ports`` are those of a Core ML package, whose multi-arrays are fp16 where its program is (``half``). With
        ``eight_bit`` ports are tensors of bytes.
        """

        def port(name: str, channels: int, meaning: Literal["RGB", "alpha"], *, image: bool, dtype: _Dtype) -> Port:
            layout: Layout = "image" if image else LAYOUTS[format]
            nhwc = (1, size.height, size.width, channels)
            nchw = (1, channels, size.height, size.width)
            return Port(
                name=name,
                layout=layout,
                shape=nchw if layout == "NCHW" else nhwc,
                dtype=dtype,
                minimum=0,
                maximum=255 if dtype == "uint8" else 1,
                channels=meaning,
            )

        image = ports != "multiarray"
        taken: _Dtype = "uint8" if image or eight_bit else "float16" if half else "float32"
        given: _Dtype = "float16" if ports == "image-fp16" else taken
        return cls(
            image=port(INPUT_NAME, 3, "RGB", image=image, dtype=taken),
            matte=port(OUTPUT_NAME, 1, "alpha", image=image, dtype=given),
        )
