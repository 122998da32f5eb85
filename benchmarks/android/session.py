"""A device that is ready to measure: its files in place, its modes set, and put back as it was at the end."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from benchmarks.android import facts
from benchmarks.android.adb import Answer, Device, NoAnswerError
from benchmarks.android.benchmark_model import parse
from benchmarks.android.elf import abi, for_abis, require_runs
from benchmarks.android.files import FOLDER, DeviceFiles
from benchmarks.android.flags import APIS, RUN_MODEL_SIGN, Kind, Timing, arguments, kind, npu_arguments
from benchmarks.android.modes import awake, fixed_performance, maker_s_mode, require_awake, require_undisturbed
from benchmarks.android.settings import AndroidSettings
from benchmarks.errors import DeviceGoneError
from benchmarks.plan import Subject
from benchmarks.record import TargetRecord
from benchmarks.results import FUNCTIONAL, Block, Moment
from converters.errors import ExportError
from converters.runtimes import Image
from modnet_export.record.files import scratch_folder, sha256

# Reads every clock once a second while the tool runs: on the device, because adb's own work would disturb more.
_CLOCKS = (
    '(rm -f "$0.gpu"; while kill -0 $p; do taskset -p $p > "$0.mask"; '
    f'cat {facts.GPU_CLOCKS} >> "$0.gpu"; '
    'read -r up idle < /proc/uptime; printf "%s " "${up:-0}"; '
    "cat /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq | tr '\\n' ' '; echo; "
    'sleep 1; done) > "$0.clocks" 2> /dev/null < /dev/null &'
)
_END = "modnet-export: benchmark_model ended with "
_GONE = 255
"""How adb ends where the connection does."""

T = TypeVar("T")


def plain(name: str) -> str:
    """A name as a file's name."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)


@dataclass(frozen=True)
class Tool:
    """A benchmark_model on the device."""

    path: str
    kind: Kind
    environment: tuple[str, ...] = ()
    """``NAME=VALUE`` of each variable that it is started with."""
    run_model: str | None = None
    """LiteRT's ``run_model`` beside it."""


