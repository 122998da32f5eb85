"""Where benchmark_model comes from."""

from __future__ import annotations

import http.server
import threading

import pytest

from benchmarks.android import tool
from converters.errors import ExportError
from modnet_export.record.files import sha256


@pytest.fixture
def served(tmp_path):
    """A local server with one file."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "benchmark_model").write_bytes(b"a tool")
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path / "www"))

        def log_message(self, *_):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/benchmark_model", asked
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_download_is_pinned_and_kept(served, tmp_path):
    url, asked = served
    digest = sha256(tmp_path / "www" / "benchmark_model")
    found = tool.find(f"{url}#sha256={digest}")
    assert found.read_bytes() == b"a tool"
    assert tool.find(f"{url}#sha256={digest.upper()}") == found
    assert len(asked) == 1


def test_another_file_is_deleted(served, cache):
    with pytest.raises(ExportError, match="not the file that was named"):
        tool.find(f"{served[0]}#sha256={'0' * 64}")
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "needs benchmark_model[^$]*sha256sum"),
        ("nothere", "there is no nothere"),
        ("https://example.com/x", "does not say which file is meant"),
        (f"http://127.0.0.1:1/x#sha256={'0' * 64}", "cannot download benchmark_model[^$]*pass the file itself"),
    ],
)
def test_mistakes_and_no_network(text, message):
    with pytest.raises(ExportError, match=message):
        tool.find(text)
