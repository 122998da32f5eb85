"""One row for each artefact that can be made: everything that differs between formats and precisions.

Exporting makes artefacts by these rows, and verifying judges them by these rows: so they lie below both.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from converters.choices import Delegate, Tuning
from converters.diagnose import EXACT_DB
from modnet_export.record.choices import Format, Precision, Stage
from modnet_export.record.measures import Tolerance

NOISE = "noise"
"""The name of the built-in input that reaches parts of the network which a portrait does not."""
# What every sound op reaches when it is run on its parent's values; docs/verification.md has the least that was seen.
_FP16_DB, _INT8_DB, _COARSE_DB = 40.0, 20.0, 8.0
# An 8-bit matte is rounded to the nearest of 256 values; Core ML may cut off instead, until a Mac has told.
_HALF_STEP, _STEP = 0.5 / 255, 1 / 255


@dataclass(frozen=True)
class Recipe:
    """How one artefact is made and what it is held to."""

    file: str
    format: Format
    precision: Precision
    stage: Stage
    tolerance: Tolerance
    """What it is held to with float ports; see ``limits``."""
    parent: str | None = None
    """The file of the recipe that it is made from; None: the reference."""
    tuning: Tuning | None = "cpu"
    """The processor that the graph is written for unless asked otherwise; None: no graph passes run."""
    always_tuned: bool = False
    """Whether ``tuning`` holds whatever is asked for: integer arithmetic is written from the CPU's graph."""
    eight_bit: bool = False
    """Whether its ports are bytes, whatever is asked for."""
    budget: str | None = None
    """The limits within which a search finds the most int8 arithmetic; None: there is no search."""
    judged_on_noise: bool = False
    """Whether noise is among its inputs: noise asks for exact arithmetic, which fp16 and coarse weights are not."""
    integer_activations: bool = False
    """Whether engines round its activations to integers, each in its own way."""
    least_snr_db: float = _INT8_DB
    """How close every op's result must be to its parent's when it is run on the parent's values."""

    def judged_on(self, input_name: str) -> bool:
        """Whether the artefact is judged on the input of that name; the built-in noise is called ``NOISE``."""
        return self.judged_on_noise or input_name != NOISE

    def runs_on(self, delegate: Delegate) -> bool:
        """Whether a delegate runs the artefact; XNNPACK in fp16 is for what is written for fp16."""
        litert = self.format == "tflite" and (delegate != "cpu-fp16" or self.precision == "fp16")
        return delegate == "cpu" or litert

    def written_for(self, tuning: Tuning | None) -> str:
        """The processor that an artefact is for: NPUs' has no graph of its own, it has the CPU's in int16."""
        return "npu" if self.precision == "int16x8" else tuning or "any"

    @property
    def searched(self) -> bool:
        """Whether a search within a budget runs for it."""
        return self.budget is not None

    def limits(self, *, images: bool = False) -> Tolerance:
        """The tolerance. An 8-bit output, because of the recipe or of ``images``, may be half a step further off.

        Core ML's may be a whole one.
        """
        step = _STEP if self.format == "coreml" else _HALF_STEP
        return self.tolerance.widened(step) if images or self.eight_bit else self.tolerance

    def tuned(self, asked: Tuning | None) -> Tuning | None:
        """The tuning of this artefact; ``asked`` is the user's choice, None where there is none.

        Nothing but Core ML has the Neural Engine.
        """
        fixed = self.tuning is None or self.always_tuned or (asked == "ane" and self.format != "coreml")
        return self.tuning if fixed or asked is None else asked


_PLAIN, _OPTIMISED = "modnet_fp32.onnx", "modnet_opt_fp32.onnx"
_TFLITE, _COREML = "modnet_fp32.tflite", "modnet_fp32.mlpackage"
# Of 102 framed portraits the fp32 models had at most 4.0 (docs/verification.md).
_FP32, _FP16 = Tolerance(noise_ratio=8), Tolerance(mad=1e-3)
# Core ML rounds every op to fp16, where a TFLite file only holds weights in it. A mean hides a fault in one place, so
# the largest difference, nearly the largest, and the edges have limits too. Of 36 framed portraits at 256x256 the worst
# had a mean of 1.3e-3, 0.035 at 99.9 %, 0.044 at most and 4.1e-3 at the edges; the photo at 96x128, 0.054 at most.
_ML_FP16 = Tolerance(mad=4e-3, p999=0.07, max_abs_difference=0.08, edge_mad=1.5e-2)
CPU_FP16 = Tolerance(mad=5e-3)
"""In place of its recipe's, for a TFLite file that CPUs compute in fp16."""
# Three times what int8 may cost on average; 5.1e-3 was the most (int8-dynamic).
_INT8 = Tolerance(mad=5.4e-3)
# Of twelve of those portraits the worst had 5.5e-3, 0.15, 0.17 and 0.018.
_ML_INT8 = Tolerance(mad=1e-2, p999=0.25, max_abs_difference=0.3, edge_mad=3.5e-2)
# Like int8 on average, and a little further off in few pixels: the photo at 256x256 had 2.3e-3, 0.33 and 0.39.
_ML_PALETTES8 = Tolerance(mad=1e-2, p999=0.4, max_abs_difference=0.5, edge_mad=3.5e-2)
# An empty matte is within these means of any small person's. Its correlation with it is 0.
_COARSE = Tolerance(mad=3e-2, correlation=0.8)
# What is usable: 4-bit palettes miss it with the demo's weights, and hard portraits take 6 bits beyond it.
_ML_COARSE = Tolerance(mad=3e-2, p999=0.5, max_abs_difference=0.7, edge_mad=8e-2, correlation=0.8)
_LITE: Stage = "TFLite lowering"
_LITE_SMALL: Stage = "TFLite weight compression"
_ML: Stage = "Core ML lowering"
_ML_SMALL: Stage = "Core ML weight compression"

