"""ONNX to TFLite with onnx2tf, in its own environment: ``convert_onnx2tf.py ONNX OUT [BACKEND]``.

Version 2 has two backends (``flatbuffer_direct``, ``tf_converter``), version 1 none to choose.
"""

# mypy: ignore-errors
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx2tf

source, target = (Path(argument).resolve() for argument in sys.argv[1:3])
chosen = {"tflite_backend": sys.argv[3]} if sys.argv[3:] else {}
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    # Offline it fails unless its calibration images lie in the working directory; fp32 does not read them.
    np.save("calibration_image_sample_data_20x128x128x3_float32.npy", np.zeros((20, 128, 128, 3), np.float32))
    onnx2tf.convert(input_onnx_file_path=str(source), output_folder_path="out", non_verbose=True, **chosen)
    target.write_bytes(Path("out", f"{source.stem}_float32.tflite").read_bytes())
