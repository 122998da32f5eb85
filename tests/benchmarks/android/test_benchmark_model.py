"""What benchmark_model prints, in all its forms."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.android import benchmark_model as bm
from benchmarks.android import flags
from converters.errors import ExportError
from tests.fakes import benchmark_model

CURRENT = """INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Graph: [/data/local/tmp/model.tflite]
INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
INFO: Replacing 58 out of 58 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions for the graph.
INFO: count=5 first=125113 curr=113500 min=113000 max=125113 avg=115344 std=4000 p5=113000 median=113500 p95=125113
INFO: Running benchmark for at least 50 iterations
INFO: count=50 first=119614 curr=115889 min=111842 max=119614 avg=115246 std=1329 p5=112107 median=115350 p95=116620
INFO: Inference timings in us: Init: 1361236, First inference: 125113, Warmup (avg): 115344, Inference (avg): 115246
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE.
INFO: Memory footprint delta from the start of the tool (MB): init=14.4414 overall=14.8164
INFO: Overall peak memory footprint (MB) via periodic monitoring: 93.2383
"""
OLD = """STARTING!
count=1 curr=125113
count=2 first=28900000 curr=28900000 min=28800000 max=28900000 avg=2.89e+07 std=300
Inference timings in us: Init: 1361236, First inference: 125113, Warmup (avg): 125113, Inference (avg): 2.89e+07
Overall peak memory footprint (MB) via periodic monitoring: -1
"""
# mlcommons/mobile_app_open#1134, comments of 2026-07-21 and 2026-07-28.
LITERT = """VERBOSE: Replacing 796 out of 796 node(s) with delegate (LITERT_CL) node, yielding 1 partitions for subgraph
I0000 00:00:1776763095.992608   21214 delegate_kernel.cc:794] Initializing OpenCL-based API from graph.
========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:92] Signature name:       prefill_1024
INFO: [benchmark_litert_model.h:94] Model initialization: 23744.73 ms
INFO: [benchmark_litert_model.h:96] Warmup (first):       7441.04 ms
INFO: [benchmark_litert_model.h:98] Warmup (avg):         7441.04 ms (1 runs)
INFO: [benchmark_litert_model.h:100] Inference (avg):      7430.20 ms (10 runs)
INFO: [benchmark_litert_model.h:104] Inference (min):      7416.40 ms
INFO: [benchmark_litert_model.h:106] Inference (max):      7448.86 ms
INFO: [benchmark_litert_model.h:108] Inference (std):      9.92
INFO: [benchmark_litert_model.h:115] Throughput:           27.46 MB/s
INFO: [benchmark_litert_model.h:124]
Memory Usage:
INFO: [benchmark_litert_model.h:126] Init footprint:       6391.74 MB
INFO: [benchmark_litert_model.h:128] Overall footprint:    6391.74 MB
INFO: [benchmark_litert_model.h:135] Peak memory usage not available. (peak_mem_mb <= 0)
"""
# google-ai-edge/LiteRT-CLI pull request 83, from Android's log.
LOGCAT = "09-28 06:21:49.076 19416 19416 I litert  : [benchmark_litert_model.h:132] Peak memory:          166.43 MB"
# tensorflow/tensorflow#70664: TFLite's tool on OpenCL; tensorflow/flutter-tflite#205: partly, on OpenGL.
OPENCL = "I tflite  : Replacing 290 out of 290 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions"
OPENGL = """E/tflite (27005): 85 operations will run on the GPU, and the remaining 5 operations will run on the CPU.
I/tflite (27005): Replacing 85 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 2 partitions for the graph.
E/tflite (27005): Can not open OpenCL library on this device - undefined symbol: clGetCommandBufferInfoKHR
E/tflite (27005): Falling back to OpenGL
"""
# google-ai-edge/LiteRT#7858: all of it on the CPU, whatever was asked for.
XNNPACK = "Replacing 470 out of 476 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions"


def test_current_form():
    block = bm.parse(CURRENT)
    assert (block.count, block.mean_ms, block.init_ms, block.first_ms) == (50, 115.246, 1361.236, 125.113)
    assert block.statistics == {
        "min": 111.842, "max": 119.614, "std": 1.329, "p5": 112.107, "median": 115.35, "p95": 116.62,
    }  # fmt: skip
    assert block.peak_memory_bytes == int(93.2383 * 2**20)
    assert bm.parse(CURRENT, "gpu").delegated == (58, 58)


def test_old_form_without_percentiles_or_memory():
    block = bm.parse(OLD)
    assert (block.count, block.mean_ms, block.peak_memory_bytes, block.delegated) == (2, 28900.0, None, None)
    assert set(block.statistics) == {"min", "max", "std"}


def test_litert_s_form():
    block = bm.parse(f"{LITERT}{LOGCAT}", "gpu")
    assert (block.count, block.mean_ms, block.init_ms, block.first_ms) == (10, 7430.2, 23744.73, 7441.04)
    assert block.statistics == {"min": 7416.4, "max": 7448.86, "std": 9.92}
    assert (block.delegated, block.api) == ((796, 796), "OpenCL")
    assert block.peak_memory_bytes == int(166.43 * 2**20)
    assert bm.parse(LITERT, "gpu").peak_memory_bytes is None


@pytest.mark.parametrize(
    ("log", "delegated", "api"),
    [
        (OPENCL, (290, 290), None),
        (OPENGL, (85, 90), "OpenGL"),
        (f"{OPENGL}{OPENGL}", (85, 90), "OpenGL"),  # on the terminal and in the log
        (f"{OPENCL}\n{XNNPACK}", (290, 290), None),
    ],
)
def test_only_the_wanted_delegate_s_nodes_count(log, delegated, api):
    block = bm.parse(f"{OLD}{log}", "gpu")
    assert (block.delegated, block.api) == (delegated, api)


@pytest.mark.parametrize("delegate", ["gpu", "npu", "nnapi"])
@pytest.mark.parametrize("log", ["", XNNPACK])
def test_a_delegate_that_took_nothing_is_a_failure(delegate, log):
    with pytest.raises(ExportError, match=f"nothing ran on the {delegate}"):
        bm.parse(f"{OLD}{log}", delegate)


def test_a_flag_that_the_tool_ignored_is_a_failure():
    with pytest.raises(ExportError, match="does not know --allow_fp16, so it measured something else"):
        bm.parse(f"STARTING!\nUnconsumed cmdline flags: --allow_fp16\n{OLD}")


@pytest.mark.parametrize("which", ["tflite", "litert"])
@pytest.mark.parametrize("delegate", ["cpu", "builtin", "gpu", "npu", "nnapi"])
def test_each_tool_gets_only_flags_that_it_knows(which, delegate):
    usage = "\n".join(f"\t--{name}=\tstring" for name in benchmark_model.FLAGS[which].split())
    assert flags.kind(usage) == which
    if flags.refused(which, delegate, libraries=True) is None:
        command = flags.arguments(which, "tool", "m", delegate, 4, flags.Timing(3, 2.0, 1.0))
        assert {item[2:].split("=")[0] for item in command[1:]} <= set(benchmark_model.FLAGS[which].split())
        assert "--min_secs=2" in command
    else:
        assert (which == "litert") == (delegate in ("builtin", "nnapi"))


def test_another_program_is_no_benchmark_model():
    with pytest.raises(ExportError, match="this is not benchmark_model"):
        flags.kind("usage: ls")


def test_single_run():
    text = OLD.replace(
        "count=2 first=28900000 curr=28900000 min=28800000 max=28900000 avg=2.89e+07 std=300", "count=1 curr=7"
    )
    assert bm.parse(text).count == 1


def test_a_locale_with_a_decimal_comma_is_read():
    assert bm.parse(LITERT.replace("7430.20", "7430,20")).mean_ms == 7430.2


@pytest.mark.parametrize("text", ["", "STARTING!\ncount=5 first=1", "ERROR: Could not open 'x'", CURRENT[:600]])
def test_output_that_is_cut_short_is_an_error(text):
    with pytest.raises(ExportError, match="did not finish; it printed"):
        bm.parse(text)


@pytest.mark.parametrize(
    ("found", "printed"),
    [
        ("Inference (avg): 115246", "Inference (avg): -115246"),
        ("Inference (avg): 115246", "Inference (avg): 0"),
        ("Init: 1361236", "Init: 1.3.6"),
        ("min=111842", "min=-111842"),
        ("count=50 first", "count=0 first"),
        (": 93.2383", ": 1e999"),
    ],
)
def test_values_that_make_no_sense_are_one_clear_error(found, printed):
    assert found in CURRENT
    with pytest.raises(ExportError, match="printed a value that makes no sense"):
        bm.parse(CURRENT.replace(found, printed))


@pytest.mark.parametrize("value", ["-0.5", "0.5.0"])
def test_a_profile_with_values_that_make_no_sense_is_one_clear_error(value):
    text = f"===== Run Order =====\nnode type, avg_ms, name\nCONV_2D, {value}, a\nADD, 2.0, b\n"
    with pytest.raises(ExportError, match="the profile has a value that makes no sense"):
        bm.parse_profile(text)


@given(st.text())
def test_any_other_text_is_one_clear_error(text):
    with pytest.raises(ExportError):
        bm.parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2.89e+07", 2.89e7), ("85,23", 85.23), ("1,234,567", 1234567), ("1,234.5", 1234.5), ("٣٥١", 351), ("-7", -7)],
)
def test_numbers_of_every_locale(text, value):
    assert bm.number(text) == value


def test_profile_is_that_of_running_the_ops():
    ops = bm.parse_profile((Path(__file__).parents[1] / "data" / "op_profile.csv").read_text())
    assert [(item.op, item.mean_ms, item.share) for item in ops] == [
        ("CONV_2D", 2.0, 0.4),
        ("DEPTHWISE_CONV_2D", 0.5, 0.1),
        ("RESIZE_BILINEAR", 2.5, 0.5),
    ]
    assert ops[1].name.startswith("[backbone/a,")
    with pytest.raises(ExportError, match="no list of ops"):
        bm.parse_profile("node type, avg_ms")
