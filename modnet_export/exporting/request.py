"""What to export: one frozen value, and the artefacts that it asks for."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path

from converters.budget import Budget
from converters.choices import Converter, CoreMlNorms, CoreMlPorts, CoreMlTarget, Tuning
from converters.errors import ExportError, ExportWarning, needs
from modnet_export.images import representative
from modnet_export.model.checkpoint import EMBEDDED
from modnet_export.record.choices import Format, InputRange, Precision
from modnet_export.record.contract import Contract, Size
from modnet_export.record.files import writable_folder
from modnet_export.record.measures import Tolerance
from modnet_export.record.recipes import CPU_FP16, RECIPES, Recipe
from modnet_export.record.strict import repeated
from modnet_export.verifying.tolerances import ToleranceChanges

# A side above this gets a warning for Core ML.
_LARGE = 1024


@dataclass(frozen=True)
class ExportRequest:
    """What to export. ``tune`` None: each artefact for its own use (fp32 for CPUs, fp16 for GPUs, Core ML for
    the Neural Engine)."""

    checkpoint: str = EMBEDDED
    input_range: InputRange | None = None
    """What a user's own ONNX model takes; None: found out by its graph and its matte of the built-in portrait."""
    size: Size = field(default_factory=lambda: Size(height=512, width=512))
    functions: tuple[Size, ...] = ()
    """Further sizes, of which each Core ML package has a function, beside ``size``, which is its default (iOS 18)."""
    formats: tuple[Format, ...] = ("onnx", "tflite")
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    tune: Tuning | None = None
    converter: Converter = "direct"
    """Who writes the TFLite files that everything with int8 begins with, too."""
    cpu_fp16: bool = False
    """Let the fp16 TFLite file ask CPUs with fp16 arithmetic to use it. It is judged in that arithmetic."""
    coreml_io: CoreMlPorts = "image"
    coreml_target: CoreMlTarget = "iOS16"
    coreml_norms: CoreMlNorms = "auto"
    coreml_author: str | None = None
    coreml_licence: str | None = None
    coreml_version: str | None = None
    """What a package says of its weights. None: this project's and Apache-2.0 for the weights that it knows by name,
    nothing for a user's own."""
    calibration: Path | None = None
    """A folder of photographs for quantization; None: the built-in set."""
    budget: Budget | None = None
    """What int8 and int8-mixed must hold; None: their recipes' own budgets, or as near to them as can be had."""
    tolerances: ToleranceChanges = field(default_factory=ToleranceChanges)
    """Limits in place of the recipes' own."""
    keep_failing: bool = False
    """Write the folder also where artefacts miss their limits: the manifest marks them, and ``matte`` refuses them."""
    pareto_points: int = 0
    """Further models that their search measures, for a plot."""
    out: Path = Path("dist")

    @property
    def searched(self) -> list[Recipe]:
        """The artefacts whose precision a search chooses."""
        return [row for row in self.recipes() if row.searched]

    def recipes(self) -> list[Recipe]:
        """The artefacts in the order of the chain; raises ExportError when the choice leaves none of a format."""
        chosen = [row for row in RECIPES if row.format in self.formats and row.precision in self.precisions]
        for name in self.formats:
            if not any(row.format == name for row in chosen):
                available = ", ".join(sorted({row.precision for row in RECIPES if row.format == name}))
                raise ExportError(
                    f"there is no {name} artefact in {', '.join(self.precisions)}",
                    where="`precisions`",
                    expected=f"{name} comes in {available}",
                    next_step=f"add one of these precisions, or leave {name} out of `formats`",
                )
        return chosen

    def check(self) -> None:
        """Raise ExportError for what would end the export later: an unknown name, a target, a folder of photographs."""
        rows = self.recipes()
        if self.cpu_fp16 and not any(map(self.asks_for_fp16, rows)):
            raise ExportError(
                "there is no file that could ask for fp16 arithmetic",
                where="`cpu_fp16`",
                expected="tflite among `formats` and fp16 among `precisions`",
            )
        self.tolerances.require_known(rows)
        if self.converter == "tensorflow":
            needs("tensorflow", extra="tensorflow")
        if self.functions:
            self._check_functions()
        if "coreml" in self.formats:
            needs("coremltools", extra="coreml")
            for size in (self.size, *self.functions):
                if max(size.height, size.width) > _LARGE:
                    warnings.warn(
                        f"a Core ML package of {size} may be more than a phone's Neural Engine takes: "
                        f"nothing above {_LARGE} was tried",
                        ExportWarning,
                        stacklevel=2,
                    )
        if self.calibration is not None:
            representative.photographs(self.calibration)
        writable_folder(self.out)

    def asks_for_fp16(self, row: Recipe) -> bool:
        """Whether an artefact asks CPUs with fp16 arithmetic to use it."""
        return self.cpu_fp16 and row.runs_on("cpu-fp16")

    def _check_functions(self) -> None:
        """Raise ExportError unless functions of several sizes can be made as asked."""
        if self.formats != ("coreml",):
            raise ExportError(
                "only Core ML packages hold several sizes",
                where="`formats`",
                expected="`formats=coreml` alone",
                next_step="export the other formats on their own, into a folder for each size",
            )
        if self.coreml_target not in ("iOS18", "iOS26"):
            raise ExportError(
                f"packages for {self.coreml_target} have one function",
                where="`coreml_target`",
                expected="`coreml_target=iOS18` or newer",
                next_step="ask for it, or for a package of each size, which every system runs",
            )
        if repeated(map(str, (self.size, *self.functions))):
            raise ExportError("a size is asked for twice", where="`size`", expected="sizes that differ")

    def contract(self, row: Recipe) -> Contract:
        """What an artefact takes and gives."""
        ports: CoreMlPorts = self.coreml_io if row.format == "coreml" else "multiarray"
        half = row.format == "coreml" and row.precision != "fp32"
        return Contract.of(row.format, self.size, ports=ports, half=half, eight_bit=row.eight_bit)

    def tolerance(self, row: Recipe, budget: Budget | None) -> Tolerance:
        """What an artefact is held to; ``budget`` is what its search held.

        The two must not contradict each other: one photograph may have twice the mean of all.
        """
        limits = row.limits(images=row.format == "coreml" and self.coreml_io == "image")
        if self.asks_for_fp16(row):
            limits = CPU_FP16
        if budget is not None:
            asked = 2 * budget.limits.get("mad", 0.0)
            limits = limits.model_copy(update={"mad": max(limits.mad or 0.0, asked)})
        return self.tolerances.of(row, limits)
