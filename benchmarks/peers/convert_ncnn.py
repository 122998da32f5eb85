"""ONNX to ncnn with pnnx, fp32 weights: ``convert_ncnn.py ONNX OUT HEIGHT WIDTH``; OUT names the .param file."""

# mypy: ignore-errors
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

onnx, out, height, width = sys.argv[1:]
package = importlib.util.find_spec("pnnx")
assert package is not None
assert package.origin is not None
with tempfile.TemporaryDirectory() as folder:
    model = shutil.copy(onnx, Path(folder) / "model.onnx")
    program = Path(package.origin).with_name("pnnx")
    subprocess.run([program, model, f"inputshape=[1,3,{height},{width}]", "fp16=0"], check=True, cwd=folder)
    for suffix in ("param", "bin"):
        shutil.move(Path(folder) / f"model.ncnn.{suffix}", Path(out).with_suffix(f".{suffix}"))
