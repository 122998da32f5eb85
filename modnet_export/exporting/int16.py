"""int16 arithmetic for one checkpoint: the file for NPUs."""

from __future__ import annotations

from converters.progress import Progress
from modnet_export.exporting.calibration import Calibration
from modnet_export.images import representative


def int16x8(fp32: bytes, calibration: Calibration, progress: Progress) -> bytes:
    """The fp32 flatbuffer with int16 activations and int8 weights, its norms included."""
    from converters.tflite import builder
    from converters.tflite.int8.equalise import equalise, evened_by
    from converters.tflite.int8.graph import Graph
    from converters.tflite.int8.ranges import calibrate, observe
    from converters.tflite.int16.form import for_int16
    from converters.tflite.int16.write import int16x8
    from converters.tflite.rounding import Rounding

    images = calibration.images()
    tensors = evened_by(Graph(builder.read(fp32)))
    data = for_int16(equalise(fp32, observe(fp32, tensors, representative.some(images), progress)))
    spreads, moments = calibrate(data, Graph(builder.read(data)).activations, images, progress)
    return int16x8(data, Rounding(moments), spreads)
