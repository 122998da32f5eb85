"""ncnn in its own process: ``run_ncnn.py MODEL IMAGE THREADS MATTE`` (see ``serving``)."""

# mypy: ignore-errors
import sys
from pathlib import Path

import ncnn
import numpy as np

from benchmarks.peers.serving import pin, serve

model, image, threads, matte = sys.argv[1:]
pin(int(threads))
image_chw = np.load(image)[0].transpose(2, 0, 1).copy()
network = ncnn.Net()
network.opt.num_threads = int(threads)
network.load_param(model)
network.load_model(str(Path(model).with_suffix(".bin")))


def run() -> np.ndarray:
    extractor = network.create_extractor()
    extractor.input("in0", ncnn.Mat(image_chw).clone())  # it would read a borrowed array after its end
    return np.array(extractor.extract("out0")[1])[None].transpose(0, 2, 3, 1)


serve(run, matte)
