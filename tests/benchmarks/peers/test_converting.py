"""What conversions cost, and what is said of those that fail."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks.peers.catalogue import Peer
from benchmarks.peers.converting import Conversion, Cost, converted, cost, word

# As they ended with the network as it was released.
SAID = {
    "Traceback (most recent call last):\nValueError: no\n\n": "ValueError: no",
    "loc(1): error: operands differ\nnote: see the operation\n": "loc(1): error: operands differ",
    "Killed\n": "Killed",
    "": "no word",
}


@pytest.mark.parametrize(("said", "why"), SAID.items())
def test_the_tools_own_word_is_the_line_with_the_error(said, why):
    assert word(said) == why


def test_a_long_word_is_cut():
    assert len(word("error " + "x" * 1000)) < 200


def test_the_memory_and_the_processor_time_are_those_of_the_command_and_its_children(tmp_path):
    ours = np.ones(400 << 17)  # 400 MB: more than the command has
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    child = f"import subprocess, sys; data = b'x' * (100 << 20); subprocess.run([sys.executable, '-c', {burn!r}])"
    found = cost([sys.executable, "-c", child], tmp_path)
    assert isinstance(found, Cost)
    assert found.cpu_s >= 0.3
    assert 100 << 20 < found.peak_bytes < 200 << 20 < ours.nbytes


def test_a_command_that_fails_gives_its_word(tmp_path):
    assert cost([sys.executable, "-c", "raise SystemExit('error: it cannot')"], tmp_path) == "error: it cannot"
    assert cost([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], tmp_path) == "no word"


def test_the_median_of_several_conversions_is_told():
    conversion = Conversion((Cost(9.0, 1.0, 5), Cost(1.0, 2.0, 5), Cost(2.0, 3.0, 6)))
    assert [conversion.median(field) for field in ("wall_s", "cpu_s", "peak_bytes")] == [2.0, 2.0, 5.0]


def test_a_peer_that_cannot_be_installed_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.peers.environments.PYTHONS", {"onnx2tf": "3.99"})
    found = converted(Peer("onnx2tf", "out.tflite", ("convert_onnx2tf", "in.onnx", "out.tflite"), "onnx2tf"), tmp_path)
    assert found.costs == ()
    assert found.refused.startswith("onnx2tf needs Python 3.99")
