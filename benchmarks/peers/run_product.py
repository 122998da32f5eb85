"""numpy's product of two float32 matrices: ``run_product.py SIDE IMAGE THREADS MATTE`` (see ``serving``)."""

# mypy: ignore-errors
import os
import sys

side, _, threads, matte = sys.argv[1:]
os.environ["OPENBLAS_NUM_THREADS"] = threads  # read when numpy is loaded

import numpy as np  # noqa: E402

from benchmarks.peers.serving import pin, serve  # noqa: E402

pin(int(threads))
left, right = np.random.default_rng(0).random((2, int(side), int(side)), dtype=np.float32)
serve(lambda: left @ right, matte)
