"""ONNX to MNN with its own converter: ``convert_mnn.py ONNX OUT``.

The program `mnnconvert` is not used: it reports what it converted, and installs a logging package with the first `pip`
on the path, which may be another environment's.
"""

# mypy: ignore-errors
import sys

import _tools

onnx, out = sys.argv[1:]
_tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--modelFile", onnx, "--MNNModel", out, "--bizCode", "MNN"])
