"""What the page keeps over many frames, and what it looks like."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modnet_export.images.imaging import Pixels, area_resize
from tests.modnet_export.preview.conftest import APP, film, settled

TILES = Path(__file__).with_name("tiles.json")
GRID = (10, 16)
"""Rows and columns of tiles: text and a font's differences vanish in their means, a panel that moved does not."""


def heaps(page) -> tuple[int, int]:
    """Bytes: of wasm, which only grows, and of the page's own objects after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    own = session.send("Runtime.getHeapUsage")["usedSize"]
    wasm = page.evaluate(f'async () => {{ {APP} return app.engine.call("memory"); }}')
    return wasm, own


@pytest.mark.parametrize("frames", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_memory_stays_level_over_many_frames(opened, dist, frames):
    page = opened(dist)
    page.locator("#delayed").check()
    page.select_option("#second", index=2)
    page.locator("input[value=blur]").check(force=True)
    film(page)

    def run(count):
        page.evaluate(f"async () => {{ {APP} await app.frames({count}); }}")

    run(20)
    wasm, own = heaps(page)
    run(frames)
    later = heaps(page)
    assert later[0] == wasm
    assert later[1] < own + 3_000_000  # one frame of this camera is 300 kB


def tiles(png: bytes) -> Pixels:
    shown = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float32) / 255
    return area_resize(shown, *GRID)


def test_the_page_looks_as_it_did(opened, dist):
    """``tiles.json`` has the means of the tiles of screenshots; a change that is meant is stored with WRITE_TILES=1."""
    page = opened(dist, reduced_motion="reduce")
    page.select_option("#model", label="fp32 – modnet_fp32.tflite")
    settled(page)
    page.evaluate("() => document.querySelectorAll('dd').forEach((item) => (item.style.visibility = 'hidden'))")
    found = {}
    for width, height in ((1280, 800), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found[f"{width}x{height} {scheme}"] = tiles(page.screenshot(animations="disabled"))
    if os.environ.get("WRITE_TILES"):
        TILES.write_text(json.dumps({name: np.round(item, 2).tolist() for name, item in found.items()}) + "\n")
    stored = json.loads(TILES.read_text())
    for name, item in found.items():
        off = np.abs(item - np.float32(stored[name]))
        assert off.max() < 0.12, name
        assert off.mean() < 0.015, name
