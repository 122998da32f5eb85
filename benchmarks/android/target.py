"""Latency, memory, parity and energy on an Android device, with LiteRT's ``benchmark_model`` over adb."""

from __future__ import annotations

import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Concatenate, TypeVar

import numpy as np
from typing_extensions import ParamSpec

from benchmarks.android import facts
from benchmarks.android.adb import Adb, Answer, Device, DeviceGoneError, StoppedError
from benchmarks.android.benchmark_model import (
    Block,
    OpTime,
    arguments,
    parity_arguments,
    parse,
    parse_profile,
    profile_arguments,
)
from benchmarks.choices import Cores
from benchmarks.measure import FUNCTIONAL, THROTTLED, Energy, Parity, Run
from benchmarks.session import Candidate, Plan, Record, labelled, missing, resumed
from converters.errors import ExportError
from converters.runtimes import Image
from modnet_export.record.files import sha256, write_bytes
from modnet_export.record.recipes import recipe
from modnet_export.verifying.parity import compare

FOLDER = "/data/local/tmp/modnet-export"
_BLOCKS = 5
"""Processes that the runs of a model are spread over, in turn with the other models."""
_ENERGY_SECONDS = 5.0
_ENERGY_SAMPLES = 5
_FIXED_PERFORMANCE = ["cmd", "power", "set-fixed-performance-mode-enabled"]
_FIRST_SDK_WITH_FIXED_PERFORMANCE = 30

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """How to measure on a device."""

    tool: Path | None = None
    """benchmark_model for the device's ABI; None: in-app measurements only."""
    cores: Cores = "all"
    fixed_performance: bool = True
    cool_seconds: float = 300
    """How long to wait for a device that is warm."""
    block_seconds: float = 300
    """After which a block of runs counts as hung."""
    return_seconds: float = 60
    """How long to wait for a device that is gone."""
    memory: bool = True
    """Sample the process's PSS, in a block of its own."""
    keep_files: bool = False
    """Leave models and tool on the device, so that the next session need not push them."""
    profiles: Path | None = None
    """A folder for the CSV of every op profile."""
    app: str | None = None
    """A benchmark activity, PACKAGE/ACTIVITY, that is driven instead of the tool."""
    functional: bool = False
    """An emulator: its latencies are marked."""


class _Files:
    """Models and tool on the device, by their hashes; everything else lives in a folder that goes at the end."""

    def __init__(self, device: Device, keep: bool) -> None:
        self._device, self._keep = device, keep
        self.folder = f"{FOLDER}/run-{uuid.uuid4().hex[:12]}"
        self._pushed: list[str] = []

    def __enter__(self) -> _Files:
        self._device.shell(["mkdir", "-p", self.folder])
        return self

    def __exit__(self, *_: object) -> None:
        # Also after Ctrl-C, or when the device was away for a while.
        with suppress(ExportError, TimeoutError):
            self._device.shell(["rm", "-rf", self.folder], heed_stop=False)
            if not self._keep:
                self._device.shell(["rm", "-f", *self._pushed], heed_stop=False)
                self._device.shell(["rmdir", FOLDER], heed_stop=False, check=False)  # unless another session's

    def push(self, local: Path, digest: str, mode: str = "644") -> str:
        """The path of a file on the device, sent there unless it already is."""
        remote = f"{FOLDER}/{digest}{local.suffix}"
        if remote not in self._pushed:
            self._pushed.append(remote)  # so that half of it goes too
            self._pushed.append(f"{remote}.part")
        found = self._device.text(["sha256sum", remote]).split(" ")[0]
        if found != digest:
            self._device.push(local, remote, mode)
            found = self._device.text(["sha256sum", remote]).split(" ")[0]
            if found and found != digest:
                raise ExportError(
                    f"{local.name} arrived damaged on {self._device.serial}",
                    expected=f"SHA-256 {digest}, found {found}",
                    next_step="try another cable or port",
                )
        return remote


@dataclass
class _Session:
    """A device that is ready: files in place, mode set."""

    device: Device
    files: _Files
    conditions: Mapping[str, str | int]
    cores: Sequence[int]
    tool: str | None
    own_marks: tuple[str, ...] = ()
    models: dict[str, str] = field(default_factory=dict)

    def model(self, candidate: Candidate) -> str:
        if candidate.sha256 not in self.models:
            self.models[candidate.sha256] = self.files.push(candidate.path, candidate.sha256)
        return self.models[candidate.sha256]


