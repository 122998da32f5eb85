"""Whether a program runs on a device is known before it is pushed."""

from __future__ import annotations

import struct
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import session
from benchmarks.android import elf
from benchmarks.android.settings import AndroidSettings
from benchmarks.android.target import AdbTarget
from benchmarks.plan import Plan
from benchmarks.record import Record
from converters.errors import ExportError
from modnet_export.record.files import sha256
from tests.benchmarks.android.conftest import IMAGE
from tests.fakes.phone import asked

PYTHON = Path(sys.executable).resolve()


@pytest.mark.skipif(sys.platform != "linux", reason="this machine's programs are no ELF files")
def test_a_program_of_this_machine(phones, model):
    import platform

    found = elf.read(PYTHON)
    assert found.abi == {"x86_64": "x86_64", "aarch64": "arm64-v8a"}[platform.machine()]
    assert found.page_bytes in (0x1000, 0x4000, 0x10000, 0x200000)
    elf.require_runs(PYTHON, f"{found.abi},other", found.page_bytes, "phone")
    with pytest.raises(ExportError, match=f"is built for pages of {found.page_bytes} bytes"):
        elf.require_runs(PYTHON, found.abi, found.page_bytes * 2, "phone")


@pytest.mark.skipif(sys.platform != "linux", reason="this machine's programs are no ELF files")
def test_a_tool_for_another_abi_is_not_pushed(phones, model):
    device = phones(properties={"ro.product.cpu.abilist": "riscv64"})
    target = AdbTarget(device.serial, AndroidSettings(benchmark_model=PYTHON))
    with pytest.raises(ExportError, match=r"is for .*, 127.0.0.1:\d+ runs riscv64"):
        session.measure([target], Plan((model,), IMAGE), Record())
    assert device.pushed == []


def _built(path, machine):
    """An ELF file's header for a machine, 64 bits wide, with one segment for pages of 16 KiB."""
    path.parent.mkdir(exist_ok=True)
    head = (
        b"\x7fELF\x02\x01" + bytes(10) + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    path.write_bytes(head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 0, 0, 1 << 14))
    return path


@pytest.mark.parametrize(
    ("abis", "chosen"), [("arm64-v8a,armeabi-v7a", 183), ("armeabi-v7a", 40), ("x86_64,x86,arm64-v8a", 62)]
)
def test_of_several_tools_a_device_gets_the_one_that_it_prefers(tmp_path, abis, chosen):
    tools = {machine: _built(tmp_path / f"{machine}", machine) for machine in (40, 62, 183)}
    assert elf.for_abis(tuple(tools.values()), abis) == tools[chosen]


def test_where_none_of_several_tools_runs_nothing_is_pushed(phones, model, tmp_path):
    device = phones(properties={"ro.product.cpu.abilist": "riscv64"})
    tools = tuple(_built(tmp_path / f"{machine}", machine) for machine in (40, 183))
    with pytest.raises(ExportError, match=r"40 is for armeabi-v7a, 127.0.0.1:\d+ runs riscv64"):
        session.measure(
            [AdbTarget(device.serial, AndroidSettings(benchmark_model=tools))], Plan((model,), IMAGE), Record()
        )
    assert device.pushed == []


def test_with_tools_for_several_abis_only_the_libraries_beside_the_chosen_one_are_pushed(phones, model, tmp_path):
    """The header alone does not start: what was pushed until then is looked at."""
    device = phones(properties={"ro.product.cpu.abilist": "arm64-v8a"})
    tools = tuple(_built(tmp_path / f"{machine}", machine) for machine in (40, 183))
    libraries = tuple(_built(tmp_path / f"of{machine}" / "libA.so", machine) for machine in (40, 183))
    settings = AndroidSettings(benchmark_model=tools, push=libraries)
    with pytest.raises(ExportError, match="not benchmark_model"):
        session.measure([AdbTarget(device.serial, settings)], Plan((model,), IMAGE), Record())
    sent = [path for path in device.pushed if not path.endswith("libA.so.part")]
    assert [sha256(tools[1]) in path for path in sent] == [True]
    assert len(device.pushed) == 2


def test_libraries_are_pushed_beside_the_tool_and_are_a_condition(phones, run, tmp_path):
    library = tmp_path / "libLiteRtClGlAccelerator.so"
    library.write_text("#!stands in\n")
    device = phones()
    (one,) = run(device, blocks=1, push=(library,), environment=("A=b c",)).runs
    assert one.conditions["with"].startswith("libLiteRtClGlAccelerator.so ")
    assert one.conditions["with"].endswith(", A=b c")
    (pushed,) = [path for path in device.pushed if "Accelerator" in path]
    folder = pushed.rsplit("/", 1)[0]
    assert [text for text in device.commands if f"env LD_LIBRARY_PATH={folder} 'A=b c'" in text and "num_runs" in text]


def test_an_npu_is_reached_by_the_libraries_beside_the_tool(phones, run, model, tmp_path):
    """The delegate's name as in LiteRT's log on Qualcomm's and MediaTek's NPUs: DispatchDelegate."""
    library = tmp_path / "libLiteRtDispatch_Qualcomm.so"
    library.write_text("#!stands in\n")
    npu, device = replace(model, delegate="npu"), phones()
    (one,) = run(device, subjects=[npu], form="litert", blocks=1, push=(library,)).runs
    (pushed,) = [path for path in device.pushed if "Dispatch" in path]
    folder = str(device.folder) + pushed.rsplit("/", 1)[0]
    assert {"--use_npu=true", f"--dispatch_library_path={folder}"} <= set(asked(device)[0])
    assert one.name.startswith("modnet_fp32.tflite 1T npu")
    for options, message in (({"form": "litert"}, "vendor's dispatch library"), ({"push": (library,)}, "has no NPU")):
        assert message in run(device, subjects=[npu], blocks=1, **options).failures[0].reason
    (failure,) = run(
        device, subjects=[npu], form="litert", blocks=1, push=(library,), tool_options={"delegated": (0, 216)}
    ).failures
    assert "nothing ran on the npu" in failure.reason


@given(st.binary(max_size=200))
def test_any_other_file_is_one_clear_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "program"
    for head in (b"", b"\x7fELF", b"\x7fELF\x02\x01"):
        path.write_bytes(head + data)
        try:
            elf.read(path)
        except ExportError as error:
            assert "is not a program for Android" in str(error)
