"""What may be wrong with a converted MODNet, each as the matte that such a file would give.

A hypothesis says how a wrong file's matte comes from the reference's network: by another image, by another network, or
by something done to the matte. Nothing is fed to the file but what it takes, so files whose ports clip can be told too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modnet_export.record.choices import Format
from modnet_export.verifying.foreign.networks import Change
from modnet_export.verifying.foreign.reading import IMAGENET_DEVIATION, IMAGENET_MEAN

# Of any float type.
Image = npt.NDArray[Any]

Where = Literal["input", "network", "output"]


def _same(image_nhwc: Image) -> Image:
    return image_nhwc


def _matte(planes: Image, image_nhwc: Image) -> Image:
    """The channel that a matte of one channel has, or the mean of a picture's."""
    return np.asarray(planes.mean(-1, keepdims=True))


def _expected(matte: Image, image_nhwc: Image) -> Image:
    return matte


@dataclass(frozen=True)
class Hypothesis:
    """One fault."""

    name: str
    sentence: str
    """For users: what the file does."""
    mend: str
    """A line of code, or the option of the converter that made the file."""
    where: Where
    image: Callable[[Image], Image] = _same
    """The image, in [0, 1], that the right network would have to be given, to see what the wrong file's does."""
    change: Change | None = None
    """The network's change."""
    given: Callable[[Image, Image], Image] = _matte
    """What is compared of the file's output (its planes, and the image)."""
    expected: Callable[[Image, Image], Image] = _expected
    """With what of the right network's matte (and the image)."""
    mends: dict[Format, str] = field(default_factory=dict, hash=False)
    """A format's own mend."""

    def mend_of(self, format: Format) -> str:
        return self.mends.get(format, self.mend)


def _bgr(image_nhwc: Image) -> Image:
    return np.ascontiguousarray(image_nhwc[..., ::-1])


def _reshaped_to_nchw(image_nhwc: Image) -> Image:
    """The file takes NHWC, and its graph reads the same numbers as NCHW."""
    _, height, width, channels = image_nhwc.shape
    return np.ascontiguousarray(image_nhwc.reshape(1, channels, height, width).transpose(0, 2, 3, 1))


def _reshaped_to_nhwc(image_nhwc: Image) -> Image:
    """The file takes NCHW, and its graph reads the same numbers as NHWC."""
    return np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2)).reshape(image_nhwc.shape)


_NORMALISE_ONCE = "normalise once: in the app `x = rgb / 127.5 - 1.0`, or inside the graph, and not in both places"
_INSIDE = "normalise in the graph, then convert again: `image = (image - 0.5) * 2.0` before MODNet's forward"
_COREML_SCALE = (
    "ct.ImageType(name='image', shape=shape, scale=1 / 127.5, bias=[-1, -1, -1], color_layout=ct.colorlayout.RGB)"
)

