"""How often the intervals and verdicts of ``benchmarks.statistics`` hold, on simulated machines whose truth is known.

``python -m benchmarks.simulate`` prints the tables of docs/statistics.md. Every cell has a seed of its own, so that a
table does not depend on the others.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.signal import lfilter

from benchmarks.dependence import Values
from benchmarks.statistics import Comparison, compare_models, compare_sessions, is_regression, latency_ratio, summarise

SIMULATIONS = 2000
COUNTS = (3, 5, 6, 8, 10, 20, 50, 200)
EFFECTS = (0.02, 0.05, 0.06, 0.10)
THRESHOLD = 0.05
"""What ``compare`` tolerates by default."""
BLOCK = 10
"""Runs in a block, where a sample is a block's mean."""
_HICCUP = (1.2, 2.5)

Level = Callable[[np.random.Generator, int, int], Values]
"""Logarithms of what a machine multiplies latencies by: simulations x points in time."""


def _steady(rng: np.random.Generator, simulations: int, length: int) -> Values:
    return np.zeros((simulations, length))


def _autoregression(coefficient: float, deviation: float) -> Level:
    def level(rng: np.random.Generator, simulations: int, length: int) -> Values:
        before = int(10 / (1 - coefficient))  # until it has forgotten where it began
        steps = rng.normal(0, deviation * (1 - coefficient**2) ** 0.5, (simulations, before + length))
        return np.asarray(lfilter([1.0], [1.0, -coefficient], steps, axis=1)[:, before:], np.float64)

    return level


def _walk(step: float) -> Level:
    def level(rng: np.random.Generator, simulations: int, length: int) -> Values:
        return np.cumsum(rng.normal(0, step, (simulations, length)), axis=1)

    return level


def _drift(share: float) -> Level:
    def level(rng: np.random.Generator, simulations: int, length: int) -> Values:
        return np.tile(np.log1p(share * np.arange(length) / length), (simulations, 1))

    return level


def _jump(share: float) -> Level:
    def level(rng: np.random.Generator, simulations: int, length: int) -> Values:
        return np.where(np.arange(length) >= rng.integers(0, length, (simulations, 1)), np.log1p(share), 0.0)

    return level


@dataclass(frozen=True)
class Machine:
    """What it does to latencies: a level that moves, noise in every run, and now and then a hiccup."""

    name: str
    level: Level = _steady
    noise: float = 0.03
    hiccups: float = 0.0
    """The share of runs that take 1.2 to 2.5 times as long."""
    own: bool = False
    """Whether every model has a level of its own, which taking turns does not cancel."""
    lasting: float | None = 0.0
    """The variance of a level that always comes back to 0; None: the level goes elsewhere, and its mean is a run's."""

    def factors(self, rng: np.random.Generator, simulations: int, models: int, length: int) -> tuple[Values, Values]:
        """Simulations x models x rounds, models in turn; and the mean that the first model's are drawn from."""
        if self.own:
            levels = np.stack([self.level(rng, simulations, length) for _ in range(models)], axis=1)
        else:
            in_time = self.level(rng, simulations, length * models)
            levels = in_time.reshape(simulations, length, models).swapaxes(1, 2)
        noise = rng.normal(0, self.noise, levels.shape)
        hiccup = np.where(rng.random(levels.shape) < self.hiccups, rng.uniform(*_HICCUP, levels.shape), 1.0)
        constant = np.exp(self.noise**2 / 2) * (1 + self.hiccups * (np.mean(_HICCUP) - 1))
        lasting = np.exp(levels[:, 0]).mean(axis=1) if self.lasting is None else np.exp(self.lasting / 2)
        return np.exp(levels + noise) * hiccup, np.broadcast_to(constant * lasting, simulations)


STEADY = Machine("independent noise")
HICCUPS = Machine("noise and hiccups, one run in 15", hiccups=1 / 15)
MACHINES = (
    STEADY,
    HICCUPS,
    Machine("autocorrelated, 0.5", _autoregression(0.5, 0.03), noise=0, lasting=0.03**2),
    Machine("autocorrelated, 0.9", _autoregression(0.9, 0.03), noise=0, lasting=0.03**2),
    Machine("random walk in steps of 1 %", _walk(0.01), noise=0.01),
    Machine("drift of 5 %", _drift(0.05), lasting=None),
    Machine("drift of 10 %", _drift(0.10), lasting=None),
    Machine("jump by 5 % at any time", _jump(0.05), lasting=None),
)
OWN = (
    Machine("autocorrelated, 0.5, each model by itself", _autoregression(0.5, 0.03), noise=0, own=True),
    Machine("autocorrelated, 0.9, each model by itself", _autoregression(0.9, 0.03), noise=0, own=True),
    Machine("random walk, each model by itself", _walk(0.01), noise=0.01, own=True),
)
HIDDEN = (
    Machine("noise and hiccups, one run in 20", hiccups=0.05),
    Machine("noise and hiccups, one run in 50", hiccups=0.02),
    Machine("noise and hiccups, one run in 100", hiccups=0.01),
    Machine("random walk in steps of 0.3 % under the noise", _walk(0.003)),
)
"""What a short run does not show, so that no interval made from it can be right."""
HIDDEN_OWN = (
    Machine("autocorrelated, 0.97, each model by itself", _autoregression(0.97, 0.03), noise=0, own=True),
    Machine("the same under noise of 2 %", _autoregression(0.97, 0.03), noise=0.02, own=True),
)