RECIPES: tuple[Recipe, ...] = (
    Recipe(_PLAIN, "onnx", "fp32", "ONNX export", _FP32, None, None, judged_on_noise=True, least_snr_db=EXACT_DB),
    Recipe(_OPTIMISED, "onnx", "fp32", "graph passes", _FP32, _PLAIN, judged_on_noise=True, least_snr_db=EXACT_DB),
    Recipe(
        "modnet_int8.onnx", "onnx", "int8", "ONNX weight compression", _INT8, _OPTIMISED,
        always_tuned=True, budget="mad<=0.001,p95<=0.001,worst<=0.003", integer_activations=True,
    ),
    Recipe(_TFLITE, "tflite", "fp32", _LITE, _FP32, _OPTIMISED, judged_on_noise=True, least_snr_db=EXACT_DB),
    Recipe(
        "modnet_fp16.tflite", "tflite", "fp16", _LITE_SMALL, _FP16, _TFLITE, "gpu",
        judged_on_noise=True, least_snr_db=_FP16_DB,
    ),
    Recipe("modnet_int8_weights.tflite", "tflite", "int8-weights", _LITE_SMALL, _INT8, _TFLITE),
    Recipe(
        "modnet_int8_dynamic.tflite", "tflite", "int8-dynamic", _LITE_SMALL, _INT8, _TFLITE, integer_activations=True
    ),
    Recipe(
        "modnet_int8.tflite", "tflite", "int8", _LITE_SMALL, _INT8, _TFLITE,
        always_tuned=True, eight_bit=True, budget="mad<=0.0018,p95<=0.0018,worst<=0.0054", integer_activations=True,
    ),
    Recipe(
        "modnet_int8_mixed.tflite", "tflite", "int8-mixed", _LITE_SMALL, _INT8, _TFLITE,
        always_tuned=True, budget="mad<=0.001,p95<=0.0015,worst<=0.003", integer_activations=True,
    ),
    Recipe(
        "modnet_int16x8.tflite", "tflite", "int16x8", _LITE_SMALL, _INT8, _TFLITE,
        always_tuned=True, integer_activations=True,
    ),
    Recipe(
        "modnet_int4_weights.tflite", "tflite", "int4-weights", _LITE_SMALL, _COARSE, _TFLITE,
        integer_activations=True, least_snr_db=_COARSE_DB,
    ),
    Recipe(_COREML, "coreml", "fp32", _ML, _FP32, _OPTIMISED, "ane", judged_on_noise=True, least_snr_db=EXACT_DB),
    Recipe("modnet_fp16.mlpackage", "coreml", "fp16", _ML, _ML_FP16, _COREML, "ane", least_snr_db=_FP16_DB),
    Recipe("modnet_int8.mlpackage", "coreml", "int8", _ML_SMALL, _ML_INT8, _COREML, "ane"),
    Recipe("modnet_palettized8.mlpackage", "coreml", "palettized8", _ML_SMALL, _ML_PALETTES8, _COREML, "ane"),
    Recipe(
        "modnet_palettized6.mlpackage", "coreml", "palettized6", _ML_SMALL, _ML_COARSE, _COREML, "ane",
        least_snr_db=_COARSE_DB,
    ),
    Recipe(
        "modnet_palettized4.mlpackage", "coreml", "palettized4", _ML_SMALL, _ML_COARSE, _COREML, "ane",
        least_snr_db=_COARSE_DB,
    ),
)  # fmt: skip
"""In the order in which they are made, each after its parent."""


def recipe(format: Format, precision: Precision, *, optimised: bool = True) -> Recipe:
    """The row of an artefact; ``optimised`` False: the checkpoint's own ONNX. Raises KeyError for what is not made."""
    for row in RECIPES:
        if (row.format, row.precision, row.tuning is not None) == (format, precision, optimised):
            return row
    raise KeyError(f"{format} {precision}")


def ancestor(row: Recipe, present: Collection[str]) -> Recipe | None:
    """The nearest recipe that ``row`` descends from and whose file is ``present``; None: the reference."""
    by_file = {item.file: item for item in RECIPES}
    parent = row.parent
    while parent is not None and parent not in present:
        parent = by_file[parent].parent
    return None if parent is None else by_file[parent]
