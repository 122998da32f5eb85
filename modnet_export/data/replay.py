"""Finish the proof on a Mac: run the packages in this folder with Core ML and compare with the expected mattes.

    sh run.sh

That makes an environment with what this file needs, and runs it. It writes results.json, row by row; send it back for
`modnet-export verify DIST --import results.json`. Each package runs on each kind of compute unit in a process of its
own: one that crashes is a row. REPLAY_UNITS=CPU_ONLY,ALL asks for some of them. Exit code 1 where a row failed.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSION = 4
"""The format of bundle.json and of results.json."""
RUNS, WARM_UP = 20, 3


def tree_sha256(folder):
    digest = hashlib.sha256()
    for item in sorted(item for item in folder.rglob("*") if item.is_file()):
        inner = hashlib.sha256(item.read_bytes()).hexdigest()
        digest.update(f"{item.relative_to(folder).as_posix()}\0{inner}\n".encode())
    return digest.hexdigest()


# The parent: one child for each package and compute unit


def said(*command):
    """What a program of the system says; empty where there is none."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def machine():
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "chip": said("sysctl", "-n", "machdep.cpu.brand_string"),
        "build": said("sw_vers", "-buildVersion"),
        "python": platform.python_version(),
    }


def save(report):
    """The whole file or the one before: it is written after each row."""
    fresh = HERE / "results.json.new"
    fresh.write_text(json.dumps(report, indent=2) + "\n")
    fresh.replace(HERE / "results.json")


def missed(row, limits):
    """The limits that a row does not hold. What is not finite holds none."""
    return [
        name
        for name, limit in limits.items()
        if not (row[name] >= limit if name == "correlation" else row[name] <= limit)
    ]


def line(row, limits):
    found = f"max {row['max_abs_difference']:.2e} mean {row['mad']:.2e} 99.9 % {row['p999']:.2e}"
    found += f" from the evaluator {row['from_evaluator']:.2e}"
    if row["rounds_to_nearest"] is not None:
        found += f" rounded: nearest {row['rounds_to_nearest']:.1%}, down {row['rounds_down']:.1%}"
    failed = missed(row, limits)
    return f"{found} " + (f"FAILED: {', '.join(failed)}" if failed else "passed")


def run(package, unit, report):
    """Add a child's rows to the report as they come; True where all are there and passed."""
    with tempfile.TemporaryFile("w+") as errors:  # a pipe that nobody reads fills up
        return watched(package, unit, report, errors)


def watched(package, unit, report, errors):
    command = [sys.executable, str(Path(__file__).resolve()), package["file"], unit]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    done, passed = set(), True
    for text in child.stdout:
        if not text.startswith("ROW "):
            continue  # what Core ML itself prints
        kind, row = json.loads(text[4:])
        report[kind].append({"file": package["file"], "compute_unit": unit, **row})
        save(report)
        if kind == "runs":
            print(package["file"], unit, describe(row), flush=True)
        else:
            done.add(row["input"])
            passed = passed and not missed(row, package["tolerance"])
            print(package["file"], unit, row["input"], line(row, package["tolerance"]), flush=True)
    code = child.wait()
    errors.seek(0)
    said_last = errors.read().strip().splitlines()[-1:]
    if code or done != set(package["inputs"]):
        why = ": ".join([f"signal {-code}" if code < 0 else f"exit code {code}", *said_last])
        report["crashes"].append({"file": package["file"], "compute_unit": unit, "reason": why})
        save(report)
        print(package["file"], unit, "CRASHED:", why, flush=True)
        return False
    return passed


def describe(row):
    where = ", ".join(f"{count} {device}" for device, count in row["preferred"].items()) or "not told"
    return (
        f"load {row['cold_load_ms']:.0f} ms cold, {row['warm_load_ms']:.0f} ms warm; {row['latency_ms']:.1f} ms; "
        f"ops by preferred device: {where}"
    )


def main():
    content = (HERE / "bundle.json").read_bytes()
    bundle = json.loads(content)
    if bundle.get("schema_version") != VERSION:
        raise SystemExit("bundle.json is of another version than this file: use the replay.py that came with it")
    report = {
        "schema_version": VERSION,
        "bundle": bundle["identity"],
        "machine": machine(),
        "runs": [],
        "results": [],
        "crashes": [],
    }
    save(report)
    units = os.environ.get("REPLAY_UNITS", ",".join(bundle["units"])).split(",")
    passed = [run(package, unit, report) for package in bundle["packages"] for unit in units]
    print("Wrote", HERE / "results.json", "- all passed" if all(passed) else "- some FAILED")
    return 0 if all(passed) else 1


# The child: one package on one kind of compute unit


def tell(kind, row):
    print("ROW", json.dumps([kind, row]), flush=True)


