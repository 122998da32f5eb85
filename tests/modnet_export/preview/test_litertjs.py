"""LiteRT.js comes from npm once, is used only with its hash, and its absence is said clearly."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from converters.errors import ExportError
from modnet_export.preview import litertjs
from modnet_export.preview.litertjs import Package


def packed(name: str, **members: bytes) -> bytes:
    """A package as npm's registry holds it."""
    target = io.BytesIO()
    members |= {"package.json": json.dumps({"name": name, "version": litertjs.VERSION}).encode()}
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for path, data in members.items():
            info = tarfile.TarInfo(f"package/{path}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


BUILDS = {
    f"wasm/litert_wasm_{build}internal{end}": f"{build}{end}".encode()
    for build in ("threaded_", "", "compat_")
    for end in (".js", ".wasm")
}
CONTENT = {
    "@litertjs/core": packed(
        "@litertjs/core", **{"dist/index.js": b'import { a } from "@litertjs/wasm-utils";'}, **BUILDS
    ),
    "@litertjs/wasm-utils": packed("@litertjs/wasm-utils", **{"dist/index.js": b"export const a = 1;"}),
}


class Registry(BaseHTTPRequestHandler):
    """npm's registry, as far as ``npm pack`` asks it."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        path = self.path.replace("%2f", "/").replace("%2F", "/").strip("/")
        host = f"http://127.0.0.1:{self.server.server_port}"
        if path.endswith(".tgz"):
            data = self.server.content[path.removesuffix(".tgz")]
        else:
            dist = {
                "tarball": f"{host}/{path}.tgz",
                "shasum": hashlib.sha1(self.server.content[path]).hexdigest(),
            }
            version = {"name": path, "version": litertjs.VERSION, "dist": dist}
            document = {"name": path, "dist-tags": {"latest": litertjs.VERSION}}
            data = json.dumps({**document, "versions": {litertjs.VERSION: version}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def registry(monkeypatch, tmp_path):
    if shutil.which("npm") is None:
        pytest.skip("no npm")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    server.asked, server.content = [], dict(CONTENT)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path / "cache"))
    for name, item in (("CORE", litertjs.CORE), ("UTILITIES", litertjs.UTILITIES)):
        monkeypatch.setattr(litertjs, name, Package(item.name, hashlib.sha256(CONTENT[item.name]).hexdigest()))
    yield server
    server.shutdown()
    server.server_close()


def kept(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache/litert.js").iterdir())


@pytest.mark.long
def test_it_is_fetched_once_and_its_worker_finds_its_parts(registry, tmp_path):
    found = litertjs.files()
    assert found["core.js"] == b'import { a } from "./wasm-utils.js";'
    assert found["wasm/litert_wasm_threaded_internal.wasm"] == b"threaded_.wasm"
    assert len(found) == 2 + len(BUILDS)
    assert litertjs.here() == f"LiteRT.js {litertjs.VERSION} in {tmp_path / 'cache/litert.js'}"
    asked = len(registry.asked)
    assert asked >= 4
    assert litertjs.files() == found
    assert len(registry.asked) == asked
    # A file that was damaged since is fetched anew.
    damaged = tmp_path / "cache/litert.js" / litertjs.CORE.archive
    damaged.write_bytes(b"damaged")
    assert litertjs.files() == found


@pytest.mark.long
def test_another_file_than_was_tested_is_refused_and_not_kept(registry, tmp_path):
    registry.content["@litertjs/wasm-utils"] = packed("@litertjs/wasm-utils", **{"dist/index.js": b"evil()"})
    with pytest.raises(ExportError, match="is not the one that was tested"):
        litertjs.files()
    assert kept(tmp_path) == [litertjs.CORE.archive]  # what was right is kept: the next run goes on from there


@pytest.mark.long
def test_without_a_connection_it_says_what_to_do(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    with pytest.raises(ExportError) as error:
        litertjs.files()
    assert "not in the cache yet" in str(error.value)
    assert litertjs.FOLDER_VARIABLE in str(error.value)
    assert kept(tmp_path) == []


def test_without_npm_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert litertjs.here() is None
    with pytest.raises(ExportError, match=r"npm, which fetches it, is missing(.|\n)*install Node.js"):
        litertjs.files()


def test_a_folder_with_the_archives_stands_in(monkeypatch, tmp_path):
    monkeypatch.setenv(litertjs.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(ExportError, match="no such file"):
        litertjs.files()
    for name, item in (("CORE", litertjs.CORE), ("UTILITIES", litertjs.UTILITIES)):
        (tmp_path / item.archive).write_bytes(CONTENT[item.name])
        monkeypatch.setattr(litertjs, name, Package(item.name, hashlib.sha256(CONTENT[item.name]).hexdigest()))
    assert litertjs.files()["wasm-utils.js"] == b"export const a = 1;"
