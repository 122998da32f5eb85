"""Benchmarks as tables for people."""

from __future__ import annotations

from benchmarks.measure import FUNCTIONAL, Bench
from benchmarks.statistics import summarise
from modnet_export.terminal.console import OUT, escape, number, say, table


def say_bench(result: Bench) -> None:
    if result.runs:
        shown = table()
        for heading in ("model", "median", "p90", "p99", "mean", "init", "MB"):
            shown.add_column(heading, no_wrap=True, justify="left" if heading == "model" else "right")
        for run in result.runs:
            item = summarise(run.samples_ms)
            shown.add_row(
                escape(run.name) + ("" if not run.marks else " [yellow]*[/]"),
                *(f"{value:.1f}" for value in (item.median_ms, item.p90_ms, item.p99_ms)),
                f"{item.mean_ms:.0f} ± {(item.mean_high_ms - item.mean_low_ms) / 2:.0f}",
                f"{run.init_ms or 0:.0f}",
                f"{(run.peak_memory_bytes or 0) / 1e6:.0f}",
            )
        OUT.print(shown)
    where = {str(run.conditions.get("device") or run.conditions.get("cpu")): None for run in result.runs}
    if result.runs:
        say(f"Milliseconds, on {escape(', '.join(where))}; peak memory")
    if any(run.conditions.get("target") == "host" for run in result.runs):
        say("above the process's own. Those of the host are numbers of this machine, not of a phone.")
    elif result.runs:
        say("as benchmark_model tells it.")
    if any(run.blocks for run in result.runs):
        say("On devices a sample is the mean of one process's runs: p90 and p99 are those of the means.")
    for run in result.runs:
        if run.marks:
            say(f"[yellow]*[/] {escape(run.name)}: {escape(', '.join(run.marks))}")
            if FUNCTIONAL in run.marks:
                say("  Latencies of an emulator say nothing of a phone's.")
        if run.pss_bytes:
            say(f"{escape(run.name)}: PSS up to {max(run.pss_bytes) / 1e6:.0f} MB in {len(run.pss_bytes)} samples")
        if run.energy is not None:
            say(
                f"{escape(run.name)}: about {run.energy.joules_per_inference:.2g} J an inference, an estimate from "
                f"{run.energy.samples} readings of the battery, of the whole device"
            )
        if run.energy_refused is not None:
            say(f"{escape(run.name)}: no energy: {escape(run.energy_refused)}")
        if run.profile:
            slowest = sorted(run.profile, key=lambda op: -op.mean_ms)[:5]
            say(f"{escape(run.name)}: {len(run.profile)} ops, the slowest:")
            for op in slowest:
                say(f"  {op.mean_ms:8.2f} ms {op.share:5.1%}  {escape(op.op)}  {escape(op.name[:60])}")
    for check in result.parity:
        verdict = "[green]gives the reference's matte[/]" if check.passed else "[bold red]DIFFERS[/]"
        say(
            f"{escape(check.name)}: {verdict} (mean {number(check.mad, '?')}, "
            f"max {number(check.max_abs_difference, '?')}, {escape(check.input)})"
        )
