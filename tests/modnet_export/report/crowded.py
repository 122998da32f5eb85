"""Reports with everything in them: many artefacts, long names, and all sections. Nothing is run."""

from __future__ import annotations

import numpy as np

from converters.budget import Point
from modnet_export.record.latencies import Latencies
from modnet_export.record.manifest import SearchRecord
from modnet_export.record.measures import MEASURES, Measurement, Tolerance
from modnet_export.report.gather import Gallery, Shown, View, data_uri
from modnet_export.report.render import Page
from modnet_export.verifying.result import Agreement, Fp16Safety, Fp16Tensor, Link, Suspect, TruthErrors
from tests.modnet_export.verifying import made

INPUTS = ("portrait.png", f"IMG_20260814_{'very' * 12}_long.jpeg", "frame 7 of a video")
PRECISIONS = ("fp32", "fp16", "int8_weights", "int8_dynamic", "int8", "int8_mixed", "int4_weights", "palettized6")
FILES = (
    "modnet_fp32.onnx",
    f"modnet_{'opt' * 20}_fp32.onnx",
    *(f"modnet_{precision}.tflite" for precision in PRECISIONS),
    *(f"modnet_{precision}.mlpackage" for precision in PRECISIONS),
)
OP = "CONV_2D model/" + "backbone.features.17.conv.7;BiasAdd_50;" * 6
TRUTH = TruthErrors(images=3, mad=0.01, mse=0.001, sad=2.5, grad=3.5, conn=4.5)


def _link(file: str, number: int, limit: float) -> Link:
    tolerance = Tolerance(mad=limit, max_abs_difference=0.9, correlation=0.5)
    values = {name: 0.123456 for name, measure in MEASURES.items() if not measure.between_frames} | {"correlation": 1}
    values |= {"psnr_db": 101.23, "ssim": 0.98765}
    measurements = [
        Measurement.judged(name, values | {"mad": 1e-5 * (1 + number) * 3**place}, tolerance)
        for place, name in enumerate(INPUTS)
    ]
    passed = all(item.passed for item in measurements)
    return Link(
        artefact=file,
        delegate="gpu" if number == 3 else "cpu",
        stage="TFLite lowering",
        engine=f"engine {number % 3}",
        tolerance=tolerance,
        verdict="passed" if passed else "failed",
        reason="" if passed else f"mean 1.23e-03 on {INPUTS[1]}, allowed {limit} (3 inputs)",
        expected=INPUTS,
        measurements=tuple(measurements),
        truth=TRUTH,
    )


def crowded(*, failing: bool) -> Page:
    """A page of 18 artefacts, of which most fail where some are to."""
    links = [_link(file, number, 1e-4 if failing else 0.1) for number, file in enumerate(FILES)]
    tensor = Fp16Tensor(op=OP, tensor="t", largest=70000.0 if failing else 9.0, what="element")
    overflows = (tensor,) if failing else ()
    result = made.verification(*links, inputs=INPUTS).model_copy(
        update={
            "truth": TRUTH,
            "environment": {"machine": "x" * 150},
            "unreadable": {f"{'broken' * 20}.png": "no image"} if failing else {},
            "agreements": tuple(
                Agreement(artefact=file, ways=ways, max_abs_difference=1e-6, mad=1e-7, limit=1e-6, passed=True)
                for file in FILES[2:10]
                for ways in ("XNNPACK on 1 and 2 threads", "XNNPACK and built-in kernels")
            ),
            "fp16_safety": (
                Fp16Safety(
                    artefact=FILES[3],
                    images=3,
                    largest=(tensor,),
                    overflows=overflows,
                    mad=1e-4,
                    worst_mad=2e-4,
                    worst_input=INPUTS[1],
                    passed=not failing,
                ),
            ),
            "suspects": tuple(
                Suspect(
                    artefact=file,
                    parent=FILES[0],
                    op=OP,
                    tensor="t",
                    reader="",
                    parent_op="",
                    snr_db=12.0,
                    explanation="its result is another",
                )
                for file in FILES[10:]
                if failing
            ),
        }
    )
    return Page(result, _gallery([link.name for link in links]), _measured(), _searches())


def _gallery(names: list[str]) -> Gallery:
    rng = np.random.default_rng(0)
    grey, colour = (data_uri(rng.random((64, 64, *channels), np.float32)) for channels in ((), (3,)))
    return Gallery(
        inputs={name: Shown(colour, grey) for name in INPUTS},
        views={name: [View(item, grey, colour, colour) for item in INPUTS[::-1]] for name in names},
        differences={name: [rng.random((64, 64), np.float32) ** 20] for name in names},
    )


def _measured() -> list[Latencies]:
    columns = {f"column {number}": "123.4 (123.0 to 125.0)" for number in range(10)}
    samples, at = tuple(10.0 + number % 3 for number in range(30)), tuple(map(float, range(30)))
    return [
        Latencies(f"{file} 1T on adb:<{'serial' * 5}>", samples, at, columns, "build " + "x/" * 90, ("throttled",))
        for file in FILES[:12]
    ]


def _searches() -> dict[str, SearchRecord]:
    points = tuple(Point(k, 1 - k / 10, 0.0028 - 0.0003 * k, 0.01, 0.1, 10.0 + k, 7.0) for k in range(6))
    return {file: SearchRecord(budget="mad<=0.001", held=True, chosen=points[2], points=points) for file in FILES[4:8]}
