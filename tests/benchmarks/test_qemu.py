"""ARM64's kernels under QEMU; needs `make setup-arm64`."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import qemu, session
from benchmarks.plan import Plan, Subject
from benchmarks.record import Record
from converters.budget import Budget
from converters.errors import ExportError
from converters.runtimes import open_runtime
from modnet_export import Size
from modnet_export.images import inputs
from modnet_export.record import manifest
from modnet_export.verifying.parity import Sample

LOOSE = Budget.parse("mad<=0.01")
needs_arm64 = pytest.mark.skipif(not qemu.installed(), reason="needs make setup-arm64")


@pytest.fixture(scope="module")
def plan(dist):
    recorded = manifest.load(dist)
    item = next(item for item in recorded.artefacts if item.file == "modnet_fp32.tflite")
    image_nhwc = inputs.builtin()[0].load(recorded.size)[0]
    subjects = [Subject.of(item, dist, delegate=delegate) for delegate in ("cpu", "builtin", "gpu")]
    sample = Sample("photo", image_nhwc, open_runtime(dist / item.file).run(image_nhwc))
    return Plan(tuple(subjects), image_nhwc, samples=(sample,))


@needs_arm64
def test_arm64_kernels_give_the_same_matte_and_no_latency(plan):
    result = session.measure([qemu.QemuTarget()], plan, Record())
    assert result.runs == ()
    assert [item.name for item in result.parity] == [
        "modnet_fp32.tflite 1T on qemu-arm64",
        "modnet_fp32.tflite 1T builtin on qemu-arm64",
    ]
    assert all(item.passed for item in result.parity)
    # Other kernels: the same to rounding, and not bit for bit.
    assert 0 < max(item.max_abs_difference for item in result.parity) < 1e-4
    assert "gpu is not emulated" in result.failures[0].reason


@pytest.fixture(scope="module")
def integer_plan(exported):
    """int8 and int8-dynamic models, with what this machine's kernels compute."""
    size = Size(height=96, width=128)
    out = exported(size=size, formats=("tflite",), precisions=("int8", "int8-dynamic"), budget=LOOSE)
    artefacts = manifest.load(out).artefacts
    image_nhwc = inputs.builtin()[0].load(size)[0]
    subjects = tuple(Subject.of(item, out) for item in artefacts)
    mattes = {item.file: open_runtime(out / item.file).run(image_nhwc) for item in artefacts}
    return Plan(subjects, image_nhwc), mattes


@needs_arm64
@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["cortex-a53", "cortex-a76", None], ids=["neon", "dot_product", "sme"])
def test_arm64_integer_kernels_give_the_matte_of_this_machine_s(integer_plan, cpu):
    plan, mattes = integer_plan
    for subject in plan.subjects:
        sample = Sample("photo", plan.image_nhwc, mattes[subject.file])
        one = Plan((subject,), plan.image_nhwc, samples=(sample,))
        (found,) = session.measure([qemu.QemuTarget(cpu)], one, Record()).parity
        assert found.mad < 0.002, subject.file  # half a level of uint8: sums round in another order


@needs_arm64
@pytest.mark.slow
@pytest.mark.parametrize(("cpu", "least", "most"), [("cortex-a53", 0, 1e-5), ("cortex-a76", 1e-3, 0.03)])
def test_a_file_that_asks_for_fp16_has_it_where_the_cpu_does(asking_for_fp16, cpu, least, most):
    """26 November 2026: 4e-8 and 0.0102."""
    recorded = manifest.load(asking_for_fp16)
    (item,) = [item for item in recorded.artefacts if item.cpu_fp16]
    image_nhwc = inputs.builtin()[0].load(recorded.size)[0]
    in_fp32 = open_runtime(asking_for_fp16 / "modnet_fp32.tflite").run(image_nhwc)
    sample = Sample("photo", image_nhwc, in_fp32)
    one = Plan((Subject.of(item, asking_for_fp16),), image_nhwc, samples=(sample,))
    (found,) = session.measure([qemu.QemuTarget(cpu)], one, Record()).parity
    assert least <= found.mad < most


@needs_arm64
def test_cpu_that_qemu_does_not_know_is_refused_with_those_it_does(plan):
    with pytest.raises(ExportError, match="QEMU has no CPU 'cortex-x99'") as refused:
        session.measure([qemu.QemuTarget("cortex-x99")], plan, Record())
    assert "cortex-a76" in str(refused.value)


@needs_arm64
def test_another_matte_fails(plan):
    (sample,) = plan.samples
    wrong = Sample("photo", sample.image_nhwc, np.clip(sample.matte_nhwc + 0.01, 0, 1))
    one = Plan(plan.subjects[:1], plan.image_nhwc, samples=(wrong,))
    assert [item.passed for item in session.measure([qemu.QemuTarget()], one, Record()).parity] == [False]


@needs_arm64
def test_a_model_that_crashes_is_one_failure(plan, tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    from dataclasses import replace

    broken = replace(plan.subjects[0], path=tmp_path / "broken.tflite")
    one = Plan((broken,), plan.image_nhwc, samples=plan.samples)
    (failure,) = session.measure([qemu.QemuTarget()], one, Record()).failures
    assert "LiteRT under QEMU ended with 1" in failure.reason


def test_what_is_missing_is_named(plan, monkeypatch, tmp_path):
    monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path))
    with pytest.raises(ExportError, match=r"python -m benchmarks\.qemu"):
        session.measure([qemu.QemuTarget()], plan, Record())
