"""ExecuTorch in its own process: ``run_executorch.py MODEL IMAGE THREADS MATTE`` (see ``serving``)."""

# mypy: ignore-errors
import sys

import numpy as np
import torch
from executorch.extension.pybindings import portable_lib

from benchmarks.peers.serving import pin, serve

model, image, threads, matte = sys.argv[1:]
pin(int(threads))
portable_lib._unsafe_reset_threadpool(int(threads))
image_nchw = torch.from_numpy(np.load(image).transpose(0, 3, 1, 2).copy())
program = portable_lib._load_for_executorch(model)
serve(lambda: program.forward((image_nchw,))[0].numpy().transpose(0, 2, 3, 1), matte)
