"""An emulator, booted and shut down."""

from __future__ import annotations

import pytest

from benchmarks import session
from benchmarks.android import emulator as module
from benchmarks.android.emulator import EmulatorTarget
from benchmarks.android.sdk import own_group
from benchmarks.android.settings import AndroidSettings
from benchmarks.plan import Plan
from benchmarks.record import Record
from benchmarks.results import FUNCTIONAL
from converters.errors import ExportError
from tests.benchmarks.android.conftest import IMAGE
from tests.fakes import benchmark_model, emulator


@pytest.fixture
def target(adb, tmp_path, monkeypatch):
    def make(mode="boots", seconds=30.0, **options):
        folder = tmp_path / "avd"
        monkeypatch.setenv("ANDROID_HOME", str(emulator.sdk(tmp_path / "sdk", folder, mode=mode, **options)))
        script = benchmark_model.script(tmp_path / "benchmark_model")
        chosen = AndroidSettings(benchmark_model=script, memory=False, blocks=2)
        return EmulatorTarget("Pixel_8_API_35", chosen, seconds), folder

    return make


def measured(target, model):
    return session.measure([target], Plan((model,), IMAGE, runs=2), Record())


def test_boots_measures_and_is_shut_down(target, model, adb):
    avd, folder = target()
    (one,) = measured(avd, model).runs
    assert one.name == "modnet_fp32.tflite 1T on emulator:Pixel_8_API_35"
    assert FUNCTIONAL in one.marks
    assert (folder / "killed").exists()
    assert not any(item.serial.startswith("emulator-") and item.state == "device" for item in adb.devices())


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("dies", "the emulator ended with 1: ERROR .*hardware acceleration! / PANIC: Missing emulator engine"),
        ("never", "did not boot within 3 s"),
        ("no kvm", r"doesn't have permissions to use KVM[^$]*usermod -aG kvm"),
    ],
)
def test_failures_shut_it_down_too(target, model, mode, message):
    avd, folder = target(mode, seconds=3)
    with pytest.raises(ExportError, match=message):
        measured(avd, model)
    if mode == "never":
        assert (folder / "killed").exists()


def test_missing_pieces_are_named(target, model, monkeypatch, tmp_path):
    avd, _ = target(avds=("Other",))
    with pytest.raises(ExportError, match=r"no virtual device 'Pixel_8_API_35'[^$]*Other"):
        measured(avd, model)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path / "empty"))
    with pytest.raises(ExportError, match=r"no Android emulator here[^$]*sdkmanager emulator"):
        measured(avd, model)


def test_two_that_are_booted_at_once_have_ports_of_their_own(adb, monkeypatch):
    monkeypatch.setattr(module, "_RESERVED", set())
    ports = [module._reserved_port(adb) for _ in range(3)]
    assert len(set(ports)) == 3
    assert set(ports) == module._RESERVED


@pytest.mark.parametrize("suffix", ["", ".exe"])
@pytest.mark.parametrize(("variable", "below"), [("LOCALAPPDATA", "Android/Sdk"), ("HOME", "Library/Android/sdk")])
def test_tools_are_found_where_android_studio_puts_them(tmp_path, monkeypatch, variable, below, suffix):
    for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(variable, str(tmp_path))
    program = tmp_path / below / "emulator" / f"emulator{suffix}"
    program.parent.mkdir(parents=True)
    program.touch()
    assert module.find_emulator() == program


def test_ctrl_c_reaches_no_tool_of_ours_on_any_system():
    """CREATE_NEW_PROCESS_GROUP is 0x200 (Windows' processthreadsapi.h)."""
    assert own_group("win32") == {"creationflags": 0x200}
    assert own_group("linux") == own_group("darwin") == {"start_new_session": True}
