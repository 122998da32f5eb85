"""A TFLite or ONNX file in our own runtimes: ``run_model.py MODEL IMAGE THREADS MATTE`` (see ``serving``)."""

# mypy: ignore-errors
import sys
from pathlib import Path

import numpy as np

from benchmarks.peers.serving import pin, serve
from converters.runtimes import open_runtime

model, image, threads, matte = sys.argv[1:]
pin(int(threads))
image_nhwc = np.load(image)
runtime = open_runtime(Path(model), threads=int(threads))
serve(lambda: runtime.run(image_nhwc), matte)
