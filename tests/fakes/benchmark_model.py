"""Stands in for benchmark_model: really runs the model, on the host's LiteRT, and prints as the real one does.

Written to a device by ``script``, with the settings of a test in its text.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

_TEXT = """#!{python}
import json, os, sys, time
settings = json.loads({settings!r})
flags = dict(item[2:].split("=", 1) for item in sys.argv[1:] if item.startswith("--") and "=" in item)
device = os.environ["FAKE_DEVICE"]
with open(device + "/tool.log", "a") as log:
    log.write(json.dumps([sys.argv[1:], os.getpid()]) + "\\n")
runs = int(flags["num_runs"])
warm = int(flags.get("warmup_runs", 1))
if settings.get("throttle"):
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
if "delegated" in settings and (flags.get("use_gpu") == "true" or flags.get("use_nnapi") == "true"):
    a, b = settings["delegated"]
    print("Replacing %d out of %d node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions "
          "for the whole graph." % (a, b), file=sys.stderr)
if settings["form"] == "new":
    print("========== BENCHMARK RESULTS ==========")
    print(comma("Init:      %.2f ms" % (init / 1e3)))
    print(comma("First inference:      %.2f ms" % (times[0] / 1e3)))
    print(comma("Warmup (avg):      %.2f ms (%d runs)" % (sum(before) / len(before) / 1e3, len(before))))
    print(comma("Inference (avg):      %.2f ms (%d runs)" % (mean / 1e3, len(timed))))
    print(comma("Overall peak memory: %.2f MB" % 93.24))
else:
    info = "" if settings["form"] == "old" else "INFO: "
    more = settings["form"] != "old"
    print(info + "STARTING!")
    print(info + stats(before, more)); print(info + stats(timed, more))
    print(info + "Inference timings in us: Init: %d, First inference: %d, Warmup (avg): %s, Inference (avg): %s" % (
        init, times[0], comma("%g" % (sum(before) / len(before))), comma("%g" % mean)))
    print(info + comma("Memory footprint delta from the start of the tool (MB): init=14.4414 overall=14.8164"))
    print(info + comma("Overall peak memory footprint (MB) via periodic monitoring: 93.2383"))
if flags.get("enable_op_profiling") == "true":
    open(flags["op_profiling_output_file"], "w").write(open({profile!r}).read())
sys.exit(settings.get("exit", 0))
"""
PROFILE = Path(__file__).parent.parent / "benchmarks" / "data" / "op_profile.csv"


def script(path: Path, *, real: bool = False, form: str = "current", **settings: object) -> Path:
    """Write the tool; ``form``: current, old (no percentiles, no INFO) or new (LiteRT 2.x's)."""
    text = _TEXT.format(
        python=sys.executable,
        settings=json.dumps({"real": real, "form": form, **settings}),
        path=[item for item in sys.path if item],
        profile=str(PROFILE),
    )
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path