@dataclass(frozen=True)
class DeviceSession:
    """What every measurement on one device needs. Made by ``opened``."""

    device: Device
    settings: AndroidSettings
    record: TargetRecord
    files: DeviceFiles
    conditions: Mapping[str, str | int]
    cores: Sequence[int]
    """What the tool is pinned to; empty: nothing."""
    core_count: int
    """How many cores it may use; 0: the device does not say."""
    tool: Tool | None
    """None where an app measures."""
    _models: dict[str, str] = field(default_factory=dict)
    _images: set[str] = field(default_factory=set)

    @property
    def marks(self) -> tuple[str, ...]:
        """What every run on this device is marked with."""
        known = {
            "fixed-performance mode": self.conditions["fixed performance"] == "on",
            FUNCTIONAL: self.settings.functional,
        }
        return tuple(mark for mark, holds in known.items() if holds)

    @property
    def tells_ops(self) -> bool:
        """Whether a model can be timed op by op here: LiteRT's tool cannot do it."""
        return self.tool is not None and self.tool.kind == "tflite"

    def takes_image(self, subject: Subject) -> bool:
        """Whether a model can be run on a given image here: LiteRT's tool needs ``run_model`` for it.

        That one chooses the GPU's API itself.
        """
        if self.tool is None or self.tool.kind == "tflite":
            return True
        return self.tool.run_model is not None and (subject.delegate != "gpu" or self.settings.gpu.backend is None)

    @property
    def state(self) -> dict[str, str]:
        """What varies between sessions, and the device cannot tell of itself."""
        return {"transport": self.device.transport}

    def unpinned(self) -> set[str]:
        """A mark where the last block ran on other cores than it was pinned to, as an app's cpuset can make it."""
        found = re.search(r"mask: *([0-9a-fA-F]+)", self.device.text(["cat", f"{self.process_file}.mask"]))
        if not self.cores or found is None or int(found[1], 16) == self._mask:
            return set()
        return {f"ran on cores {found[1]}, not {self._mask:x}"}

    @property
    def _mask(self) -> int:
        return sum(1 << cpu for cpu in self.cores)

    def clocks(self, at_s: float) -> tuple[dict[str, str], tuple[Moment, ...]]:
        """What the clocks were during the last block, which began at ``at_s``, as far as it is told.

        The mean of each core in kHz, by the cores' numbers, and of the GPU in Hz; and every reading of the cores.
        """
        if self.tool is None:
            return {}, ()
        gpu = [int(word) for word in self.device.text(["cat", f"{self.process_file}.gpu"]).split() if word.isdecimal()]
        found = {"gpu_clock_in_block_hz": f"{sum(gpu) / len(gpu):.0f}"} if gpu else {}
        text = self.device.text(["cat", f"{self.process_file}.clocks"])
        rows = [(float(up), khz.split()) for up, khz in re.findall(r"^([\d.]+) ([\d ]+)$", text, re.MULTILINE)]
        if not rows or len({len(khz) for _, khz in rows}) > 1:
            return found, ()
        means = (sum(map(int, column)) / len(column) for column in zip(*(khz for _, khz in rows), strict=True))
        found["clocks_in_block_khz"] = ", ".join(f"{mean:.0f}" for mean in means)
        return found, tuple(Moment(at_s + up - rows[0][0], scaling_cur_freq=", ".join(khz)) for up, khz in rows)

    def model(self, subject: Subject) -> str:
        """The path of a model on the device; pushes it there the first time."""
        if subject.sha256 not in self._models:
            self._models[subject.sha256] = self.files.push(subject.path, subject.sha256)
        return self._models[subject.sha256]

    def block(self, subject: Subject, timing: Timing, *more: str) -> Block:
        """One process of benchmark_model; ``more`` are further arguments.

        Raises ExportError where it fails, DeviceGoneError where the device goes away while it runs.
        """
        assert self.tool is not None
        model, tool = self.model(subject), self.tool
        gpu = self.settings.gpu
        command = arguments(tool.kind, tool.path, model, subject.delegate, subject.threads, timing, gpu)
        if subject.delegate == "npu":
            command += npu_arguments(self.files.folder)
        limit_s = self.settings.block_timeout_s + timing.seconds + timing.warmup_s
        answer = self.call(subject, [*command, *more], limit_s)
        text = f"{answer.out}\n{answer.err}\n{self._log()}"
        self.keep(subject, text)
        if answer.code:
            lines = [line for line in text.splitlines() if "error" in line.lower()] or text.strip().splitlines()
            raise ExportError(
                f"benchmark_model ended with {answer.code}: {lines[-1][:300] if lines else 'it printed nothing'}",
                where=f"{subject.name} on {self.device.serial}",
            )
        block = parse(text, subject.delegate)
        if gpu.backend and block.api and block.api != APIS[gpu.backend]:
            raise ExportError(
                f"{APIS[gpu.backend]} was asked for, but it ran on {block.api}",
                where="`gpu_backend`",
                next_step="take another one; with LiteRT's tool its accelerator is a library beside it (`push`)",
            )
        return block

    def _log(self) -> str:
        """What the tool's process wrote to Android's log, where the device gives it."""
        script = 'logcat -d -v brief --pid "$(cat "$0")"'
        return self.device.text(["sh", "-c", script, self.process_file])

    def keep(self, subject: Subject, text: str) -> None:
        """Keep all that a process printed in the folder for logs, one file for each run."""
        if self.settings.logs is None or not text.strip():
            return
        self.settings.logs.mkdir(parents=True, exist_ok=True)
        with (self.settings.logs / f"{plain(self.record.run_name(subject))}.log").open("a", encoding="utf-8") as file:
            file.write(f"{text.strip()}\n\n")

    def call(self, subject: Subject, command: Sequence[str], seconds: float) -> Answer:
        """Run a tool and keep the number of its process, so that it can be ended; a hung one is ended here.

        What it had printed is kept where there will be no answer: it tells where it hung, or what it did last.
        """
        # "$@" hands the arguments on as they are. adb ends with 255 as well where the device goes away: only our own
        # last line says that the tool came to its end.
        script = f'"$@" & p=$!; echo $p > "$0"; {_CLOCKS} wait $p; code=$?; echo; echo "{_END}$code"; exit $code'
        environment = self.tool.environment if self.tool else ()
        before = [
            *(["taskset", f"{self._mask:x}"] if self.cores else []),
            *(["env", *environment] if environment else []),
        ]
        whole = ["sh", "-c", script, self.process_file, *before, *command]
        try:
            answer = self.device.shell(whole, seconds=seconds, check=False)
            if answer.code == _GONE and _END not in answer.out:
                self.keep(subject, f"{answer.out}\n{answer.err}")
                raise DeviceGoneError(f"{self.device.serial} went away while benchmark_model ran")
            return replace(answer, out=answer.out.split(f"\n{_END}")[0])
        except NoAnswerError as error:
            self.keep(subject, error.out)
            with suppress(ExportError, TimeoutError):
                self.end()
                self.keep(subject, self._log())
            raise ExportError(
                f"benchmark_model hung on {self.device.serial}: {error}",
                next_step="restart the device, or allow more seconds with `block_timeout`",
            ) from error

    @property
    def process_file(self) -> str:
        """The file on the device that holds the number of the tool's process."""
        return f"{self.files.folder}/pid"

    def end(self) -> None:
        """End what still runs on the device."""
        if self.settings.app is not None:
            self.device.shell(["am", "force-stop", self.settings.app.package], check=False, heed_stop=False)
            return
        # Only while the number is still that of our process: the system uses numbers again.
        script = 'p="$(cat "$1")" && grep -q "$2" "/proc/$p/cmdline" && kill -9 "$p"'
        self.device.shell(["sh", "-c", script, "sh", self.process_file, FOLDER], check=False, heed_stop=False)

    def retried(self, subject: Subject, part: str, work: Callable[[], T]) -> T | None:
        """Do a piece of work, and once more if it fails. If it fails again, record that and give None.

        ``part`` says in the record which part of measuring the subject failed; empty: its latency. A device that went
        away is waited for first; raises DeviceGoneError if it does not come back.
        """
        for attempt in (1, 2):
            try:
                return work()
            except DeviceGoneError:
                self.record.progress("waiting for the device")
                if attempt == 2 or not self.device.wait(self.settings.return_timeout_s):
                    raise
                with suppress(ExportError, TimeoutError):
                    if self.settings.app is None:
                        self.keep(subject, self._log())  # of what was running when the device went
                    self.end()
            except (ExportError, TimeoutError) as error:
                if attempt == 2:
                    self.record.fail(subject, str(error), part)
        return None

    def pushed(self, subject: Subject, image_nhwc: Image) -> str:
        """The path on the device of an image, 1 x H x W x 3 in [0, 1], as the subject's input takes it; sent once.

        It is called like the input, ``.raw``, in a folder of its own.
        """
        data = subject.contract.image.encoded(image_nhwc).tobytes()
        digest = hashlib.sha256(data).hexdigest()
        remote = f"{self.files.folder}/{digest[:16]}/{plain(subject.contract.image.name)}.raw"
        if remote not in self._images:
            with scratch_folder() as folder:
                local = folder / "image"
                local.write_bytes(data)
                self.device.shell(["mkdir", "-p", remote.rpartition("/")[0]])
                self.device.push(local, remote)
            self._images.add(remote)
        return remote

    def pulled(self, remote: str) -> bytes:
        """The contents of a file on the device; raises ExportError."""
        with scratch_folder() as folder:
            local = folder / "pulled"
            self.device.pull(remote, local)
            return local.read_bytes()


