"""The page as a folder, on a host that sends no headers of its own."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import expect

from modnet_export.preview import site
from tests.modnet_export.preview.conftest import ready


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