@dataclass(frozen=True)
class Tally:
    """What came of a number of simulations; shares of all of them but ``coverage``."""

    simulations: int
    given: int = 0
    """With an interval."""
    covered: int = 0
    """With an interval that has the truth in it."""
    called: int = 0
    """With a verdict of faster or slower."""
    failed: int = 0
    """With a regression beyond the threshold."""

    @property
    def wrong(self) -> int:
        """With an interval that misses the truth."""
        return self.given - self.covered

    @property
    def coverage(self) -> float:
        """Of the intervals that were given."""
        return self.covered / self.given if self.given else 1.0


def _rng(*words: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(words).encode()))


def mean_interval(machine: Machine, count: int, simulations: int, *, of_blocks: bool = False) -> Tally:
    """One run of a model: how often the interval of its mean has the true one in it."""
    runs = count * BLOCK if of_blocks else count
    taken, truths = machine.factors(_rng("mean", machine.name, count, of_blocks), simulations, 1, runs)
    samples = taken[:, 0].reshape(simulations, count, -1).mean(axis=2)
    given = covered = 0
    for one, truth in zip(samples, truths, strict=True):
        found = summarise(one, of_blocks=of_blocks)
        if found.mean_low_ms is not None and found.mean_high_ms is not None:
            given += 1
            covered += found.mean_low_ms <= truth <= found.mean_high_ms
    return Tally(simulations, given, covered)


def _tally(comparisons: Iterable[Comparison], simulations: int, effect: float) -> Tally:
    given = covered = called = failed = 0
    for found in comparisons:
        if found.low is not None and found.high is not None:
            given += 1
            covered += found.low <= 1 + effect <= found.high
        called += found.verdict == "slower" if effect else found.verdict != "cannot tell"
        failed += is_regression(found, THRESHOLD)
    return Tally(simulations, given, covered, called, failed)


def in_turn(machine: Machine, count: int, simulations: int, effect: float = 0.0, *, of_blocks: bool = False) -> Tally:
    """Two models that take turns, the second one slower by ``effect``."""
    runs = count * BLOCK if of_blocks else count
    taken, _ = machine.factors(_rng("in turn", machine.name, count, effect, of_blocks), simulations, 2, runs)
    samples = taken.reshape(simulations, 2, count, -1).mean(axis=3)
    return _tally(
        (latency_ratio(a, b * (1 + effect), paired=True, of_blocks=of_blocks) for a, b in samples), simulations, effect
    )


def apart(machine: Machine, count: int, simulations: int, effect: float = 0.0) -> Tally:
    """Two sessions, one after the other on a machine that goes on as before."""
    taken, _ = machine.factors(_rng("apart", machine.name, count, effect), simulations, 1, 2 * count)
    found = (latency_ratio(one[:count], one[count:] * (1 + effect)) for one in taken[:, 0])
    return _tally(found, simulations, effect)


def several(sessions: int, simulations: int, *, spread: float, effect: float) -> Tally:
    """A session against some earlier ones, each of 50 runs and at a level of its own (``spread``: its deviation)."""
    rng = _rng("several", sessions, spread, effect)
    levels = rng.normal(0, spread, (simulations, sessions + 1, 1))
    taken = np.exp(levels + rng.normal(0, STEADY.noise, (simulations, sessions + 1, 50)))
    found = (compare_sessions(list(one[:-1]), [one[-1] * (1 + effect)]) for one in taken)
    return _tally(found, simulations, effect)


def models(machine: Machine, count: int, simulations: int, number: int = 10) -> Tally:
    """Equal models that take turns, all compared with the first: how often any is called faster or slower."""
    taken, _ = machine.factors(_rng("models", machine.name, count), simulations, number, count)
    found = (compare_models([(first, other) for other in others]) for first, *others in taken)
    called = sum(any(item.verdict != "cannot tell" for item in one) for one in found)
    return Tally(simulations, called=called)


Row = Callable[[int, int], Tally]
"""From what the column says and the number of simulations."""


@dataclass(frozen=True)
class Study:
    """Simulations in rows and columns, and the tables that are made of them."""

    rows: Mapping[str, Row]
    corner: str
    """What the rows are."""
    columns: Mapping[str, int]
    tables: Mapping[str, Callable[[Tally], str]]
    """Their titles, and what a cell shows."""
    equal: bool = True
    """Whether nothing differs, so that any verdict is a false one."""
    claimed: bool = True
    """Whether the intervals and verdicts are claimed to hold here."""

    def run(self, simulations: int) -> dict[str, list[Tally]]:
        return {name: [row(column, simulations) for column in self.columns.values()] for name, row in self.rows.items()}


