"""Downloads, against a local server that speaks the hub's protocol: metadata, ranges, and a connection that breaks."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

# As large as the official files; the hub's client keeps what it has in steps of 10 MiB.
STEP = 10 * 1024**2
CONTENT = os.urandom(26_000_000)
ETAG = hashlib.sha256(CONTENT).hexdigest()


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def _head(self) -> tuple[int, int]:
        start = 0
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
        self.server.requests.append((self.command, self.path, start))
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{ETAG}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        return start, len(CONTENT)

    def do_HEAD(self):
        self._head()

    def do_GET(self):
        start, stop = self._head()
        if self.server.break_after is not None and self.path.endswith(".ckpt"):
            stop, self.server.break_after = start + self.server.break_after, None
        try:
            self.wfile.write(CONTENT[start:stop])
        except ConnectionError:
            return
        self.close_connection = stop < len(CONTENT)


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.requests, server.break_after = [], None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def fetch(home, *, endpoint="http://127.0.0.1:9", sha256=ETAG, offline=False):
    """In a process of its own: the hub's client reads its settings once."""
    code = textwrap.dedent(f"""
        from converters.errors import ExportError
        from modnet_export.model.hub import HubFile, fetch
        try:
            print(fetch(HubFile("someone/some-models", "models/weights.ckpt", "{sha256}")))
        except ExportError as error:
            print(error)
            raise SystemExit(error.exit_code)
    """)
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k != "HF_HUB_OFFLINE"}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_HUB_OFFLINE": "1"} if offline else {}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)


def address(server):
    return f"http://127.0.0.1:{server.server_port}"


def gets(server):
    return [start for method, path, start in server.requests if method == "GET" and path.endswith(".ckpt")]


def test_file_is_downloaded_once_and_then_cached(hub, tmp_path):
    for _ in range(2):
        done = fetch(tmp_path, endpoint=address(hub))
        assert done.returncode == 0, done.stdout + done.stderr
    from pathlib import Path

    assert Path(done.stdout.strip()).read_bytes() == CONTENT
    assert gets(hub) == [0]
    assert ("GET", "/someone/some-models/resolve/main/models/weights.ckpt", 0) in hub.requests


def test_broken_download_goes_on_where_it_stopped(hub, tmp_path):
    hub.break_after = STEP + 1_000_000
    done = fetch(tmp_path, endpoint=address(hub))
    assert done.returncode == 0, done.stdout + done.stderr
    assert gets(hub) == [0, STEP]


def test_killed_download_goes_on_in_the_next_run(hub, tmp_path):
    folder = tmp_path / "modnet-export" / ETAG
    folder.mkdir(parents=True)
    (folder / "weights.part").write_bytes(CONTENT[:2_000_000])
    done = fetch(tmp_path, endpoint=address(hub))
    assert done.returncode == 0, done.stdout + done.stderr
    assert gets(hub) == [2_000_000]
    assert (folder / "weights.ckpt").read_bytes() == CONTENT


def test_file_with_another_hash_is_refused_and_deleted(hub, tmp_path):
    done = fetch(tmp_path, endpoint=address(hub), sha256="0" * 64)
    assert done.returncode == 2
    assert "is not the official file; the download was deleted" in done.stdout
    assert ETAG in done.stdout
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size >= len(CONTENT)]


@pytest.mark.parametrize("how", ["offline", "refused"])
def test_no_network_is_one_clear_error(tmp_path, how):
    done = fetch(tmp_path, offline=how == "offline")
    assert done.returncode == 2
    assert "cannot download weights.ckpt" in done.stdout
    assert "`checkpoint=PATH`" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_cached_file_needs_no_network(hub, tmp_path):
    assert fetch(tmp_path, endpoint=address(hub)).returncode == 0
    assert fetch(tmp_path, endpoint=address(hub), offline=True).returncode == 0


def test_official_files_are_pinned():
    from modnet_export.model.hub import OFFICIAL

    assert set(OFFICIAL) == {"photographic", "webcam"}
    assert OFFICIAL["photographic"].sha256.startswith("7c22235f")
    assert OFFICIAL["webcam"].sha256.startswith("913b82b6")
