"""The page in this machine's own Firefox, through WebDriver BiDi."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from modnet_export.images.imaging import read_image
from modnet_export.model.reference import TorchReference
from tests.modnet_export.preview import packages


def test_fp32_in_firefox_gives_the_reference_matte(served, dist, demo_source):
    firefox = shutil.which("firefox-esr") or shutil.which("firefox")
    if firefox is None or shutil.which("node") is None:
        pytest.skip("no Firefox, or no Node.js: apt-get install firefox-esr nodejs")
    script = Path(__file__).with_name("firefox.mjs")
    command = ["node", str(script), str(packages.fetched()), firefox, served(dist).address]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["errors"] == []
    assert told["message"] == ""
    assert "wasm (XNNPACK)" in told["runs"]
    assert "against the reference's matte" in told["parity"]
    matte = TorchReference(demo_source).run(read_image(dist / "golden_image.png")[None])
    assert np.abs(np.float32(told["output"]) - matte.ravel()).max() < 1e-4