_MAKERS: Mapping[Kind, str] = {"tflite": "TFLite's", "litert": "LiteRT's"}


@contextmanager
def opened(device: Device, settings: AndroidSettings, record: TargetRecord) -> Iterator[DeviceSession]:
    """Make a device ready, and put it back as it was afterwards, also on errors and Ctrl-C. Raises ExportError."""
    record.progress("reading the device's properties")
    properties = facts.properties(device)
    if not properties:
        raise DeviceGoneError(f"{device.serial} does not say which device it is", next_step="unlock it, then try again")
    clusters = facts.clusters(device)
    cores = _pinned(device, settings, clusters)
    conditions: dict[str, str | int] = {
        "target": "emulator" if settings.functional else "adb",
        **facts.fingerprint(device, properties, clusters),
        "pinned to": f"{settings.cores} ({', '.join(f'cpu{cpu}' for cpu in cores)})" if cores else "all cores",
    }
    with DeviceFiles(device, settings.keep_files) as files:
        tool = None
        if settings.app is not None:
            conditions |= {"tool": str(settings.app), **facts.app_version(device, settings.app.package)}
        elif settings.benchmark_model:
            record.progress("pushing benchmark_model")
            tool, described = _pushed(settings, device, files, properties, str(conditions["page size"]))
            conditions |= described
        else:
            raise ExportError(
                "measuring on Android needs benchmark_model, or an app that measures",
                where="`benchmark_model`",
                expected="a file, or an activity as `app`",
            )
        if not settings.functional:
            require_undisturbed(device)
            conditions |= maker_s_mode(device)
        with (
            nullcontext() if settings.functional else awake(device),
            fixed_performance(device, properties, wanted=settings.fixed_performance) as fixed,
        ):
            if settings.app is None and not settings.functional:  # an app is refused at each of its starts
                require_awake(device)
            conditions["fixed performance"] = "on" if fixed else "off"
            count = len(cores or clusters.highest_khz)
            session = DeviceSession(device, settings, record, files, conditions, cores, count, tool)
            try:
                yield session
            finally:
                with suppress(ExportError, TimeoutError):
                    session.end()


