"""What would disturb the latencies and is therefore taken after them: memory, energy, and the time of each op."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from operator import attrgetter

import numpy as np

from benchmarks.android import facts, power
from benchmarks.android.benchmark_model import parse_profile
from benchmarks.android.flags import Timing, profile_arguments
from benchmarks.android.session import DeviceSession, plain
from benchmarks.errors import StoppedError
from benchmarks.plan import Plan, Subject
from benchmarks.results import Energy, OpTime, Run
from converters.errors import ExportError
from modnet_export.record.files import write_bytes

_ENERGY_SECONDS = 60.0
"""How long a model runs for it, after its warm-up: fuel gauges give a mean of seconds."""
_IDLE_SECONDS = 20.0
_SETTLE_SECONDS = 5.0
"""What the gauge shows in the first seconds after loading the model and its first run is of these still."""
_MEMORY_SECONDS = 1.0
_ENERGY_SAMPLES = 5
_COUNTER_STEPS = 4
"""A counter adds up by itself: only its first and last step count, and those between show that it moves."""
_RAILS_SECONDS = 5.0
"""How often power rails are read: what they took adds up by itself."""
_PAUSE_SECONDS = 0.1


def observe(session: DeviceSession, plan: Plan, subject: Subject) -> None:
    """Sample memory and current while a measured model runs, then time its ops, as far as they are asked for."""
    record, run = session.record, session.record.run(subject)
    if run is None or not run.samples_ms:
        return
    if session.settings.memory or plan.energy:
        record.progress(f"sampling {subject.name}")
        sampled = session.retried(
            subject, "memory and energy", partial(_sampled, session, subject, run, energy=plan.energy)
        )
        if sampled is not None:
            record.keep(run := sampled)
    if plan.profile and not session.tells_ops:
        record.fail(subject, "LiteRT's benchmark_model has no profile of single ops: take TFLite's", "profile")
    elif plan.profile:
        record.progress(f"profiling {subject.name}")
        ops = session.retried(
            subject, "profile", partial(_profile, session, subject, max(1, plan.runs // session.settings.blocks))
        )
        if ops is not None:
            record.keep(replace(run, profile=ops))


def _profile(session: DeviceSession, subject: Subject, runs: int) -> tuple[OpTime, ...]:
    remote = f"{session.files.folder}/profile.csv"
    session.block(subject, Timing(runs), *profile_arguments(remote))
    data = session.pulled(remote)
    folder = session.settings.profiles
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / f"{plain(session.record.run_name(subject))}.csv", data)
    return parse_profile(data.decode(errors="replace"))


def _sampled(session: DeviceSession, subject: Subject, run: Run, *, energy: bool) -> Run:
    """A run with its memory and, where it is asked for and the device allows it, an estimate of its energy."""
    refused = _energy_refused(session) if energy else None
    # Rails are measured behind the charger: they are told on a charged device, too.
    with_energy = energy and (refused is None or bool(power.rails_mj(session.device)))
    idle = _Sampler(session, with_energy=with_energy)
    if with_energy:
        shows_current = power.battery(session.device).current_ma is not None
        seconds = _IDLE_SECONDS if shows_current else _ENERGY_SECONDS  # counters take longer steps
        session.record.progress(f"sampling the device at rest for {seconds:.0f} s")
        with idle:
            session.device.adb.pause(seconds)
    seconds = _ENERGY_SECONDS if with_energy else _MEMORY_SECONDS
    # A GPU's kernels may take many seconds to compile: as long as they took before.
    loading = ((run.init_ms or 0) + (run.first_ms or 0)) / 1e3
    settle = _SETTLE_SECONDS + loading if with_energy else 0
    sampler = _Sampler(session, with_energy=with_energy, on_gpu=subject.delegate != "cpu", settle_s=settle)
    with sampler:
        block = session.block(subject, Timing(3, seconds + settle, memory=not with_energy))
    estimate = None
    if with_energy and refused is None:
        estimate, refused = _estimate(idle.readings, sampler.readings, block.mean_ms)
    gpu: dict[str, str | int] = {}
    if sampler.on_gpu:
        most = max(sampler.gpu_memory, key=attrgetter("size"), default=None)
        gpu["gpu_memory_bytes"] = most.size if most else "the device does not say"
        gpu |= {"gpu_memory_from": most.source} if most else {}
    rails = {"power_rails_watts": found} if (found := _rails(idle.rails_mj, sampler.rails_mj)) else {}
    return replace(
        run,
        pss_bytes=tuple(sampler.pss_bytes),
        peak_memory_bytes=block.peak_memory_bytes or run.peak_memory_bytes,
        energy=estimate,
        energy_refused=refused,
        after={**run.after, **gpu, **rails},
    )


Reading = tuple[float, power.Battery]
"""When, by the monotonic clock in seconds, and what the battery said."""


def _estimate(idle: Sequence[Reading], load: Sequence[Reading], mean_ms: float) -> tuple[Energy | None, str | None]:
    """What a model adds to the device at rest, or why that cannot be said. Both are read from the same gauge."""
    most = 0
    for gauge, fewest in ((_by_current, _ENERGY_SAMPLES), (_by_counter, _COUNTER_STEPS)):
        (rest_watts, rest), (watts, count) = gauge(idle), gauge(load)
        most = max(most, min(rest, count))
        if min(rest, count) < fewest:
            continue
        added = watts - rest_watts
        if added <= 0:
            return None, "the device at rest took as much: something else was running"
        return Energy(added, added * mean_ms / 1e3, count), None
    return None, f"the battery's gauge gave {most} different readings, and {_ENERGY_SAMPLES} are needed"


def _by_current(readings: Sequence[Reading]) -> tuple[float, int]:
    """The mean power in watts, and how many readings it is from. A gauge repeats its last reading: once."""
    known = ((state.current_ma, state.voltage_mv) for _, state in readings)
    watts = list(dict.fromkeys(current * mv / 1e6 for current, mv in known if current is not None and mv is not None))
    return (float(np.mean(watts)) if watts else 0.0), len(watts)


def _by_counter(readings: Sequence[Reading]) -> tuple[float, int]:
    """The same by the charge that was taken between the counter's first step and its last."""
    known = [
        (at_s, state.charge_uah, state.voltage_mv)
        for at_s, state in readings
        if state.charge_uah is not None and state.voltage_mv is not None
    ]
    steps = [after for before, after in pairwise(known) if after[1] != before[1]]
    if len(steps) < 2:
        return 0.0, len(steps)
    (began, full, _), (ended, left, _) = steps[0], steps[-1]
    microamperes = (full - left) * 3600 / (ended - began)
    return microamperes * float(np.mean([mv for _, _, mv in steps])) / 1e9, len(steps)