INPUTS: tuple[Hypothesis, ...] = (
    Hypothesis(
        "never normalised",
        "its network is given values from 0 to 1, where it was trained on -1 to 1",
        _INSIDE,
        "input",
        image=lambda image: (image + 1) / 2,
        mends={"coreml": _COREML_SCALE},
    ),
    Hypothesis(
        "normalised twice",
        "the image is normalised in its graph, and then once more",
        _NORMALISE_ONCE,
        "input",
        image=lambda image: 2 * image - 1,
        mends={"coreml": "leave scale and bias out of ct.ImageType, or the normalisation out of the traced network"},
    ),
    Hypothesis(
        "ImageNet's normalisation",
        "the image is normalised with ImageNet's mean and deviation, where MODNet takes 0.5 and 0.5",
        "x = (rgb / 255.0 - 0.5) / 0.5",
        "input",
        image=lambda image: ((image - np.asarray(IMAGENET_MEAN)) / np.asarray(IMAGENET_DEVIATION) + 1) / 2,
        mends={"coreml": _COREML_SCALE},
    ),
    Hypothesis(
        "never divided by 255",
        "its network is given values from 0 to 255, where it was trained on -1 to 1",
        "x = rgb / 127.5 - 1.0",
        "input",
        image=lambda image: (255 * image + 1) / 2,
        mends={"coreml": _COREML_SCALE},
    ),
    Hypothesis(
        "divided by 255 too late",
        "values from 0 to 255 are normalised as if they were from 0 to 1",
        "divide first: `image = rgb / 255.0`",
        "input",
        image=lambda image: 255 * image,
        mends={"coreml": "ct.ImageType(name='image', shape=shape, scale=1 / 255)"},
    ),
    Hypothesis(
        "divided by 255 twice",
        "the image is divided by 255 twice, so that the network sees black",
        "divide once: in the app or in the graph",
        "input",
        image=lambda image: image / 255,
        mends={"coreml": "leave scale out of ct.ImageType, or the division out of the traced network"},
    ),
    Hypothesis(
        "BGR",
        "it reads the channels as blue, green, red",
        "x = x[..., ::-1], or convert with RGB input",
        "input",
        image=_bgr,
        mends={
            "coreml": "ct.ImageType(..., color_layout=ct.colorlayout.RGB)",
            "onnx": "cv2.cvtColor(image, cv2.COLOR_BGR2RGB) before the model, or no channel swap in the graph",
        },
    ),
    Hypothesis(
        "NHWC read as NCHW",
        "its graph reshapes the NHWC image to NCHW, where it has to transpose it",
        "x.permute(0, 3, 1, 2), and not x.reshape(1, 3, height, width)",
        "input",
        image=_reshaped_to_nchw,
        mends={"tflite": "onnx2tf: keep its own transposes (no -kat for the image); torch: x.permute(0, 3, 1, 2)"},
    ),
    Hypothesis(
        "NCHW read as NHWC",
        "its graph reshapes the NCHW image to NHWC, where it has to transpose it",
        "x.permute(0, 2, 3, 1), and not x.reshape(1, height, width, 3)",
        "input",
        image=_reshaped_to_nhwc,
    ),
    Hypothesis(
        "upside down",
        "it sees the image upside down",
        "do not flip rows before the model: `image = image[::-1]` is one flip too many",
        "input",
        image=lambda image: np.ascontiguousarray(image[:, ::-1]),
    ),
)

_RESIZES = {
    "align_corners": (
        "with corners aligned",
        "F.interpolate(..., align_corners=False)",
        {
            "tflite": "half_pixel_centers=true and align_corners=false in every RESIZE_BILINEAR; onnx2tf: a Resize of "
            "coordinate_transformation_mode=half_pixel",
            "coreml": "upsample_bilinear with align_corners=False and half_pixel_centers=True",
            "onnx": "coordinate_transformation_mode=half_pixel in every Resize: torch.onnx.export with opset_version=11"
            " or newer, and F.interpolate(..., align_corners=False)",
        },
    ),
    "asymmetric": (
        "asymmetrically, from each pixel's corner",
        "F.interpolate(..., align_corners=False)",
        {
            "tflite": "half_pixel_centers=true in every RESIZE_BILINEAR",
            "coreml": "upsample_bilinear with half_pixel_centers=True",
            "onnx": "coordinate_transformation_mode=half_pixel in every Resize: torch.onnx.export with opset_version=11"
            " or newer (opset 10 cannot say half_pixel)",
        },
    ),
    "nearest": (
        "to the nearest pixel",
        "F.interpolate(..., mode='bilinear', align_corners=False)",
        {
            "tflite": "RESIZE_BILINEAR with half_pixel_centers=true, and not RESIZE_NEAREST_NEIGHBOR",
            "coreml": "upsample_bilinear, and not upsample_nearest_neighbor",
            "onnx": "mode=linear in every Resize",
        },
    ),
}
_WHICH = {"all": "images", "enlarging": "what it enlarges", "shrinking": "what it shrinks"}

NETWORKS: tuple[Hypothesis, ...] = (
    *(
        Hypothesis(
            f"resize: {mode.replace('_', ' ')}" + ("" if which == "all" else f", {which}"),
            f"its network resizes {what} {how}, where MODNet's is half-pixel (align_corners=False)",
            mend,
            "network",
            change=Change(resize=mode, which=which),  # type: ignore[arg-type]
            mends=mends,  # type: ignore[arg-type]
        )
        for mode, (how, mend, mends) in _RESIZES.items()
        for which, what in _WHICH.items()
    ),
    Hypothesis(
        "SAME padding",
        "its convolutions of stride 2 pad at the end only (TensorFlow's SAME), and MODNet's a pixel on each side, "
        "so that everything moves by a pixel",
        "pad by 1 on each side, then a VALID convolution: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])",
        "network",
        change=Change(same_padding=True),
        mends={
            "coreml": "conv with pad_type='custom', pad=[1, 1, 1, 1]",
            "onnx": "pads=[1, 1, 1, 1] and auto_pad=NOTSET in every Conv of stride 2",
        },
    ),
)


