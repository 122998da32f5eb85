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
VERSION = 3
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


def correlation(found, expected):
    """Pearson's. A matte that is constant but for rounding has 1 with its equal, and 0 with any other."""
    rounding = 1.5 / 255
    if min(np.ptp(found), np.ptp(expected)) < rounding:
        return float(np.abs(found - expected).max() < rounding)
    return float(np.corrcoef(found.ravel(), expected.ravel())[0, 1])


def measured(found, expected, shown, noise):
    """Every measure within the picture: the rest of the matte is never shown."""
    if shown is not None:
        top, left, height, width = shown
        found, expected = (matte[top : top + height, left : left + width] for matte in (found, expected))
    difference = found - expected.astype(np.float64)
    return {
        "max_abs_difference": float(np.abs(difference).max()),
        "noise_ratio": float(np.abs(difference).max() / noise),
        "mad": float(np.abs(difference).mean()),
        "mse": float(np.square(difference).mean()),
        "correlation": correlation(found, expected.astype(np.float64)),
    }


def holds(measure, value, limit):
    return value >= limit if measure == "correlation" else value <= limit


def main():
    bundle = json.loads((HERE / "bundle.json").read_text())
    if bundle.get("schema_version") != VERSION:
        raise SystemExit("bundle.json is of another version than this file: use the replay.py that came with it")
    results = []
    for package in bundle["packages"]:
        folder = HERE / package["file"]
        for unit in bundle["units"]:
            model = ct.models.MLModel(str(folder), compute_units=ct.ComputeUnit[unit])
            for name in package["inputs"]:
                entry = bundle["inputs"][name]
                found = predict(model, entry, package["images"])
                result = {
                    "file": package["file"],
                    "sha256": tree_sha256(folder),
                    "compute_unit": unit,
                    "input": name,
                    **measured(found, np.load(HERE / entry["matte"]), entry.get("shown"), entry["noise"]),
                }
                results.append(result)
                limits = package["tolerance"]
                passed = all(holds(key, result[key], limits[key]) for key in limits)
                line = f"max {result['max_abs_difference']:.2e} mean {result['mad']:.2e}"
                print(package["file"], unit, name, line, "passed" if passed else "FAILED")
    machine = {"system": platform.platform(), "machine": platform.machine(), "coremltools": ct.__version__}
    report = {"schema_version": VERSION, "machine": machine, "results": results}
    (HERE / "results.json").write_text(json.dumps(report, indent=2) + "\n")
    print("Wrote", HERE / "results.json")


if __name__ == "__main__":
    main()