def devices(compiled, unit):
    """How many ops prefer each device, and how many each supports; empty where the plan cannot be had."""
    from coremltools.models.compute_plan import MLComputePlan

    preferred, supported = {}, {}
    plan = MLComputePlan.load_from_path(path=compiled, compute_units=unit)  # a compiled one: coremltools#2757
    for operation in plan.model_structure.program.functions["main"].block.operations:
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        if usage is None:  # a constant
            continue
        for counts, found in (
            (preferred, [usage.preferred_compute_device]),
            (supported, usage.supported_compute_devices),
        ):
            for device in found:
                name = type(device).__name__.removeprefix("ML").removesuffix("ComputeDevice")
                counts[name] = counts.get(name, 0) + 1
    return {"preferred": preferred, "supported": supported}


def milliseconds(call):
    start = time.perf_counter()
    found = call()
    return (time.perf_counter() - start) * 1e3, found


def one(file, unit_name):
    import coremltools as ct
    import numpy as np

    bundle = json.loads((HERE / "bundle.json").read_text())
    package = next(item for item in bundle["packages"] if item["file"] == file)
    unit, folder = ct.ComputeUnit[unit_name], HERE / file
    fingerprint = tree_sha256(folder)
    with tempfile.TemporaryDirectory() as work:
        compiled = ct.models.utils.compile_model(str(folder), str(Path(work) / "model.mlmodelc"))
        cold, _ = milliseconds(lambda: ct.models.CompiledMLModel(compiled, compute_units=unit))
        warm, model = milliseconds(lambda: ct.models.CompiledMLModel(compiled, compute_units=unit))
        images = {name: given(np, bundle["inputs"][name], package) for name in package["inputs"]}
        first = images[package["inputs"][0]]
        for _ in range(WARM_UP):
            model.predict({"image": first})
        times = sorted(milliseconds(lambda: model.predict({"image": first}))[0] for _ in range(RUNS))
        try:
            plan = devices(compiled, unit)
        except Exception as error:  # macOS 14.4 and newer have it
            plan = {"preferred": {}, "supported": {}, "no_plan": str(error)[:200]}
        tell(
            "runs",
            {
                "sha256": fingerprint,
                "coremltools": ct.__version__,
                "cold_load_ms": cold,
                "warm_load_ms": warm,
                "latency_ms": times[len(times) // 2],
                **plan,
            },
        )
        for name, image in images.items():
            entry = bundle["inputs"][name]
            stored = np.asarray(model.predict({"image": image})["matte"], np.float64)
            stored = stored.reshape(np.load(HERE / entry["matte"]).shape)
            tell("results", {"sha256": fingerprint, "input": name, **measured(np, stored, entry, package, name)})


def given(np, entry, package):
    """An input as a package takes it: a Pillow image, or 1 x 3 x H x W."""
    rgb = np.load(HERE / entry["image"])  # H x W x 3, uint8
    if package["images"]:
        from PIL import Image

        return Image.fromarray(rgb)
    return (rgb.astype(np.float32) / 255).transpose(2, 0, 1)[None]


def correlation(np, found, expected):
    """Pearson's. A matte that is constant but for rounding has 1 with its equal, and 0 with any other."""
    rounding = 1.5 / 255
    if min(np.ptp(found), np.ptp(expected)) < rounding:
        return float(np.abs(found - expected).max() < rounding)
    return float(np.corrcoef(found.ravel(), expected.ravel())[0, 1])


def measured(np, stored, entry, package, name):
    """Every measure within the picture: the rest of the matte is never shown. ``stored``: as the package gives it."""
    scale = package["scale"]
    found, expected = stored / scale, np.load(HERE / entry["matte"]).astype(np.float64)
    evaluated, band = np.load(HERE / package["evaluated"][name]).astype(np.float64), np.load(HERE / entry["band"])
    nearest = down = None
    if scale == 255:
        nearest = float(np.mean(stored == np.clip(np.rint(evaluated), 0, 255)))
        down = float(np.mean(stored == np.clip(np.floor(evaluated), 0, 255)))
    beside = np.abs(found - evaluated / scale)
    if entry.get("shown") is not None:
        top, left, height, width = entry["shown"]
        shown = slice(top, top + height), slice(left, left + width)
        found, expected, band, beside = found[shown], expected[shown], band[shown], beside[shown]
    difference = np.abs(found - expected)
    return {
        "max_abs_difference": float(difference.max()),
        "noise_ratio": float(difference.max() / entry["noise"]),
        "p999": float(np.quantile(difference, 0.999)),
        "mad": float(difference.mean()),
        "mse": float(np.square(difference).mean()),
        # A matte without edges is judged as a whole, as verify does.
        "edge_mad": float(difference[band].mean() if band.any() else difference.mean()),
        "correlation": correlation(np, found, expected),
        "from_evaluator": float(beside.max()),
        "rounds_to_nearest": nearest,
        "rounds_down": down,
    }


if __name__ == "__main__":
    if len(sys.argv) == 3:
        one(*sys.argv[1:])
    else:
        raise SystemExit(main())
