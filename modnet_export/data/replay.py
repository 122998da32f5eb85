"""Finish the proof on a Mac: run the packages in this folder with Core ML and compare with the expected mattes.

    pip install coremltools numpy pillow
    python replay.py

This writes results.json; send it back for `modnet-export verify DIST --import results.json`. Pillow is only needed for
packages that take images: Core ML's Python interface takes them as Pillow images.
"""

import hashlib
import json
import platform
from pathlib import Path

import coremltools as ct
import numpy as np

HERE = Path(__file__).resolve().parent
VERSION = 1
"""The format of bundle.json and of results.json."""


def tree_sha256(folder):
    digest = hashlib.sha256()
    for item in sorted(item for item in folder.rglob("*") if item.is_file()):
        inner = hashlib.sha256(item.read_bytes()).hexdigest()
        digest.update(f"{item.relative_to(folder).as_posix()}\0{inner}\n".encode())
    return digest.hexdigest()


def predict(model, bundle_input, images):
    rgb = np.load(HERE / bundle_input["image"])  # H x W x 3, uint8
    if images:
        from PIL import Image

        found = np.asarray(model.predict({"image": Image.fromarray(rgb)})["matte"], np.float64) / 255
    else:
        image_nchw = (rgb.astype(np.float32) / 255).transpose(2, 0, 1)[None]
        found = np.asarray(model.predict({"image": image_nchw})["matte"], np.float64)
    return found.reshape(rgb.shape[:2])


def main():
    bundle = json.loads((HERE / "bundle.json").read_text())
    if bundle.get("schema_version") != VERSION:
        raise SystemExit("bundle.json is of another version than this file: use the replay.py that came with it")
    results = []
    for package in bundle["packages"]:
        folder = HERE / package["file"]
        for unit in ("CPU_ONLY", "ALL"):
            model = ct.models.MLModel(str(folder), compute_units=ct.ComputeUnit[unit])
            for name in package["inputs"]:
                entry = bundle["inputs"][name]
                difference = predict(model, entry, package["images"]) - np.load(HERE / entry["matte"])
                result = {
                    "file": package["file"],
                    "sha256": tree_sha256(folder),
                    "compute_unit": unit,
                    "input": name,
                    "max_abs_difference": float(np.abs(difference).max()),
                    "mad": float(np.abs(difference).mean()),
                    "mse": float(np.square(difference).mean()),
                }
                results.append(result)
                limits = package["tolerance"]
                passed = all(result[key] <= limits[key] for key in limits)
                line = f"max {result['max_abs_difference']:.2e} mean {result['mad']:.2e}"
                print(package["file"], unit, name, line, "passed" if passed else "FAILED")
    machine = {"system": platform.platform(), "machine": platform.machine(), "coremltools": ct.__version__}
    report = {"schema_version": VERSION, "machine": machine, "results": results}
    (HERE / "results.json").write_text(json.dumps(report, indent=2) + "\n")
    print("Wrote", HERE / "results.json")


if __name__ == "__main__":
    main()
