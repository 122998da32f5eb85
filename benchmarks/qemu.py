"""ARM64 kernels without a phone: LiteRT's arm64 build under QEMU's user emulation, for parity and never for latency.

``python -m benchmarks.qemu`` fetches what it needs, from Debian's packages and PyPI, without root. QEMU must be
version 10 or newer: under 7.2, LiteRT 2.2 and 2.3 crash, and 2.1.6 computes nonsense in int8 on CPUs with SME
(``max``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks import debian
from benchmarks.choices import Observation
from benchmarks.errors import StoppedError
from benchmarks.plan import Plan, Subject
from benchmarks.record import TargetRecord
from converters.errors import ExportError
from converters.runtimes import Image
from modnet_export.record.choices import Format
from modnet_export.record.files import cache, scratch_folder

LITERT = "2.3.0"
_WHEELS = {
    f"ai-edge-litert=={LITERT}": "manylinux_2_27_aarch64",
    "numpy==1.26.4": "manylinux2014_aarch64",
}
_PYTHON = "3.11"
_PACKAGES = (
    "libbz2-1.0", "libc6", "libexpat1", "libffi8", "libgcc-s1", "liblzma5", "libpython3.11-minimal",
    "libpython3.11-stdlib", "libssl3", "libstdc++6", "python3.11-minimal", "zlib1g",
)  # fmt: skip
_SUITES = ("bookworm", "bookworm-backports")


def folder() -> Path:
    """Where ``install`` puts the arm64 system."""
    return cache() / f"arm64-litert-{LITERT}"


def _qemu() -> Path:
    return folder() / "qemu-aarch64"


def installed() -> bool:
    """Whether everything that the target needs has been fetched."""
    return (folder() / "complete").is_file()


def install() -> Path:
    """Fetch QEMU and an arm64 Python with LiteRT into the cache; raises ExportError where that is not possible."""
    if not debian.available():
        raise ExportError(
            "the arm64 system is made of packages of Debian or Ubuntu, and their tools are missing here",
            expected="apt-get and dpkg-deb",
            next_step="run the arm64 checks in a Debian 12 container",
        )
    target = folder()
    if installed():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="arm64.", dir=target.parent) as name:
        scratch = Path(name)
        made = scratch / "made"
        try:
            debian.unpack(made / "root", _PACKAGES, _SUITES, "arm64")
            debian.unpack(scratch / "host", ("qemu-user/bookworm-backports",), _SUITES)
            (scratch / "host/usr/bin/qemu-aarch64").rename(made / "qemu-aarch64")
            _wheels(scratch, made / "site")
        except (OSError, subprocess.SubprocessError) as error:
            output = getattr(error, "stderr", b"") or b""
            last = output.decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
            raise ExportError(
                f"cannot fetch the arm64 system: {last[0][:300]}",
                expected=f"a Debian or Ubuntu with Python {_PYTHON} packages, and PyPI",
                next_step="run it again; on another system run the arm64 checks in a Debian 12 container",
            ) from error
        (made / "complete").write_text(f"LiteRT {LITERT}\n", encoding="ascii")
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    return target


def _wheels(scratch: Path, site: Path) -> None:
    wheels = scratch / "wheels"
    for requirement, platform in _WHEELS.items():
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest",
            str(wheels), "--python-version", _PYTHON, "--platform", platform, requirement,
        ]  # fmt: skip
        debian.call(command)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)


def _check_cpu(cpu: str) -> None:
    """Raises ExportError for a CPU that QEMU does not know."""
    command = [str(_qemu()), "-cpu", "help"]  # ends with 1
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    known = [line.strip() for line in answer.stdout.splitlines() if line.startswith("  ")]
    if cpu not in known:
        raise ExportError(
            f"QEMU has no CPU '{cpu}'", where="`targets`", expected=f"qemu-arm64:CPU with one of {', '.join(known)}"
        )


# Runs in the arm64 system, which has nothing but numpy and LiteRT.
_SCRIPT = """
import json, sys
import numpy as np
from ai_edge_litert import interpreter
model, image, matte, threads, xnnpack = sys.argv[1:]
resolver = interpreter.OpResolverType
kind = resolver.AUTO if xnnpack == "1" else resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES
loaded = interpreter.Interpreter(model, num_threads=int(threads), experimental_op_resolver_type=kind)
loaded.allocate_tensors()
loaded.set_tensor(loaded.get_input_details()[0]["index"], np.load(image))
loaded.invoke()
np.save(matte, loaded.get_tensor(loaded.get_output_details()[0]["index"]))
print(json.dumps({"machine": __import__("platform").machine()}))
"""


@dataclass(frozen=True)
class QemuTarget:
    """Parity on ARM64's kernels. It measures no latency: that of an emulated CPU means nothing."""

    cpu: str | None = None
    """One of QEMU's, such as ``cortex-a76``: LiteRT chooses its kernels by it. None: the one that has everything."""

    formats: ClassVar[frozenset[Format]] = frozenset({"tflite"})
    observations: ClassVar[frozenset[Observation]] = frozenset({"parity"})

    @property
    def name(self) -> str:
        return f"qemu-arm64:{self.cpu}" if self.cpu else "qemu-arm64"

    @property
    def run_suffix(self) -> str:
        return f" on {self.name}"

    def measure(self, plan: Plan, record: TargetRecord, stop: threading.Event) -> None:
        """See ``session.Target``."""
        if not installed():
            raise ExportError(
                "the arm64 system is not installed",
                where=folder(),
                expected="QEMU, and an arm64 Python with LiteRT",
                next_step="python -m benchmarks.qemu",
            )
        if self.cpu is not None:
            _check_cpu(self.cpu)
        for subject in plan.of_formats(self.formats, self.name):
            if subject.delegate not in ("cpu", "builtin"):
                record.fail(subject, f"{subject.delegate} is not emulated: only cpu and builtin are")
                continue
            for done, sample in enumerate(plan.samples):
                if stop.is_set():
                    raise StoppedError
                if record.judged(subject, sample):
                    continue
                record.progress(f"emulating {subject.name}", done, len(plan.samples))
                try:
                    matte_nhwc = self._matte(subject, sample.image_nhwc, stop)
                except ExportError as error:
                    record.fail(subject, str(error))
                    break
                record.judge(subject, sample, matte_nhwc, subject.tolerance)

    def _matte(self, subject: Subject, image_nhwc: Image, stop: threading.Event) -> Image:
        """The matte of an image, both as 1 x H x W x C in [0, 1]. Raises ExportError, StoppedError."""
        root = folder()
        image, matte = subject.contract.image, subject.contract.matte
        with scratch_folder() as scratch:
            np.save(scratch / "image.npy", image.encoded(image_nhwc))
            (scratch / "run.py").write_text(_SCRIPT, encoding="utf-8")
            command = [
                str(_qemu()), "-cpu", self.cpu or "max", "-L", str(root / "root"),
                "-E", f"PYTHONHOME={root / 'root' / 'usr'}", "-E", f"PYTHONPATH={root / 'site'}",
                str(root / "root/usr/bin/python3.11"), str(scratch / "run.py"), str(subject.path),
                str(scratch / "image.npy"), str(scratch / "matte.npy"), str(subject.threads),
                "1" if subject.delegate == "cpu" else "0",
            ]  # fmt: skip
            environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
            ) as process:
                out, err = _output(process, stop)
            if process.returncode or json.loads(out.splitlines()[-1])["machine"] != "aarch64":
                last = err.decode(errors="replace").strip().splitlines()[-1:] or ["it printed nothing"]
                raise ExportError(f"LiteRT under QEMU ended with {process.returncode}: {last[0][:300]}")
            return matte.decoded(np.load(scratch / "matte.npy"))


def _output(process: subprocess.Popen[bytes], stop: threading.Event) -> tuple[bytes, bytes]:
    """What a process printed until it ended; once ``stop`` is set it is killed, and StoppedError raised."""
    while True:
        try:
            return process.communicate(timeout=0.5)
        except subprocess.TimeoutExpired:
            if stop.is_set():
                process.kill()
                raise StoppedError from None


if __name__ == "__main__":
    try:
        print(f"The arm64 system is in {install()}; use it with: modnet-export bench DIST --target qemu-arm64")
    except ExportError as problem:
        raise SystemExit(str(problem)) from None
