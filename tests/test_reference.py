"""What docs/commands.md and docs/models.md tell is what the program takes and writes."""

import re

import numpy as np
import pytest

from modnet_export.record.recipes import RECIPES
from tests import reference


@pytest.mark.parametrize("page", reference.PAGES, ids=lambda page: page.name)
def test_the_page_is_current(page):
    assert page.read_text(encoding="utf-8") == reference.PAGES[page](), "run `make reference`"


def test_the_page_has_every_command_and_cuts_no_text():
    text = reference.commands()
    assert {"export", "verify", "bench", "ship android"} <= set(re.findall(r"^##+ `modnet-export (.+)`$", text, re.M))
    assert "--precisions" in text
    assert not re.search(r"^\* .*[a-z]\.\.\.$", text, re.M)


def test_the_page_of_models_has_every_recipe_and_its_limits():
    rows = re.findall(r"^\| `[a-z0-9-]+` \| `(modnet_[^`]+)` .*$", reference.models(), re.M)
    assert sorted(rows) == sorted(row.file for row in RECIPES)
    assert "`mad<=0.0018,p95<=0.0018,worst<=0.0054`" in reference.models()


def test_options_that_a_recipe_does_not_read_are_not_promised():
    by_file = {row.file: reference.options(row) for row in RECIPES}
    assert by_file["modnet_fp32.onnx"] == []
    assert by_file["modnet_fp16.tflite"] == ["`--tune`", "`--converter`"]
    assert by_file["modnet_int8.tflite"] == ["`--converter`", "`--calibration`", "`--budget, --pareto`"]
    assert by_file["modnet_fp16.mlpackage"] == ["`--tune`", "`--calibration`", "`--coreml-*`"]


def test_the_oldest_runtimes_are_those_of_the_files(dist):
    """Read from the files as whoever opens them would: by the schema, and by onnx."""
    import onnx

    from converters.tflite.weights import int8_weights
    from tests.converters.tflite.int16.prepared import evened, in_int16

    images = [np.random.default_rng(0).random((1, 96, 128, 3), np.float32)]
    fp32 = (dist / "modnet_fp32.tflite").read_bytes()
    made = {
        "fp32": fp32,
        "fp16": (dist / "modnet_fp16.tflite").read_bytes(),
        "int8-weights": int8_weights(fp32, {}, "float", compensate=False),
        "int8-dynamic": int8_weights(fp32, {}, "dynamic", compensate=False),
        "int16x8": in_int16(evened(fp32, images), images),
        "int4-weights": int8_weights(fp32, {}, "dynamic", compensate=False, bits=4),
    }
    told = {row.precision: reference.oldest(row) for row in RECIPES if row.format == "tflite"}
    assert made.keys() | {"int8", "int8-mixed"} == told.keys()
    for precision, data in made.items():
        assert told[precision] == f"TFLite {minimum_runtime(data).removesuffix('.0')}", precision
    assert onnx.load(dist / "modnet_opt_fp32.onnx").ir_version == reference.IR_VERSION


def minimum_runtime(model: bytes) -> str:
    from ai_edge_litert import schema_py_generated

    read = schema_py_generated.ModelT.InitFromPackedBuf(model, 0)
    (index,) = [item.buffer for item in read.metadata if item.name == b"min_runtime_version"]
    return bytes(read.buffers[index].data).rstrip(b"\0").decode()
