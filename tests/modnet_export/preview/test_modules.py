"""The page's modules without a browser, in Node.js."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from converters.runtimes import open_runtime
from converters.tflite import builder as fb
from tests.vectors import HERE as VECTORS

PAGE = Path(__file__).parents[3] / "modnet_export/preview/page/js"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js")


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The page's modules where older Node.js, too, takes them for modules."""
    folder = tmp_path_factory.mktemp("modules")
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def node(*arguments: object, **variables: object) -> str:
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    command = ["node", *map(str, arguments)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=120).stdout


def test_they_make_of_the_shared_vectors_what_python_makes(modules):
    told = node(
        "--test", "--test-reporter=tap", Path(__file__).with_name("vectors.test.mjs"), PAGE=modules, VECTORS=VECTORS
    )
    assert "# pass 6" in told
    assert "# fail 0" in told


EXPAND = """
import { readFileSync, writeFileSync } from "node:fs";
const { expandedWeights } = await import(`${process.env.PAGE}/weights.js`);
const { bytes, expanded } = expandedWeights(new Uint8Array(readFileSync(process.env.FROM)));
writeFileSync(process.env.TO, bytes);
console.log(expanded);
"""


def expand(modules, source: Path, target: Path) -> int:
    return int(node("--input-type=module", "--eval", EXPAND, PAGE=modules, FROM=source, TO=target))


def operators(path: Path) -> list[str]:
    model = fb.read(path.read_bytes())
    return [fb.op_name(model, op) for op in model.subgraphs[0].operators]


def test_expanded_float16_weights_are_the_same_numbers(modules, dist, tmp_path):
    source, target = dist / "modnet_fp16.tflite", tmp_path / "expanded.tflite"
    assert expand(modules, source, target) > 10
    image_nhwc = np.random.default_rng(0).random((1, 96, 128, 3), np.float32)
    expected, found = (open_runtime(path).run(image_nhwc) for path in (source, target))
    assert np.abs(found - expected).max() < 1e-5
    assert "DEQUANTIZE" in operators(source)
    assert operators(target) == [name for name in operators(source) if name != "DEQUANTIZE"]


def test_other_models_stay_the_very_files(modules, dist, tmp_path):
    source, target = dist / "modnet_fp32.tflite", tmp_path / "same.tflite"
    assert expand(modules, source, target) == 0
    assert target.read_bytes() == source.read_bytes()
