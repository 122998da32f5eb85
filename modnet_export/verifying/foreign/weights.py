"""Whether a file holds the reference's weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converters.diagnose.weights import alikeness, kernels
from modnet_export.model.checkpoint import Source
from modnet_export.model.reference import OnnxReference, Reference

# Of one kernel: 1 but for rounding, of which palettes of 4 bits leave 0.990 and integers of 4 bits 0.979. The least
# seen in sound files is 0.968, where a pass has scaled the image's channels alone; of another network's kernel of the
# same shape, 0.05 to 0.3.
_SAME, _WRONG = 0.96, 0.85
_MOST = 0.5
# What only training runs.
_UNUSED = ("lr_branch.backbone.", "lr_branch.conv_lr.", "hr_branch.conv_hr.")
_LEAST_FILTER = 8


@dataclass(frozen=True)
class Held:
    """Which of the reference's convolutions a file holds."""

    compared: int
    """How many could be looked for: the file has kernels of their shape."""
    changed: int
    """How many of these the file has not, but for rounding."""
    wrong: tuple[str, ...]
    """Those of which the file has nothing alike."""

    @property
    def another(self) -> bool:
        """Whether it is another checkpoint's file, and not one with a few wrong weights."""
        return self.changed > _MOST * self.compared


def held(path: Path, reference: Reference, source: Source) -> Held:
    """Look for each convolution of the reference among a file's weights."""
    stored = kernels(path)
    found = {name: alikeness(kernel, stored) for name, kernel in _layers(reference, source).items()}
    known = {name: value for name, value in found.items() if value is not None}
    return Held(
        len(known),
        sum(value < _SAME for value in known.values()),
        tuple(name for name, value in known.items() if value < _WRONG),
    )


def _layers(reference: Reference, source: Source) -> Mapping[str, npt.NDArray[np.float32]]:
    """The reference's kernels of more than a few numbers, OIHW, by the names of their layers."""
    if isinstance(reference, OnnxReference):
        found = {f"constant {index}": kernel for index, kernel in enumerate(kernels(source.path)[::4])}
        return {name: kernel for name, kernel in found.items() if kernel[0].size >= _LEAST_FILTER}
    from torch import nn

    layers = {
        name: module.weight.detach().float().numpy()
        for name, module in reference.modnet.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and not name.startswith(_UNUSED)
    }
    kernels_by_name = {name: value[:, :, None, None] if value.ndim == 2 else value for name, value in layers.items()}
    return {name: kernel for name, kernel in kernels_by_name.items() if kernel[0].size >= _LEAST_FILTER}
