"""How often ``verify --baseline`` fails sound runs, and finds faults: simulated mattes, measured and judged as real.

``python -m modnet_export.verifying.simulate`` prints the tables of docs/verification.md. Every number has a fixed seed.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from modnet_export.record.contract import Size
from modnet_export.record.manifest import SourceRecord
from modnet_export.record.measures import Measurement, Tolerance
from modnet_export.verifying import metrics
from modnet_export.verifying.baseline import regressions
from modnet_export.verifying.result import Link, Verification

COUNTS = (1, 10, 50, 200)
SIZE = 64
NOISE = (1e-6, 5e-6)
"""The standard deviation of another machine's rounding, far from edges and at them. Measured, at 512x512: mattes of the
reference on one and on two threads differ by up to 3e-7 in the mean, and 1e-5 at most."""
PRECISIONS: Mapping[str, tuple[float, float]] = {"fp32": (1e-6, 5e-6), "fp16": (2e-5, 2e-4), "int8": (1e-3, 2e-2)}
"""The standard deviation of what an artefact does wrong, far from edges and at them."""

Matte = npt.NDArray[np.float64]
Fault = Callable[[Matte, Matte], Matte]
"""From the reference's matte and the artefact's error to what it gives."""


def larger(factor: float) -> Fault:
    return lambda matte, error: matte + factor * error


SOUND = larger(1)
FAULTS: Mapping[str, tuple[Fault, bool]] = {
    "one input, error x 1.1": (larger(1.1), False),
    "one input, error x 1.25": (larger(1.25), False),
    "one input, error x 2": (larger(2), False),
    "one input, error x 10": (larger(10), False),
    "one input, matte moved by a pixel": (lambda matte, error: np.roll(matte, 1, axis=1) + error, False),
    "one input, blurred (sigma of 1 pixel)": (lambda matte, error: gaussian_filter(matte, 1) + error, False),
    "one input, matte empty": (lambda matte, error: 0 * matte, False),
    "all inputs, error x 1.02": (larger(1.02), True),
    "all inputs, error x 1.05": (larger(1.05), True),
    "all inputs, error x 1.15": (larger(1.15), True),
    "all inputs, error x 1.3": (larger(1.3), True),
}
"""What goes wrong, and whether it does so on all inputs."""


def _rng(*words: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(words).encode()))


def _picture(at: int) -> tuple[Matte, Matte]:
    """A soft person of some size with ragged edges, and how near each pixel is to an edge, in [0, 1]."""
    rng = _rng("picture", at)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = np.hypot(rows - rng.uniform(26, 40), columns - rng.uniform(20, 44)) + rng.normal(0, 1.5, (SIZE, SIZE))
    matte = 1 / (1 + np.exp((distance - rng.uniform(4, 25)) / rng.uniform(0.5, 2)))
    return matte, 4 * matte * (1 - matte)


def _field(rng: np.random.Generator, edge: Matte, deviations: tuple[float, float], smooth: float) -> Matte:
    far, near = deviations
    plain = gaussian_filter(rng.normal(size=edge.shape), smooth)
    return np.asarray((far + (near - far) * edge) * plain / plain.std(), np.float64)


Bank = list[list[dict[str, float]]]
"""By picture, by machine: what was measured."""


@dataclass(frozen=True)
class Scale:
    """How much is simulated: runs for each cell, different pictures, and machines that measure each of them."""

    simulations: int = 2000
    pictures: int = 25
    machines: int = 10


def measured(scale: Scale, precision: str, fault: Fault = SOUND, noise: float = 1) -> Bank:
    """Every picture as every machine measures it, each a frame that follows the picture before it."""
    before: list[tuple[metrics.Matte, metrics.Matte]] = []
    bank: Bank = []
    for at in range(scale.pictures):
        matte, edge = _picture(at)
        given = fault(matte, _field(_rng("error", precision, at), edge, PRECISIONS[precision], 1.5))
        frames: list[tuple[metrics.Matte, metrics.Matte]] = []
        found = []
        for machine in range(scale.machines):
            rng = _rng("machine", precision, at, machine)
            p, r = (np.clip(m + noise * _field(rng, edge, NOISE, 0.7), 0, 1).astype(np.float32) for m in (given, matte))
            frames.append((p, r))
            between = metrics.between_frames((p, before[machine][0]), (r, before[machine][1])) if before else {}
            found.append(metrics.against_reference(p, r) | between)
        before = frames
        bank.append(found)
    return bank


@dataclass(frozen=True)
class Cell:
    """How many of ``simulations`` runs fail against their baseline."""

    simulations: int
    failed: int

    def __str__(self) -> str:
        return f"{100 * self.failed / self.simulations:.1f}"


def _judged(bank: Bank, count: int) -> list[list[Measurement]]:
    """By input, by machine; where there are more inputs than pictures, these come again."""
    return [
        [Measurement.judged(f"{at}.png", values, Tolerance()) for values in bank[at % len(bank)]] for at in range(count)
    ]


_LINK = Link(
    artefact="model.tflite",
    delegate="cpu",
    stage="TFLite lowering",
    engine="simulated",
    tolerance=Tolerance(),
    verdict="not run",
    reason="filled in for each run",
    expected=(),
    measurements=(),
)
_BASELINE = Verification(
    source=SourceRecord(name="simulated", kind="checkpoint", sha256="0" * 64),
    size=Size(height=SIZE, width=SIZE),
    reference="simulated",
    versions={},
    environment={},
    seconds=0,
    inputs=("0.png",),
    unreadable={},
    expected=(_LINK.name,),
    links=(_LINK,),
    fp16_safety=(),
)


def _link(measurements: list[Measurement]) -> Link:
    names = tuple(item.input for item in measurements)
    return _LINK.model_copy(update={"verdict": "passed", "expected": names, "measurements": tuple(measurements)})


def cell(sound: Bank, faulty: Bank, count: int, simulations: int, *, all_inputs: bool = True) -> Cell:
    """Runs of ``count`` inputs, each input on a machine of its own, against baselines that were made so, too.

    One input of a run is from ``faulty``, or all are.
    """
    rng = _rng("cell", count, all_inputs)
    before, after = _judged(sound, count), _judged(faulty, count)
    failed = 0
    for _ in range(simulations):
        first, second = rng.integers(0, len(sound[0]), (2, count))
        wrong = range(count) if all_inputs else (int(rng.integers(count)),)
        old = [before[at][run] for at, run in enumerate(first)]
        new = [(after if at in wrong else before)[at][run] for at, run in enumerate(second)]
        failed += bool(regressions([_link(new)], _BASELINE.model_copy(update={"links": (_link(old),)})))
    return Cell(simulations, failed)


def false_alarms(scale: Scale, precision: str, noise: float) -> list[Cell]:
    """By ``COUNTS``: how often nothing changed but the machine, and the run fails."""
    sound = measured(scale, precision, noise=noise)
    return [cell(sound, sound, count, scale.simulations) for count in COUNTS]


def detections(scale: Scale, precision: str, fault: str) -> list[Cell]:
    """By ``COUNTS``: how often a fault of ``FAULTS`` fails the run, in a quarter of the simulations."""
    change, all_inputs = FAULTS[fault]
    sound, faulty = measured(scale, precision), measured(scale, precision, change)
    return [cell(sound, faulty, count, -(-scale.simulations // 4), all_inputs=all_inputs) for count in COUNTS]


def tables(scale: Scale) -> Iterator[str]:
    """Both tables as Markdown, row by row."""
    head = "".join(f" {count} input{'s' if count > 1 else ''} |" for count in COUNTS)
    yield f"**Sound runs that fail, in %.**\n\n| precision, noise |{head}\n|---|{'---:|' * len(COUNTS)}"
    for precision in PRECISIONS:
        for noise in (1, 4):
            cells = false_alarms(scale, precision, noise)
            yield f"| {precision}{', four times the noise' if noise > 1 else ''} | {' | '.join(map(str, cells))} |"
    yield f"\n**Faults that are found, in %.**\n\n| precision, fault |{head}\n|---|{'---:|' * len(COUNTS)}"
    for precision in ("fp16", "int8"):
        for fault in FAULTS:
            yield f"| {precision}, {fault} | {' | '.join(map(str, detections(scale, precision, fault)))} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m modnet_export.verifying.simulate", description=__doc__)
    parser.add_argument(
        "--simulations", type=int, default=Scale.simulations, help="of each cell (default: %(default)s)"
    )
    for line in tables(Scale(parser.parse_args().simulations)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
