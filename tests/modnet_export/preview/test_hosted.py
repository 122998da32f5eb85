"""The page as a folder, on a host that sends no headers of its own; and what waits for what while it opens."""

from __future__ import annotations

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import expect

from modnet_export.preview import site
from tests.modnet_export.preview.conftest import ready, serving


class Plain(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_without_headers_it_runs_on_one_thread_and_says_why(chromium, runtime, dist, tmp_path):
    site.write(site.site(dist, runtime), tmp_path / "page")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Plain, directory=str(tmp_path / "page")))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    page = chromium.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    ready(page)
    expect(page.locator("#runs")).to_contain_text("wasm (XNNPACK), 1 thread")
    expect(page.locator("#runs")).to_contain_text("not cross-origin isolated")
    expect(page.locator("#parity")).to_contain_text("0.00")
    page.close()
    server.shutdown()
    server.server_close()


class Held(dict):
    """A site that keeps LiteRT.js back until all that the first picture needs was asked for."""

    def __init__(self, pages):
        super().__init__(pages)
        self._wanted = {name for name in pages if name.startswith("models/") and name.endswith((".png", "fp32.tflite"))}
        self._all = threading.Event()
        self.came = None

    def get(self, name):
        self._wanted.discard(name)
        if not self._wanted:
            self._all.set()
        if name == "litert/core.js":
            self.came = self._all.wait(30)
        return super().get(name)


def test_the_first_model_and_the_photo_are_fetched_while_litertjs_is(opened, dist, runtime):
    pages = Held(site.site(dist, runtime))
    with serving(pages) as server:
        page = opened(server)
        assert pages.came
        expect(page.locator("#network")).to_have_text(re.compile(r"\d"))  # of the second run
