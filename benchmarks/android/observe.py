"""What would disturb the latencies and is therefore taken after them: memory, energy, and the time of each op."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from benchmarks.android import facts
from benchmarks.android.benchmark_model import parse_profile, profile_arguments
from benchmarks.android.rounds import BLOCKS
from benchmarks.android.session import DeviceSession
from benchmarks.errors import StoppedError
from benchmarks.plan import Plan, Subject
from benchmarks.results import Energy, OpTime, Run
from converters.errors import ExportError
from modnet_export.record.files import write_bytes

_ENERGY_SECONDS = 5.0
_MEMORY_SECONDS = 1.0
_ENERGY_SAMPLES = 5
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
    if plan.profile:
        record.progress(f"profiling {subject.name}")
        ops = session.retried(subject, "profile", partial(_profile, session, subject, max(1, plan.runs // BLOCKS)))
        if ops is not None:
            record.keep(replace(run, profile=ops))


def _profile(session: DeviceSession, subject: Subject, runs: int) -> tuple[OpTime, ...]:
    remote = f"{session.files.folder}/profile.csv"
    session.block(subject, runs, *profile_arguments(remote))
    data = session.pulled(remote)
    folder = session.settings.profiles
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        name = session.record.run_name(subject)
        plain = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
        write_bytes(folder / f"{plain}.csv", data)
    return parse_profile(data.decode(errors="replace"))


def _sampled(session: DeviceSession, subject: Subject, run: Run, *, energy: bool) -> Run:
    """A run with its memory and, where it is asked for and the device allows it, an estimate of its energy."""
    refused = _energy_refused(session) if energy else None
    with_energy = energy and refused is None
    seconds = _ENERGY_SECONDS if with_energy else _MEMORY_SECONDS
    sampler = _Sampler(session, with_energy=with_energy)
    with sampler:
        block = session.block(subject, max(3, round(seconds * 1e3 / run.median_ms)))
    estimate = None
    if with_energy and len(sampler.watts) < _ENERGY_SAMPLES:
        refused = f"the device gave its battery's current {len(sampler.watts)} times, and {_ENERGY_SAMPLES} are needed"
    elif with_energy:
        mean = float(np.mean(sampler.watts))
        estimate = Energy(mean, mean * block.mean_ms / 1e3, len(sampler.watts))
    return replace(run, pss_bytes=tuple(sampler.pss_bytes), energy=estimate, energy_refused=refused)


def _energy_refused(session: DeviceSession) -> str | None:
    """Why the battery's current says nothing about a model now; None where it does."""
    powered = facts.battery(session.device).powered
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
    pss_bytes: list[int] = field(default_factory=list)
    watts: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

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
        if self.with_energy:
            current, voltage = facts.current_ma(device), facts.battery(device).voltage_mv
            if current is not None and voltage is not None and not self._ended.is_set():
                self.watts.append(current * voltage / 1e6)
