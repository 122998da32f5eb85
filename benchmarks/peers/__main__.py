"""Convert the demo checkpoint with every other converter, each in its own virtual environment, and time all models."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.host.conditions import host_conditions
from benchmarks.peers.timing import interleaved
from benchmarks.results import Run
from converters.errors import ExportError
from converters.runtimes import Image, open_runtime
from modnet_export import ExportRequest, Size, export
from modnet_export.model.checkpoint import resolve
from modnet_export.model.reference import TorchReference
from modnet_export.record.files import write_bytes
from modnet_export.verifying import metrics
from modnet_export.verifying.parity import samples

OURS = "modnet-export"


@dataclass(frozen=True)
class Result:
    """One converter's model: its latencies, its parity on the built-in photo, and how long the conversion took."""

    run: Run
    max_abs_difference: float
    convert_s: float | None


def requirements(peer: str) -> str:
    """The pins of a peer's environment, as pip reads them; raises FileNotFoundError for a peer that there is not."""
    return (resources.files("benchmarks.peers") / f"requirements-{peer}.txt").read_text(encoding="utf-8")


def script(name: str) -> Path:
    """The file of a script that runs in a peer's environment."""
    return Path(str(resources.files("benchmarks.peers") / f"{name}.py"))


def python_of(peer: str, work: Path) -> Path:
    """Python of a peer's environment, which is made the first time; raises ExportError where that fails."""
    environment = work / f"venv-{peer}"
    python = environment / "bin" / "python"
    pins, stamp = requirements(peer), environment / "installed.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != pins:
        venv.create(environment, with_pip=True, clear=True)
        listed = work / f"requirements-{peer}.txt"
        listed.write_text(pins, encoding="utf-8")
        options = ["--no-deps"] if peer == "ncnn" else []
        call([python, "-m", "pip", "install", "--quiet", *options, "-r", listed], f"installing {peer}", work)
        stamp.write_text(pins, encoding="utf-8")
    return python


def convert_with(peer: str, arguments: Sequence[object], work: Path) -> float:
    """Run a peer's conversion in its environment; returns its seconds.

    Raises ExportError where the peer cannot be installed, or fails.
    """
    python = python_of(peer, work)
    start = time.perf_counter()
    call([python, script(f"convert_{peer.replace('-', '_')}"), *arguments], f"converting with {peer}", work)
    return time.perf_counter() - start


class _Peer:
    """A peer's own engine, in a process of the peer's environment."""

    def __init__(self, peer: str, model: Path, image_nhwc: Image, threads: int, work: Path) -> None:
        image, matte = work / "image.npy", work / f"{peer}.matte.npy"
        np.save(image, image_nhwc)
        command = [work / f"venv-{peer}" / "bin" / "python", script(f"run_{peer}"), model, image, threads, matte]
        self._peer = peer
        self._process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._expect("ready")
        self.matte_nhwc: Image = np.load(matte).astype(np.float32)

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None
        # MNN first prints what the processor can do.
        if not any(line.strip() == word for line in self._process.stdout):
            raise ExportError(f"{self._peer} ended with {self._process.wait()}")

    def __call__(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._expect("done")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


def own_packages(work: Path) -> Path:
    """A folder from which a peer's environment imports our packages, and nothing else of this environment."""
    folder = work / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("benchmarks", "converters", "modnet_export"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(Path(str(resources.files(name))).resolve(), target_is_directory=True)
    return folder


def call(command: Sequence[object], what: str, work: Path) -> str:
    """What a command prints that imports our packages; raises ExportError with its last words where it fails."""
    environment = os.environ | {"PYTHONPATH": str(own_packages(work).resolve())}
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise ExportError(f"{what} failed:\n" + "\n".join(done.stderr.splitlines()[-10:]))
    return done.stdout


def measure(work: Path, *, size: Size, rounds: int, threads: int) -> list[Result]:
    """Convert with every peer and with this toolkit, then time all models in turns; ours comes first.

    ``work`` keeps environments and models. Raises ExportError when a peer cannot be installed or fails.
    """
    from safetensors.torch import save_file

    work.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    export(ExportRequest(size=size, formats=("onnx", "tflite"), precisions=("fp32",), out=work / "dist"))
    seconds: dict[str, float | None] = {OURS: time.perf_counter() - start}
    reference = TorchReference(resolve("demo"))
    weights = work / "weights.safetensors"
    save_file({key: value.clone() for key, value in reference.modnet.state_dict().items()}, weights)

    models = {OURS: work / "dist" / "modnet_fp32.tflite"}
    plain = work / "dist" / "modnet_fp32.onnx"
    jobs: dict[str, tuple[object, ...]] = {
        "onnx2tf": (plain, work / "onnx2tf.tflite"),
        "litert-torch": (weights, work / "litert-torch.tflite", size.height, size.width),
    }
    for peer, arguments in jobs.items():
        seconds[peer] = convert_with(peer, arguments, work)
        models[peer] = work / f"{peer}.tflite"
    engines = {"mnn": work / "modnet.mnn", "ncnn": work / "modnet.param"}
    for peer, model in engines.items():
        seconds[peer] = convert_with(peer, (plain, model, size.height, size.width), work)
    models["ONNX Runtime, plain"] = plain
    models["ONNX Runtime, optimised"] = work / "dist" / "modnet_opt_fp32.onnx"

    (photo, _) = samples(reference, size)
    runtimes = {name: open_runtime(path, threads=threads) for name, path in models.items()}
    calls: dict[str, Callable[[], object]] = {
        name: partial(runtime.run, photo.image_nhwc) for name, runtime in runtimes.items()
    }
    mattes = {name: np.asarray(runtime.run(photo.image_nhwc)) for name, runtime in runtimes.items()}
    with ExitStack() as stack:
        for peer, model in engines.items():
            calls[peer] = process = _Peer(peer, model, photo.image_nhwc, threads, work)
            stack.callback(process.close)
            mattes[peer] = process.matte_nhwc
        conditions = host_conditions(threads, ("ai-edge-litert", "onnxruntime")) | {"size": str(size)}
        runs = interleaved(calls, rounds=rounds, conditions=conditions)
    return [
        Result(run, metrics.max_abs_difference(mattes[run.name], photo.matte_nhwc), seconds.get(run.name))
        for run in runs
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".peers"), help="environments and models (kept)")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    results = measure(options.work, size=Size.parse(options.size), rounds=options.rounds, threads=options.threads)
    ours = results[0].run
    Console().print(", ".join(f"{key} {value}" for key, value in ours.conditions.items()), highlight=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("converter", "min ms", "median ms", "ours / it", "max diff", "convert s"):
        table.add_column(heading, justify="left" if heading == "converter" else "right", no_wrap=True)
    for result in results:
        run = result.run
        table.add_row(
            run.name,
            f"{run.min_ms:.0f}",
            f"{run.median_ms:.0f}",
            f"{ours.median_ms / run.median_ms:.2f}",
            f"{result.max_abs_difference:.0e}",
            "" if result.convert_s is None else f"{result.convert_s:.0f}",
        )
    Console().print(table)
    path = options.work / "results.json"
    write_bytes(path, json.dumps([asdict(result) for result in results], indent=2).encode())
    Console().print(f"Raw samples: {path}")


if __name__ == "__main__":
    try:
        main()
    except ExportError as error:
        sys.exit(f"error: {error}")
