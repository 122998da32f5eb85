"""Benchmarks as tables for people."""

from __future__ import annotations

from statistics import median

from benchmarks.results import EVALUATED, FUNCTIONAL, RAN_ON, Bench, Run
from benchmarks.shown import interval, megabytes, tenths, whole
from benchmarks.statistics import summarise
from modnet_export.terminal.console import escape, number, say, show, table

_SLOWER = 0.95
"""Clocks move by themselves; a fall to less than this is heat's, or the charger's."""


def say_bench(result: Bench) -> None:
    """Print latencies and memory as a table, and under it where the numbers come from and all else that was found."""
    if result.runs:
        _say_table(result)
        _say_origin(result)
    for run in result.runs:
        _say_notes(run)
    for check in result.parity:
        verdict = "[green]gives the reference's matte[/]" if check.passed else "[bold red]DIFFERS[/]"
        say(
            f"{escape(check.name)}: {verdict} (mean {number(check.mad, '?')}, "
            f"max {number(check.max_abs_difference, '?')}, {escape(check.input)})"
        )


def _say_table(result: Bench) -> None:
    shown = table(("model",), ("median", "p90", "p99", "mean", "init", "MB"))
    for run in result.runs:
        item = summarise(run.samples_ms, of_blocks=bool(run.blocks))
        shown.add_row(
            escape(run.name) + escape(_ran_on(run)) + ("" if not run.marks else " [yellow]*[/]"),
            *map(tenths, (item.median_ms, item.p90_ms, item.p99_ms)),
            f"{item.mean_ms:.0f} ({interval(item.mean_low_ms, item.mean_high_ms)})",
            whole(run.init_ms),
            megabytes(run.peak_memory_bytes),
        )
    show(shown, spare=("p99", "init", "p90"))


def _ran_on(run: Run) -> str:
    """What really ran it, where that is known and its name does not say it."""
    found = [str(run.conditions[key]) for key in (RAN_ON, "precision") if key in run.conditions]
    return f" ({', '.join(found)})" if found else ""


def _say_origin(result: Bench) -> None:
    """What measured the numbers, on what, and what they are."""
    machines: dict[str, list[Run]] = {}
    for run in result.runs:
        machine = str(run.conditions.get("device") or run.conditions.get("cpu"))
        tool = str(run.conditions.get("tool", "this program"))
        machines.setdefault(f"{machine}, by {tool}", []).append(run)
    say("Times in milliseconds; MB is the peak of memory. Measured on:")
    for origin, runs in machines.items():
        say(f"  {escape(origin)}: {_meaning(runs[0])}")


def _meaning(run: Run) -> str:
    """What the numbers of a run's tool are."""
    if run.blocks:
        return "each sample is the mean of one process's runs, which has no percentiles; memory is that of the process"
    if "tool" in run.conditions:
        memory = "an app does not tell its memory" if run.peak_memory_bytes is None else "memory is the app's"
        return f"each sample is one run; {memory}"
    return "each sample is one run; memory is what a model adds to its process. It says nothing about a phone."


def _heat(run: Run) -> str:
    """What happened to the device while the model ran, where that is known and it got hot, or slower."""
    clocks = [sum(map(int, moment.scaling_cur_freq.split(", "))) for moment in run.trace if moment.scaling_cur_freq]
    hottest = max((moment.thermal_status or 0 for moment in run.trace), default=0)
    found = [f"thermal status up to {hottest}"] if hottest else []
    tenth = len(clocks) // 10
    if tenth and (share := sum(clocks[-tenth:]) / sum(clocks[:tenth])) < _SLOWER:
        found.append(f"at the end the cores' clocks were at {share:.0%} of those at the beginning")
    return ", ".join(found)


def _say_notes(run: Run) -> None:
    name = escape(run.name)
    if run.marks:
        say(f"[yellow]*[/] {name}: {escape(', '.join(run.marks))}")
        if FUNCTIONAL in run.marks:
            say("  Latencies of an emulator say nothing about those of a phone.")
        if EVALUATED in run.marks:
            say("  Its latency is the evaluator's and says nothing about Core ML's: measure on a Mac or an iPhone.")
    if run.conditions.get("delegate") == "nnapi":
        say(f"{name}: NNAPI is deprecated since Android 15: this is about old phones (docs/phones.md has NPUs)")
    if "gpu_memory_bytes" in run.after:
        held = run.after["gpu_memory_bytes"]
        say(f"{name}: memory on the GPU: {f'{megabytes(held)} MB' if isinstance(held, int) else escape(str(held))}")
    if notes := _heat(run):
        say(f"{name}: {notes}")
    if run.end_to_end_ms:
        say(f"{name}: {tenths(median(run.end_to_end_ms))} ms from a camera's frame to the composited one")
    if run.cold_start_ms:
        say(f"{name}: {whole(median(run.cold_start_ms))} ms from the app's start to its first matte")
    if run.pss_bytes:
        say(f"{name}: PSS up to {megabytes(max(run.pss_bytes))} MB in {len(run.pss_bytes)} samples")
    if run.energy is not None:
        say(
            f"{name}: about {run.energy.joules_per_inference:.2g} J per inference, an estimate for the whole device "
            f"from {run.energy.samples} readings of its battery"
        )
    if "power_rails_watts" in run.after:
        say(f"{name}: watts above those at rest, by power rail: {escape(str(run.after['power_rails_watts']))}")
    if run.energy_refused is not None:
        say(f"{name}: no estimate of energy: {escape(run.energy_refused)}")
    if run.profile:
        say(f"{name}: {len(run.profile)} ops, the slowest:")
        for op in sorted(run.profile, key=lambda op: -op.mean_ms)[:5]:
            say(f"  {op.mean_ms:8.2f} ms {op.share:5.1%}  {escape(op.op)}  {escape(op.name[:60])}")
