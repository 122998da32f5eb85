"""MNN in its own process: ``run_mnn.py MODEL IMAGE THREADS MATTE`` (see ``serving``)."""

# mypy: ignore-errors
import sys

import MNN
import MNN.expr as expr
import MNN.nn
import numpy as np

from benchmarks.peers.serving import pin, serve

model, image, threads, matte = sys.argv[1:]
pin(int(threads))
image_nchw = np.load(image).transpose(0, 3, 1, 2).copy()
config = {"backend": "CPU", "precision": "high", "numThread": int(threads)}
manager = MNN.nn.create_runtime_manager((config,))
network = MNN.nn.load_module_from_file(model, ["image"], ["matte"], runtime_manager=manager)
placeholder = expr.placeholder(list(image_nchw.shape), expr.NCHW)


def run() -> np.ndarray:
    placeholder.write(image_nchw)
    return np.array(expr.convert(network.forward(placeholder), expr.NCHW).read()).transpose(0, 2, 3, 1)


serve(run, matte)
