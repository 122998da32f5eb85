"""Stands in for benchmark_model: really runs the model, on the host's LiteRT, and prints as the real ones do.

There are two tools of this name. Written to a device by ``script``, with the settings of a test in its text. What they
print was seen in: tensorflow/tensorflow#61946 and #70664 (TFLite's tool), mlcommons/mobile_app_open#1134 and LiteRT's
litert/tools/benchmark_litert_model.h (LiteRT's), both with "Unconsumed cmdline flags" from tflite's
tools/benchmark/benchmark_model.cc; a GPU that is not there in google-ai-edge/LiteRT#2395, the fallback to OpenGL
in tensorflow/flutter-tflite#205, what XNNPACK takes of the rest in google-ai-edge/LiteRT#7858.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

_COMMON = (
    "graph num_threads num_runs warmup_runs min_secs max_secs warmup_min_secs report_peak_memory_footprint "
    "memory_footprint_check_interval_ms require_full_delegation use_gpu"
)
FLAGS = {
    "tflite": f"{_COMMON} use_xnnpack use_nnapi gpu_precision_loss_allowed gpu_backend input_layer input_layer_shape "
    "input_layer_value_files output_filepath enable_op_profiling op_profiling_output_mode op_profiling_output_file",
    "litert": f"{_COMMON} use_cpu use_npu dispatch_library_path compiler_plugin_library_path gpu_backend gpu-precision "
    "gpu_low_priority use_profiler result_file_path model_runtime_info_output_file",
}
_TEXT = """#!{python}
import json, os, sys, time
settings = json.loads({settings!r})
flags = dict(item[2:].split("=", 1) for item in sys.argv[1:] if item.startswith("--") and "=" in item)
known = {flags!r}.split()
device = os.environ["FAKE_DEVICE"]
litert = settings["form"] == "litert"
if sys.argv[1:] == ["--help"]:
    print("usage: " + sys.argv[0] + " <flags>\\nFlags:", file=sys.stderr)
    for name in known: print("\\t--" + name + "=\\tstring\\toptional\\t...", file=sys.stderr)
    sys.exit(1)
with open(device + "/tool.log", "a") as log:
    log.write(json.dumps([sys.argv[1:], os.getpid()]) + "\\n")
if settings.get("alone"):
    with open(device + "/tool.log") as log: earlier = [json.loads(line)[1] for line in log][:-1]
    if any(os.path.exists("/proc/%d" % process) for process in earlier):
        print("ERROR: another one is still running", file=sys.stderr); sys.exit(3)
unknown = [name for name in flags if name not in known]
if unknown:
    print("WARNING: Unconsumed cmdline flags: " + " ".join("--" + name for name in unknown), file=sys.stderr)
runs = int(flags["num_runs"])
warm = int(flags.get("warmup_runs", 1))
print("INFO: STARTING!", flush=True)
marker = device + "/throttled"
if settings.get("throttle") and not (settings["throttle"] == "once" and os.path.exists(marker)):
    open(marker, "w").close()
    with open(device + "/dumpsys/thermalservice") as file: text = file.read()
    with open(device + "/dumpsys/thermalservice", "w") as file:
        file.write(text.replace("Thermal Status: 0", "Thermal Status: 2"))
if not os.path.exists(flags["graph"]):
    print("ERROR: Could not open '" + flags["graph"] + "'.", file=sys.stderr); sys.exit(1)