def _pushed(
    settings: AndroidSettings, device: Device, files: DeviceFiles, properties: Mapping[str, str], page: str
) -> tuple[Tool, dict[str, str]]:
    """benchmark_model and what lies beside it, on the device, and the conditions that they are.

    ``page`` is the size of a page of the device's memory, as it tells it. Raises ExportError where nothing was built
    for its ABI and pages.
    """
    abis = properties.get("ro.product.cpu.abilist") or properties.get("ro.product.cpu.abi", "")
    programs = [
        for_abis(items, abis) for items in map(_several, (settings.benchmark_model, settings.run_model)) if items
    ]
    # With tools for several ABIs there are libraries for several, by the same names.
    alike = len(_several(settings.benchmark_model)) == 1
    libraries = [item for item in settings.push if alike or abi(item) in (None, abi(programs[0]))]
    for item in (*programs, *libraries):
        require_runs(item, abis, int(page) if page.isdecimal() else None, device.serial)
    for item in libraries:
        device.push(item, f"{files.folder}/{item.name}")
    path, *others = (files.push(item, sha256(item), "755") for item in programs)
    environment = (*((f"LD_LIBRARY_PATH={files.folder}",) if libraries else ()), *settings.environment)

    def usage(program: str) -> str:
        answer = device.shell(["env", *environment, program, "--help"], seconds=60, check=False)
        return f"{answer.out}\n{answer.err}"

    tool = Tool(path, kind(usage(path)), environment, *others)
    if tool.run_model and tool.kind == "tflite":
        raise ExportError(
            "TFLite's benchmark_model gives the matte itself", where="`run_model`", next_step="leave `run_model` out"
        )
    if tool.run_model and RUN_MODEL_SIGN not in usage(tool.run_model):
        raise ExportError(
            f"{programs[1].name} cannot be given an image: it does not list the flag {RUN_MODEL_SIGN}",
            where="`run_model`",
            expected="run_model of LiteRT's sources of 2026 or later",
        )
    described = {"tool": f"{_MAKERS[tool.kind]} benchmark_model {sha256(programs[0])[:12]}"}
    if beside := [*(f"{item.name} {sha256(item)[:12]}" for item in libraries), *settings.environment]:
        described["with"] = ", ".join(beside)
    return tool, described


def _several(paths: Path | tuple[Path, ...] | None) -> tuple[Path, ...]:
    return paths if isinstance(paths, tuple) else () if paths is None else (paths,)


def _pinned(device: Device, settings: AndroidSettings, clusters: facts.Clusters) -> list[int]:
    """The CPUs that the tool is to run on; empty for all. Raises ExportError where there are none such."""
    if settings.cores == "all":
        return []
    chosen = clusters.chosen(settings.cores)
    if not chosen:
        raise ExportError(
            f"{device.serial} has no cores '{settings.cores}', or does not show them: {clusters}",
            where="`cores`",
            next_step="leave `cores` out",
        )
    return chosen
