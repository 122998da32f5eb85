"""The server answers the page that it serves, and nobody else."""

from __future__ import annotations

import http.client
import socket

import pytest

from converters.errors import ExportError
from modnet_export.preview import site
from modnet_export.preview.server import Server
from tests.modnet_export.preview.conftest import serving
from tests.modnet_export.ship.exports import export


@pytest.fixture
def server(tmp_path):
    dist = export(tmp_path / "dist")
    (tmp_path / "secret.json").write_text("{}")
    (dist / "photo.png").write_bytes(b"private")
    with serving(site.site(dist, {})) as running:
        yield running


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def test_the_page_and_its_files_are_served_isolated(server):
    status, headers, body = ask(server, f"/{server.name}/")
    assert status == 200
    assert b"<title>MODNet preview</title>" in body
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    policy = headers["Content-Security-Policy"]
    assert "'wasm-unsafe-eval'" in policy
    assert "'unsafe-eval'" not in policy
    assert "unsafe-inline" not in policy
    assert "http" not in policy
    status, headers, body = ask(server, f"/{server.name}/models/modnet_fp32.tflite", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 1000


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/index.html",
        "/{name}",
        "/wrong/index.html",
        "/{name}/../secret.json",
        "/{name}/models/../../secret.json",
        "/{name}/models/%2e%2e/%2e%2e/secret.json",
        "/{name}/models//etc/passwd",
        "/{name}/models/photo.png",
        "/{name}/models/modnet_fp32.onnx",
        "/{name}/models/",
        "*",
    ],
)
def test_nothing_else_is_found(server, path):
    status, _, body = ask(server, path.format(name=server.name))
    assert status == 404
    assert b"private" not in body


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},  # a name that was bound to this address anew
        {"Host": "127.0.0.1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_other_pages_are_refused(server, headers):
    status, _, body = ask(server, f"/{server.name}/preview.json", **headers)
    assert status == 403
    assert b"sha256" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_taken(server, method):
    assert ask(server, f"/{server.name}/preview.json", method)[0] == 501


def test_it_listens_on_the_loopback_interface_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    addresses = {item[4][0] for item in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        if not address.startswith("127."):
            with pytest.raises(OSError):
                socket.create_connection((address, server.server_port), timeout=2)


def test_every_start_has_another_name(tmp_path):
    with serving({}) as one, serving({}) as other:
        assert one.name != other.name
        assert len(one.name) >= 20


def test_a_port_in_use_is_an_error():
    with serving({}) as running, pytest.raises(ExportError) as error:
        Server({}, running.server_port)
    assert f"port {running.server_port} is in use" in str(error.value)
    assert error.value.exit_code == 2


def test_a_file_that_went_away_is_not_found(server):
    server.pages["models/modnet_fp32.tflite"].unlink()
    assert ask(server, f"/{server.name}/models/modnet_fp32.tflite")[0] == 404