@dataclass(frozen=True)
class AdbTarget:
    """A device, the only one where ``serial`` is None."""

    serial: str | None = None
    settings: Settings = field(default_factory=Settings)
    label: str | None = None
    program: Path | None = None
    """adb; found where None."""

    @property
    def name(self) -> str:
        return self.label or (f"adb:{self.serial}" if self.serial else "adb")

    def measure(self, plan: Plan, record: Record, stop: threading.Event) -> None:
        """See ``session.Target``. A device that goes away is waited for; what it had measured stays."""
        candidates = [item for item in plan.candidates if self._takes(item, record)]
        if not candidates:
            raise ExportError(
                "none of the models runs on Android", expected="a .tflite", next_step="export with --formats tflite"
            )
        device = Adb(self.program, stop).device(self.serial)
        with self._session(device, record) as session:
            for item in candidates:
                self._check_parity(session, plan, item, record)
            self._rounds(session, plan, candidates, record, stop)
            for item in candidates:
                if stop.is_set():
                    raise StoppedError
                self._observe(session, plan, item, record)

    def _takes(self, candidate: Candidate, record: Record) -> bool:
        if candidate.path.suffix != ".tflite":
            return False
        if candidate.delegate == "builtin" and self.settings.app is not None:
            record.fail(labelled(candidate, self.name), "apps have no choice of LiteRT's built-in kernels")
            return False
        return True

    @contextmanager
    def _session(self, device: Device, record: Record) -> Iterator[_Session]:
        """Put the device in order, and back afterwards: also on errors and Ctrl-C."""
        settings = self.settings
        record.status(self.name, "looking at the device", 0, 0)
        props = facts.properties(device)
        conditions: dict[str, str | int] = {"target": "emulator" if settings.functional else "adb"}
        conditions |= facts.fingerprint(device, props)
        if not props:
            raise DeviceGoneError(f"{device.serial} tells nothing of itself", next_step="unlock it, then try again")
        known = facts.cores(device)
        chosen = [] if settings.cores == "all" else known.chosen(settings.cores)
        if settings.cores != "all" and not chosen:
            raise ExportError(
                f"{device.serial} does not tell its cores' frequencies",
                where="--cores",
                next_step="leave --cores out",
            )
        conditions["pinned to"] = f"{settings.cores} ({_ranges(chosen)})" if chosen else "all cores"
        sdk = props.get("ro.build.version.sdk", "")
        fixed = settings.fixed_performance and sdk.isdecimal() and int(sdk) >= _FIRST_SDK_WITH_FIXED_PERFORMANCE
        with _Files(device, settings.keep_files) as files:
            tool = None
            if settings.app is None:
                if settings.tool is None:
                    raise ExportError("there is no benchmark_model", next_step="--benchmark-model PATH")
                record.status(self.name, "pushing benchmark_model", 0, 0)
                digest = sha256(settings.tool)
                tool = files.push(settings.tool, digest, "755")
                conditions["tool"] = f"benchmark_model {digest[:12]}"
            else:
                conditions["tool"] = settings.app
            if fixed:
                fixed = device.shell([*_FIXED_PERFORMANCE, "true"], check=False).code == 0
            conditions["fixed performance"] = "on" if fixed else "off"
            own = (FUNCTIONAL,) if settings.functional else ()
            session = _Session(device, files, conditions, chosen, tool, own)
            try:
                yield session
            finally:
                with suppress(ExportError, TimeoutError):
                    if fixed:
                        device.shell([*_FIXED_PERFORMANCE, "false"], heed_stop=False)
                    self._end(session)

    def _end(self, session: _Session) -> None:
        """End what still runs on the device."""
        if self.settings.app is not None:
            session.device.shell(["am", "force-stop", self.settings.app.split("/")[0]], check=False, heed_stop=False)
            return
        # Only if it is still ours: numbers of processes are used again.
        script = 'p="$(cat "$1")" && grep -q "$2" "/proc/$p/cmdline" && kill -9 "$p"'
        command = ["sh", "-c", script, "sh", f"{session.files.folder}/pid", FOLDER]
        session.device.shell(command, check=False, heed_stop=False)

    def _call(self, session: _Session, command: Sequence[str], seconds: float | None = None) -> Answer:
        """Run the tool; its process number is kept, so that it can be ended. A hung one is ended, and an error."""
        # "$@" hands the arguments on as they are.
        script = 'echo $$ > "$1"; shift; exec "$@"'
        pinned = ["taskset", f"{sum(1 << cpu for cpu in session.cores):x}"] if session.cores else []
        whole = ["sh", "-c", script, "sh", f"{session.files.folder}/pid", *pinned, *command]
        limit = seconds or self.settings.block_seconds
        try:
            return session.device.shell(whole, seconds=limit, check=False)
        except TimeoutError as error:
            with suppress(ExportError, TimeoutError):
                self._end(session)
            raise ExportError(
                f"benchmark_model hung on {session.device.serial}: {error}",
                next_step="restart the device, or give it longer with --block-timeout",
            ) from error

    def _block(self, session: _Session, candidate: Candidate, runs: int, *more: str) -> Block:
        assert session.tool is not None
        command = arguments(
            session.tool, session.model(candidate), threads=candidate.threads, delegate=candidate.delegate, runs=runs
        )
        answer = self._call(session, [*command, *more])
        text = f"{answer.out}\n{answer.err}"
        if answer.code:
            lines = [line for line in text.splitlines() if "error" in line.lower()] or text.strip().splitlines()
            raise ExportError(
                f"benchmark_model ended with {answer.code}: {lines[-1][:300] if lines else 'it said nothing'}",
                where=f"{candidate.name} on {session.device.serial}",
            )
        return parse(text)

    def _again(
        self,
        session: _Session,
        record: Record,
        name: str,
        work: Callable[Concatenate[_Session, P], T],
        *arguments: P.args,
        **options: P.kwargs,
    ) -> T | None:
        """Do a piece of work, once more where the device was away or its output cut short; None: it failed twice.

        Raises DeviceGoneError for a device that does not come back.
        """
        for attempt in (1, 2):
            try:
                return work(session, *arguments, **options)
            except DeviceGoneError:
                record.status(self.name, "waiting for the device", 0, 0)
                if attempt == 2 or not session.device.wait(self.settings.return_seconds):
                    raise
                with suppress(ExportError, TimeoutError):
                    self._end(session)
            except (ExportError, TimeoutError) as error:
                if attempt == 2:
                    record.fail(name, str(error))
        return None

    def _conditions(self, session: _Session, plan: Plan, candidate: Candidate) -> dict[str, str | int]:
        return {
            **session.conditions,
            "artefact": candidate.file,
            "sha256": candidate.sha256,
            "threads": candidate.threads,
            "delegate": candidate.delegate,
            "size": "x".join(map(str, plan.image_nhwc.shape[1:3])),
        }

    def _rounds(
        self, session: _Session, plan: Plan, candidates: Sequence[Candidate], record: Record, stop: threading.Event
    ) -> None:
        """Blocks of every model in turn, until each has its runs; what there is of them is kept after each block."""
        per_block = max(1, -(-plan.runs // _BLOCKS))
        per_sample = 1 if self.settings.app else per_block  # an app tells every run
        sustained = plan.sustained_minutes
        runs = {}
        for item in candidates:
            name = labelled(item, self.name)
            conditions = self._conditions(session, plan, item) | {"runs a sample": per_sample}
            runs[name] = (item, resumed(record, name, conditions))
        started = time.monotonic()

        def wanted(run: Run) -> bool:
            if sustained is not None:
                return not run.samples_ms or time.monotonic() - started < sustained * 60
            return missing(plan, run, per_sample)

        while any(wanted(run) for _, run in runs.values()):
            for name, (item, before) in list(runs.items()):
                if stop.is_set():
                    raise StoppedError
                if not wanted(before):
                    continue
                total = 0 if plan.seconds or sustained else plan.runs
                record.status(self.name, name, len(before.samples_ms) * per_sample, total)
                run = self._again(
                    session, record, name, self._step, record, item, before, per_block, started, not sustained
                )
                if run is None:
                    del runs[name]
                else:
                    record.keep(run)
                    runs[name] = (item, run)

    def _step(
        self,
        session: _Session,
        record: Record,
        candidate: Candidate,
        before: Run,
        count: int,
        started: float,
        cool: bool,
    ) -> Run:
        """A run with one block more, taken on a cool device where asked for, and what that said of itself around it."""
        warm = self._cool(session, record) if cool else ()
        state, at_s = facts.state(session.device), time.monotonic() - started
        taken = self._taken(session, candidate, before, count)
        after = facts.state(session.device)
        marks = {*taken.marks, *session.own_marks, *warm, *_throttled(state, after)}
        return replace(
            taken,
            at_s=(*before.at_s, *([at_s] * (len(taken.samples_ms) - len(before.samples_ms)))),
            before=before.before or state,
            after=after,
            marks=tuple(sorted(marks)),
        )

    def _taken(self, session: _Session, candidate: Candidate, before: Run, count: int) -> Run:
        """A run with one block more."""
        if self.settings.app is not None:
            from benchmarks.android.app import drive

            result = drive(
                session.device,
                self.settings.app,
                session.model(candidate),
                candidate,
                count,
                self.settings.block_seconds,
            )
            return replace(
                before,
                samples_ms=(*before.samples_ms, *result.samples_ms),
                warmup_ms=(*before.warmup_ms, *result.warmup_ms),
                init_ms=before.init_ms or result.init_ms,
                first_ms=before.first_ms or result.first_ms,
            )
        block = self._block(session, candidate, count)
        marks = set(before.marks)
        if candidate.delegate != "cpu" and block.delegated is not None and block.delegated[0] < block.delegated[1]:
            marks.add(f"only {block.delegated[0]} of {block.delegated[1]} nodes on the {candidate.delegate}")
        peaks = [peak for peak in (before.peak_memory_bytes, block.peak_memory_bytes) if peak is not None]
        return replace(
            before,
            samples_ms=(*before.samples_ms, block.mean_ms),
            warmup_ms=before.warmup_ms + (() if block.warmup_ms is None else (block.warmup_ms,)),
            blocks=(*before.blocks, block),
            init_ms=before.init_ms or block.init_ms,
            first_ms=before.first_ms or block.first_ms,
            peak_memory_bytes=max(peaks, default=None),
            marks=tuple(sorted(marks)),
        )

    def _cool(self, session: _Session, record: Record) -> tuple[str, ...]:
        """Wait until the device does not say that it is warm; what to mark where it stays so, or does not tell."""
        deadline = time.monotonic() + self.settings.cool_seconds
        while True:
            status = facts.thermal_status(session.device)
            if status == 0:
                return ()
            if status is None:
                return ("thermal status unknown",)
            if time.monotonic() >= deadline:
                return (f"started warm: thermal status {facts.thermal_name(status)}",)
            record.status(self.name, f"cooling down ({facts.thermal_name(status)})", 0, 0)
            if session.device.adb.stop.wait(2):
                raise StoppedError

    def _check_parity(self, session: _Session, plan: Plan, candidate: Candidate, record: Record) -> None:
        """The model's own matte, computed on the device, against the reference's."""
        if self.settings.app is not None or candidate.contract is None or candidate.tolerance is None:
            return
        name, tolerance = labelled(candidate, self.name), candidate.tolerance
        if candidate.delegate in ("gpu", "nnapi"):  # they may compute in fp16
            looser = recipe("tflite", "fp16").tolerance
            tolerance = tolerance if (tolerance.mad or 0) >= (looser.mad or 0) else looser
        for sample in plan.samples:
            if record.has_parity(name, sample.name):
                continue
            record.status(self.name, f"checking {candidate.name}", 0, 0)
            matte_nhwc = self._again(session, record, f"{name}: parity", self._matte, candidate, sample.image_nhwc)
            if matte_nhwc is not None:
                found = compare(sample.name, matte_nhwc, sample.matte_nhwc, tolerance)
                record.agree(Parity(name, sample.name, found.max_abs_difference, found.mad, found.passed))

    def _matte(self, session: _Session, candidate: Candidate, image_nhwc: Image) -> Image:
        assert candidate.contract is not None
        image, matte = candidate.contract.image, candidate.contract.matte
        with tempfile.TemporaryDirectory(prefix="modnet_export_") as folder:
            local = Path(folder) / "tensor"
            local.write_bytes(image.encoded(image_nhwc).tobytes())
            sent, got = f"{session.files.folder}/image", f"{session.files.folder}/matte"
            session.device.push(local, sent)
            self._block(session, candidate, 1, *parity_arguments(image.name, image.shape, sent, got))
            session.device.pull(got, local)
            raw = local.read_bytes()
        dtype = np.dtype(matte.dtype)
        expected = int(np.prod(matte.shape)) * dtype.itemsize
        if len(raw) != expected:
            raise ExportError(
                f"{candidate.name} gave {len(raw)} bytes on {session.device.serial}",
                expected=f"{expected}, for a matte of {'x'.join(map(str, matte.shape))}",
                next_step="a newer benchmark_model: old ones do not write outputs",
            )
        return matte.decoded(np.frombuffer(raw, dtype).reshape(matte.shape))

    def _observe(self, session: _Session, plan: Plan, candidate: Candidate, record: Record) -> None:
        """What would disturb the latencies: memory and current sampled while it runs, then the profile of its ops."""
        name = labelled(candidate, self.name)
        run = record.of(name)
        if run is None or not run.samples_ms or self.settings.app is not None:
            return
        if self.settings.memory or plan.energy:
            record.status(self.name, f"sampling {candidate.name}", 0, 0)
            watched = self._again(session, record, f"{name}: memory and energy", self._watched, plan, candidate, run)
            if watched is not None:
                record.keep(run := watched)
        if plan.profile:
            record.status(self.name, f"profiling {candidate.name}", 0, 0)
            ops = self._again(session, record, f"{name}: profile", self._profile, plan, candidate, name)
            if ops is not None:
                record.keep(replace(run, profile=ops))

    def _profile(self, session: _Session, plan: Plan, candidate: Candidate, name: str) -> tuple[OpTime, ...]:
        remote = f"{session.files.folder}/profile.csv"
        self._block(session, candidate, max(1, plan.runs // _BLOCKS), *profile_arguments(remote))
        with tempfile.TemporaryDirectory(prefix="modnet_export_") as folder:
            local = Path(folder) / "profile.csv"
            session.device.pull(remote, local)
            data = local.read_bytes()
        if self.settings.profiles is not None:
            self.settings.profiles.mkdir(parents=True, exist_ok=True)
            plain = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
            write_bytes(self.settings.profiles / f"{plain}.csv", data)
        return parse_profile(data.decode(errors="replace"))

    def _watched(self, session: _Session, plan: Plan, candidate: Candidate, run: Run) -> Run:
        device = session.device
        power = facts.battery(device)
        refused = None
        if plan.energy and power.powered is not False:
            refused = (
                "the device is charging: unplug it and connect by Wi-Fi (adb tcpip 5555, adb connect HOST)"
                if power.powered
                else "the device does not tell whether it is charging"
            )
        measured = plan.energy and refused is None
        wanted = _ENERGY_SECONDS if measured else 1.0
        count = max(3, round(wanted * 1e3 / run.median_ms))
        pss: list[int] = []
        watts: list[float] = []
        ended = threading.Event()

        def sample() -> None:
            while not ended.is_set():
                with suppress(ExportError, TimeoutError, StoppedError):
                    process = device.text(["cat", f"{session.files.folder}/pid"])
                    size = facts.pss_bytes(device, process) if process.isdecimal() else None
                    if size is not None and not ended.is_set():
                        pss.append(size)
                    if measured:
                        current, voltage = facts.current_ma(device), facts.battery(device).voltage_mv
                        if current is not None and voltage is not None and not ended.is_set():
                            watts.append(current * voltage / 1e6)
                ended.wait(0.1)

        device.shell(["rm", "-f", f"{session.files.folder}/pid"])
        sampler = threading.Thread(target=sample)
        sampler.start()
        try:
            block = self._block(session, candidate, count)
        finally:
            ended.set()
            sampler.join()
        energy = None
        if measured and len(watts) < _ENERGY_SAMPLES:
            refused = f"{len(watts)} readings of the battery's current: this device does not tell it"
        elif measured:
            mean = float(np.mean(watts))
            energy = Energy(mean, mean * block.mean_ms / 1e3, len(watts))
        return replace(run, pss_bytes=tuple(pss), energy=energy, energy_refused=refused)


def _ranges(cpus: Sequence[int]) -> str:
    return ", ".join(f"cpu{cpu}" for cpu in cpus)


def _throttled(before: Mapping[str, str | int | float], after: Mapping[str, str | int | float]) -> set[str]:
    """What the states around a block say of throttling."""
    marks = set[str]()
    status = max(int(before.get("thermal_status", 0)), int(after.get("thermal_status", 0)))
    if int(after.get("thermal_status", 0)) > 0:
        marks.add(f"{THROTTLED}: thermal status {facts.thermal_name(status)}")
    limits = [str(state.get("scaling_max_freq", "")) for state in (before, after)]
    if limits[0] and limits[1] and _total(limits[1]) < _total(limits[0]):
        marks.add(f"{THROTTLED}: frequencies capped")
    return marks


def _total(frequencies: str) -> int:
    return sum(int(value) for value in frequencies.split(", ") if value.isdecimal())