def _rails(*idle_and_load: Sequence[tuple[float, Mapping[str, float]]]) -> str:
    """What a model adds on each power rail, in watts, the most first; empty where there are no rails, or none rose."""
    if min(map(len, idle_and_load)) < 2:
        return ""
    rest, load = (
        {name: (last[name] - first[name]) / 1e3 / (ended - began) for name in first if name in last}
        for (began, first), *_, (ended, last) in idle_and_load
    )
    added = {name: load[name] - rest[name] for name in load if name in rest}
    return ", ".join(f"{name} {watts:.3f}" for name, watts in sorted(added.items(), key=_second) if watts > 0.001)


def _second(item: tuple[str, float]) -> float:
    return -item[1]


def _energy_refused(session: DeviceSession) -> str | None:
    """Why the battery's current says nothing about a model now; None where it does."""
    state = power.battery(session.device)
    powered = state.powered
    if state.frozen:
        return "its battery's values are set by hand (UPDATES STOPPED): adb shell dumpsys battery reset"
    if powered is None:
        return "the device does not say whether it is charging"
    if powered:
        return "the device is charging: unplug it and connect by Wi-Fi (adb tcpip 5555, adb connect HOST)"
    return None


@dataclass
class _Sampler:
    """Reads memory and current again and again, in a thread, while its context is open."""

    session: DeviceSession
    with_energy: bool
    on_gpu: bool = False
    settle_s: float = 0
    gpu_memory: list[facts.GpuMemory] = field(default_factory=list)
    pss_bytes: list[int] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    rails_mj: list[tuple[float, Mapping[str, float]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ended, self._began = threading.Event(), time.monotonic()
        self._thread = threading.Thread(target=self._work)
        self._rails_due = 0.0

    def __enter__(self) -> None:
        self.session.device.shell(["rm", "-f", self.session.process_file])
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.is_set():
            with suppress(ExportError, TimeoutError, StoppedError):
                self._sample()
            self._ended.wait(_PAUSE_SECONDS)

    def _sample(self) -> None:
        device = self.session.device
        process = device.text(["cat", self.session.process_file])
        size = facts.pss_bytes(device, process) if process.isdecimal() else None
        # What was read after the model's end is not about the model.
        if size is not None and not self._ended.is_set():
            self.pss_bytes.append(size)
        if self.on_gpu and process.isdecimal():
            held = facts.gpu_memory(device, process, self.gpu_memory[-1] if self.gpu_memory else None)
            if held is not None and not self._ended.is_set():
                self.gpu_memory.append(held)
        now = time.monotonic()
        if not self.with_energy or now < self._began + self.settle_s:
            return
        state = power.battery(device)
        rails = power.rails_mj(device) if now > self._rails_due else {}
        if self._ended.is_set():
            return
        self.readings.append((now, state))
        if rails:
            self.rails_mj.append((now, rails))
            self._rails_due = now + _RAILS_SECONDS
