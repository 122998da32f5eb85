"""Stands in for LiteRT's run_model: runs the model on the host's LiteRT, and logs tensors as the real one does.

From LiteRT's sources of August 2026: litert/tools/run_model.cc, and PrintTensorSamples of litert/tools/tensor_utils.h.
Its lines have absl's prefix (absl/log/internal/log_format.cc), and all go to stderr before absl::InitializeLog.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

_TEXT = """#!{python}
import json, os, sys
settings = json.loads({settings!r})
flags = dict(item[2:].split("=", 1) for item in sys.argv[1:] if item.startswith("--") and "=" in item)
def log(place, text, level="I"):
    print("%s0000 00:00:1755830957.123456    4711 %s] %s" % (level, place, text), file=sys.stderr)
if sys.argv[1:] == ["--help"]:
    for name in settings["flags"]: print("    --%s (...); default: \\"\\";" % name)
    sys.exit(1)
with open(os.environ["FAKE_DEVICE"] + "/run_model.log", "a") as file: file.write(json.dumps(sys.argv[1:]) + "\\n")
print("WARNING: All log messages before absl::InitializeLog() is called are written to STDERR", file=sys.stderr)
log("run_model.cc:421", "Model: " + flags["graph"])
if settings.get("fails"):
    log("run_model.cc:528", settings["fails"], "E"); sys.exit(1)
sys.path[:0] = {path!r}
import numpy as np
from ai_edge_litert import interpreter
loaded = interpreter.Interpreter(flags["graph"], num_threads=1)
(key, ports), = loaded.get_signature_list().items()
runner = loaded.get_signature_runner(key)
details = runner.get_input_details()
(name,) = ports["inputs"]
data = open(os.path.join(flags["input_dir"], name + ".raw"), "rb").read()
image = np.frombuffer(data, details[name]["dtype"]).reshape(details[name]["shape"])
if "gpu" in flags["accelerator"]:
    print("INFO: Replacing %d out of 216 node(s) with delegate (LITERT_CL) node, yielding 1 partitions for subgraph 0."
          % settings.get("delegated", 216) if settings.get("delegated", 216) else
          "INFO: Replacing 216 out of 216 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions.",
          file=sys.stderr)
(matte,) = runner(**{{name: image}}).values()
if settings.get("overflows"): matte = matte * np.nan
assert flags["print_tensors"] == flags["compare_numerical"] == "true"
def show(kind, tensor):
    values, size = tensor.ravel(), int(flags["sample_size"])
    total = len(values)
    log("run_model.cc:350", kind + " buffer 0:")
    log("run_model.cc:351", "  Size: %d bytes" % tensor.nbytes)
    log("run_model.cc:365", "  Total logical elements: %d" % total)
    log("tensor_utils.h:146", "    Max: %g" % values.max())
    def some(what, first, count):
        log("tensor_utils.h:176", "  %s %d elements:" % (what, count))
        for index in range(first, first + count):
            log("tensor_utils.h:169", "    %d: %g" % (index, values[index]))
    some("Beginning", 0, min(size, total))
    if total > 2 * size: some("Middle", total // 2 - size // 2, size)
    if total > size and not settings.get("cut"): some("Ending", total - size, size)
show("Input", image)
show("Output", matte)
log("run_model.cc:488", "Model run completed")
"""


def script(path: Path, *, takes_images: bool = True, **settings: object) -> Path:
    """Write the tool; one of before 2026 does not take images."""
    flags = ["graph", "accelerator", "print_tensors", "sample_size", *(["input_dir"] if takes_images else [])]
    text = _TEXT.format(
        python=sys.executable,
        settings=json.dumps({"flags": flags, **settings}),
        path=[item for item in sys.path if item],
    )
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path
