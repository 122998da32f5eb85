"""WebGPU, in software (SwiftShader): in a file of its own, for Playwright runs one browser at a time."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.modnet_export.preview.conftest import launched, ready, settled


@pytest.mark.parametrize(
    ("same", "runs"), [("1e-3", "WebGPU, float32"), ("1e-12", "WebGPU is not used: its matte is off")]
)
def test_webgpu_runs_where_its_matte_is_the_same(served, dist, same, runs):
    """The other matte is had by asking for more than float32 can give."""
    server = served(dist)
    module = server.pages["js/session.js"]
    changed = module.replace(b"SAME = 1e-3", b"SAME = " + same.encode())
    assert (changed == module) == (same == "1e-3")
    server.pages["js/session.js"] = changed
    with launched("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader") as browser:
        page = browser.new_page()
        page.goto(server.address)
        ready(page)
        page.select_option("#backend", label="WebGPU, where its matte is the same")
        expect(page.locator("#runs")).to_contain_text(runs, timeout=120_000)
        settled(page)
        expect(page.locator("#runs")).to_contain_text(
            "WebGPU's matte was compared" if same == "1e-3" else "wasm (XNNPACK)"
        )