def _sigmoid(values: Image) -> Image:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-values)), np.float32)


def _shifted(down: int, right: int) -> Hypothesis:
    """The matte, moved: compared where both have it."""

    def part(matte: Image, down: int, right: int) -> Image:
        height, width = matte.shape[1:3]
        rows = slice(max(down, 0), height + min(down, 0))
        columns = slice(max(right, 0), width + min(right, 0))
        return matte[:, rows, columns]

    words = [f"{abs(down)} down" if down > 0 else f"{abs(down)} up"] if down else []
    words += [f"{abs(right)} right" if right > 0 else f"{abs(right)} left"] if right else []
    return Hypothesis(
        f"shifted: {', '.join(words)}",
        f"its matte is moved by a pixel ({', '.join(words)})",
        "crop the padding where it was added: the same number of pixels on the same side",
        "output",
        given=lambda planes, image: part(_matte(planes, image), down, right),
        expected=lambda matte, image: part(matte, -down, -right),
    )


OUTPUTS: tuple[Hypothesis, ...] = (
    Hypothesis(
        "logits",
        "it gives logits: the last sigmoid is missing",
        "matte = 1 / (1 + np.exp(-output)), or convert with the last torch.sigmoid",
        "output",
        given=lambda planes, image: _sigmoid(_matte(planes, image)),
    ),
    Hypothesis(
        "sigmoid twice",
        "its matte goes through a second sigmoid, so that it is from 0.5 to 0.73",
        "remove the second sigmoid: MODNet's output is a matte already",
        "output",
        expected=lambda matte, image: _sigmoid(matte),
    ),
    Hypothesis(
        "inverted",
        "it gives the background's matte: 1 - alpha",
        "matte = 1.0 - output",
        "output",
        expected=lambda matte, image: 1 - matte,
    ),
    Hypothesis(
        "scaled by 255",
        "its matte is from 0 to 255",
        "matte = output / 255.0",
        "output",
        given=lambda planes, image: _matte(planes, image) / 255,
    ),
    Hypothesis(
        "not scaled to 255",
        "its matte of 0 to 1 is given as bytes, so that 1 of 255 is opaque: it looks black",
        "multiply by 255 before the output's type changes",
        "output",
        # Where bytes were made of it, nothing between 0 and 1 is left.
        given=lambda planes, image: np.rint(255 * _matte(planes, image)),
        expected=lambda matte, image: np.rint(matte),
        mends={
            "coreml": "multiply the matte by 255 in the graph before ct.ImageType(color_layout=GRAYSCALE), or ask for "
            "a ct.TensorType"
        },
    ),
    Hypothesis(
        "scaled to -1..1",
        "its matte is from -1 to 1",
        "matte = (output + 1.0) / 2.0",
        "output",
        given=lambda planes, image: (_matte(planes, image) + 1) / 2,
    ),
    Hypothesis(
        "premultiplied",
        "it gives the image multiplied by the matte",
        "take the matte itself as the output, and multiply in the app once",
        "output",
        given=lambda planes, image: planes[..., :3],
        expected=lambda matte, image: matte * image,
    ),
    Hypothesis(
        "premultiplied grey",
        "it gives the grey image multiplied by the matte",
        "take the matte itself as the output, and multiply in the app once",
        "output",
        expected=lambda matte, image: matte * image.mean(-1, keepdims=True),
    ),
    Hypothesis(
        "squared",
        "its matte is multiplied by itself",
        "multiply by the matte once",
        "output",
        expected=lambda matte, image: matte * matte,
    ),
    Hypothesis(
        "mirrored",
        "its matte is mirrored",
        "matte = output[:, ::-1]",
        "output",
        expected=lambda matte, image: matte[:, :, ::-1],
    ),
    *(_shifted(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right),
)

FAULTS = (*INPUTS, *NETWORKS, *OUTPUTS)
AS_IT_IS = Hypothesis("as it is", "it is the reference's network", "", "input")
