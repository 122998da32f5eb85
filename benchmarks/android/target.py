"""An Android device as a target of a benchmark, over adb."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from benchmarks.android import observe, parity, rounds
from benchmarks.android.adb import Adb
from benchmarks.android.flags import refused
from benchmarks.android.session import DeviceSession, opened
from benchmarks.android.settings import AndroidSettings
from benchmarks.choices import Observation
from benchmarks.plan import Plan, Subject
from benchmarks.record import TargetRecord
from modnet_export.record.choices import Format


@dataclass(frozen=True)
class AdbTarget:
    """A device; the only one that is connected where ``serial`` is None."""

    serial: str | None = None
    settings: AndroidSettings = field(default_factory=AndroidSettings)
    label: str | None = None
    """The target's name, where it is not to be made from the serial."""
    program: Path | None = None
    """adb; looked for where None."""

    formats: ClassVar[frozenset[Format]] = frozenset({"tflite"})

    @property
    def name(self) -> str:
        return self.label or (f"adb:{self.serial}" if self.serial else "adb")

    @property
    def run_suffix(self) -> str:
        return f" on {self.name}"

    @property
    def observations(self) -> frozenset[Observation]:
        """An app has no profile of ops, and the energy of its start would be counted too."""
        if self.settings.app is not None:
            return frozenset({"latency", "parity"})
        return frozenset({"latency", "parity", "profile", "energy"})

    def measure(self, plan: Plan, record: TargetRecord, stop: threading.Event) -> None:
        """See ``session.Target``. A device that goes away is waited for; what it had measured stays."""
        wanted = plan.of_formats(self.formats, self.name)
        device = Adb(self.program, stop).device(self.serial)
        with opened(device, self.settings, record) as session:
            subjects = [item for item in wanted if self._takes(item, session)]
            for subject in subjects:
                parity.check(session, plan, subject)
            rounds.measure(session, plan, subjects)
            if self.settings.app is not None:
                return
            for subject in subjects:
                device.adb.raise_if_stopped()
                observe.observe(session, plan, subject)

    def _takes(self, subject: Subject, session: DeviceSession) -> bool:
        reason: str | None
        if 0 < session.core_count < subject.threads:
            reason = f"{subject.threads} threads would share {session.core_count} core(s)"
        elif session.tool is not None:
            reason = refused(
                session.tool.kind, subject.delegate, libraries=bool(self.settings.push), gpu=self.settings.gpu
            )
        else:
            reason = "an app cannot choose LiteRT's built-in kernels" if subject.delegate == "builtin" else None
        if reason is not None:
            session.record.fail(subject, reason)
        return reason is None