if settings["real"]:
    sys.path[:0] = {path!r}
    import numpy as np
    from ai_edge_litert import interpreter
    started = time.perf_counter()
    resolver = interpreter.OpResolverType
    kind = resolver.AUTO if flags.get("use_xnnpack") == "true" else resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    loaded = interpreter.Interpreter(flags["graph"], num_threads=1, experimental_op_resolver_type=kind)
    loaded.allocate_tensors()
    source, target = loaded.get_input_details()[0], loaded.get_output_details()[0]
    image = np.zeros(source["shape"], source["dtype"])
    if "input_layer_value_files" in flags:
        name, path = flags["input_layer_value_files"].split(":", 1)
        assert name == flags["input_layer"] == source["name"].split(":")[0].removeprefix("serving_default_"), name
        assert flags["input_layer_shape"] == ",".join(str(v) for v in source["shape"])
        image = np.fromfile(path, source["dtype"]).reshape(source["shape"])
    init = (time.perf_counter() - started) * 1e6
    times = []
    for _ in range(warm + runs):
        start = time.perf_counter()
        loaded.set_tensor(source["index"], image); loaded.invoke()
        times.append((time.perf_counter() - start) * 1e6)
    if "output_filepath" in flags:
        values = loaded.get_tensor(target["index"]) + np.asarray(settings.get("offset", 0), target["dtype"])
        data = values.tobytes()
        open(flags["output_filepath"], "wb").write(data[: len(data) // 2] if settings.get("half_output") else data)
else:
    init, times = 1361236.0, [float(settings.get("us", 10000)) * (1 + 0.01 * (i % 5)) for i in range(warm + runs)]
    time.sleep(settings.get("sleep", 0))
before, timed = times[:warm], times[warm:]
mean = sum(timed) / len(timed)
def comma(text): return text.replace(".", ",") if settings.get("comma") else text
def stats(values, more):
    if len(values) == 1: return "count=1 curr=%d" % values[0]
    rest = " p5=%d median=%d p95=%d" % (min(values), sorted(values)[len(values) // 2], max(values)) if more else ""
    text = "count=%d first=%d curr=%d min=%d max=%d avg=%g std=%d" % (
        len(values), values[0], values[-1], min(values), max(values), sum(values) / len(values), 7)
    return comma(text + rest)
def err(text): print(text, file=sys.stderr)
def replacing(a, b, name):
    err("INFO: Replacing %d out of %d node(s) with delegate (%s) node, yielding 1 partitions for subgraph 0." % (
        a, b, name))
wanted = [name for name in ("use_gpu", "use_npu", "use_nnapi") if flags.get(name) == "true"]
if wanted:
    a, b = settings.get("delegated", (216, 216))
    names = {{"use_gpu": "LITERT_CL" if litert else "TfLiteGpuDelegateV2", "use_npu": "DispatchDelegate",
             "use_nnapi": "TfLiteNnapiDelegate"}}
    apis = {{"gl": "OpenGL", "opengl": "OpenGL", "webgpu": "WebGPU"}}
    api = apis.get(flags.get("gpu_backend"), "OpenCL")
    if litert: names["use_gpu"] = {{"OpenCL": "LITERT_CL", "OpenGL": "LITERT_GL", "WebGPU": "LITERT_WEBGPU"}}[api]
    gpu = names[wanted[0]]
    if a == 0:
        err("INFO: [auto_registration.cc:59] GPU accelerator could not be dynamically loaded and registered")
    else:
        replacing(a, b, gpu)
        if settings.get("opengl"):
            err("ERROR: Can not open OpenCL library on this device - undefined symbol: clGetCommandBufferInfoKHR")
            err("ERROR: Falling back to OpenGL")
        elif wanted == ["use_gpu"]:
            err("INFO: Initialized " + api + "-based API.")
    if a < b: replacing(b - a, b if a == 0 else b - a + 1, "TfLiteXNNPackDelegate")
if litert:
    def info(line, text): err("INFO: [benchmark_litert_model.h:%d] %s" % (line, comma(text)))
    err("\\n========== BENCHMARK RESULTS ==========")
    info(94, "Model initialization: %.2f ms" % (init / 1e3))
    info(96, "Warmup (first):       %.2f ms" % (times[0] / 1e3))
    info(98, "Warmup (avg):         %.2f ms (%d runs)" % (sum(before) / len(before) / 1e3, len(before)))
    info(100, "Inference (avg):      %.2f ms (%d runs)" % (mean / 1e3, len(timed)))
    info(104, "Inference (min):      %.2f ms" % (min(timed) / 1e3))
    info(106, "Inference (max):      %.2f ms" % (max(timed) / 1e3))
    info(108, "Inference (std):      9.92")
    info(115, "Throughput:           27.46 MB/s")
    err("INFO: [benchmark_litert_model.h:124] \\nMemory Usage:")
    info(126, "Init footprint:       14.44 MB")
    info(128, "Overall footprint:    14.82 MB")
    info(132, "Peak memory:          93.24 MB")
else:
    info = "" if settings["form"] == "old" else "INFO: "
    more = settings["form"] != "old"
    print(info + stats(before, more)); print(info + stats(timed, more))
    print(info + "Inference timings in us: Init: %d, First inference: %d, Warmup (avg): %s, Inference (avg): %s" % (
        init, times[0], comma("%g" % (sum(before) / len(before))), comma("%g" % mean)))
    print(info + comma("Memory footprint delta from the start of the tool (MB): init=14.4414 overall=14.8164"))
    print(info + comma("Overall peak memory footprint (MB) via periodic monitoring: 93.2383"))
if not litert and flags.get("enable_op_profiling") == "true":
    open(flags["op_profiling_output_file"], "w").write(open({profile!r}).read())
sys.exit(settings.get("exit", 0))
"""
PROFILE = Path(__file__).parent.parent / "benchmarks" / "data" / "op_profile.csv"


def script(path: Path, *, real: bool = False, form: str = "current", **settings: object) -> Path:
    """Write the tool; ``form``: current, old (no percentiles, no INFO) or litert (LiteRT's own)."""
    text = _TEXT.format(
        python=sys.executable,
        settings=json.dumps({"real": real, "form": form, **settings}),
        path=[item for item in sys.path if item],
        profile=str(PROFILE),
        flags=FLAGS["litert" if form == "litert" else "tflite"],
    )
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path