def _coverage(tally: Tally) -> str:
    return f"{100 * tally.coverage:.1f}" if tally.given >= tally.simulations / 200 else "-"


def _coverage_and_given(tally: Tally) -> str:
    found = _coverage(tally)
    return found if found == "-" else f"{found} ({100 * tally.given / tally.simulations:.0f})"


def _called(tally: Tally) -> str:
    return f"{100 * tally.called / tally.simulations:.1f}"


def _failed(tally: Tally) -> str:
    return f"{100 * tally.failed / tally.simulations:.1f}"


def _named(study: Callable[[Machine, int, int], Tally], machines: Iterable[Machine]) -> dict[str, Row]:
    return {item.name: partial(study, item) for item in machines}


def _by_effect(study: Callable[[Machine, int, int, float], Tally]) -> dict[str, Row]:
    def row(machine: Machine, effect: float, count: int, simulations: int) -> Tally:
        return study(machine, count, simulations, effect)

    return {
        f"{100 * effect:.0f} %, {item.name}": partial(row, item, effect)
        for item in (STEADY, HICCUPS)
        for effect in EFFECTS
    }


def _counts(counts: Sequence[int], of: str = "") -> dict[str, int]:
    return {f"n = {count}{of}": count for count in counts}


STUDIES = (
    Study(
        _named(mean_interval, MACHINES),
        "machine",
        _counts(COUNTS),
        {"The mean of one run: coverage of its interval (and how many runs get one), in %": _coverage_and_given},
    ),
    Study(
        _named(in_turn, (*MACHINES, *OWN)),
        "machine",
        _counts(COUNTS),
        {
            "Equal models in turn: coverage of the ratio's interval, in %": _coverage,
            "Equal models in turn: called faster or slower, in %": _called,
        },
    ),
    Study(
        _named(apart, MACHINES),
        "machine",
        _counts(COUNTS),
        {
            "Equal models in two sessions: coverage of the ratio's interval, in %": _coverage,
            "Equal models in two sessions: called faster or slower, in %": _called,
        },
    ),
    Study(
        _named(models, (STEADY, HICCUPS, OWN[1])),
        "machine",
        _counts((8, 10, 20, 50)),
        {"Ten equal models in turn: any called faster or slower than the first, in %": _called},
    ),
    Study(
        {
            f"{name}, {item.name}": partial(study, item, of_blocks=True)
            for item in (STEADY, HICCUPS)
            for name, study in (("mean", mean_interval), ("ratio", in_turn))
        },
        "interval",
        _counts((5, 8, 10, 20), " blocks"),
        {f"Samples that are means of {BLOCK} runs: coverage (and how many get an interval), in %": _coverage_and_given},
    ),
    Study(
        {f"{100 * effect:.0f} %": partial(several, spread=0.01, effect=effect) for effect in (0.0, *EFFECTS)},
        "true difference",
        {f"{sessions} before": sessions for sessions in (1, 2, 3, 5, 10)},
        {
            "A session of 50 runs against earlier ones that differ by 1 % (standard deviation): "
            "called slower (at 0 %: faster or slower), in %": _called
        },
        equal=False,
    ),
    Study(
        _by_effect(in_turn),
        "true difference",
        _counts((8, 10, 20, 50, 200)),
        {
            "Models in turn: a slower model is called slower, in %": _called,
            "Models in turn: a slower model is called slower and its ratio is above 1.05, in %": _failed,
        },
        equal=False,
    ),
    Study(
        _by_effect(apart),
        "true difference",
        _counts((10, 20, 50, 200)),
        {"Two sessions: a slower model is called slower and fails `--threshold 0.05`, in %": _failed},
        equal=False,
    ),
    Study(
        _named(mean_interval, HIDDEN),
        "what is hidden",
        _counts((50, 200)),
        {"Not claimed: coverage of the mean's interval (and how many runs get one), in %": _coverage_and_given},
        claimed=False,
    ),
    Study(
        _named(in_turn, HIDDEN_OWN),
        "what is hidden",
        _counts((10, 20, 50, 200)),
        {"Not claimed: equal models in turn, called faster or slower, in %": _called},
        claimed=False,
    ),
)


def tables(simulations: int) -> Iterator[str]:
    """Every table as Markdown."""
    for study in STUDIES:
        found = study.run(simulations)
        for title, cell in study.tables.items():
            lines = [[study.corner, *study.columns], ["---"] * (1 + len(study.columns))]
            lines += [[name, *map(cell, tallies)] for name, tallies in found.items()]
            yield "\n".join([f"**{title}.**", "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.add_argument("--simulations", type=int, default=SIMULATIONS, help="of each cell (default: %(default)s)")
    for table in tables(parser.parse_args().simulations):
        print(table, flush=True)


if __name__ == "__main__":
    main()
