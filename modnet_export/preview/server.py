"""A server for this machine's own browser alone."""

from __future__ import annotations

import errno
import secrets
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

from converters.errors import ExportError
from modnet_export.preview.site import CONTENT_TYPES, HEADERS, INDEX, Site

LOOPBACK = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """Serves a site below a random name, on the loopback interface.

    Other pages in the browser, and other users of the machine, cannot guess the name; and a request is answered only
    where its Host is this server (a name that was bound to this address anew is not) and no other page sent it.
    Raises ExportError where the port is in use. ``port`` 0: any free one.
    """

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there, it would let two servers share a port

    def __init__(self, pages: Site, port: int) -> None:
        self.pages = pages
        self.name = secrets.token_urlsafe(16)
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise ExportError(
                f"port {port} is in use" if error.errno == errno.EADDRINUSE else f"you may not use port {port}",
                where=f"`port={port}`",
                expected="a free port",
                next_step="end what uses it (another preview?), or take any free one: `port=0`",
            ) from error

    @property
    def hosts(self) -> set[str]:
        return {f"{host}:{self.server_port}" for host in (LOOPBACK, "localhost")}

    @property
    def address(self) -> str:
        """What a browser opens."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.name}/"

    def serve(self) -> None:
        """Until Ctrl-C."""
        try:
            self.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        """Nothing: a terminal shows errors, and a page's requests are none."""

    def version_string(self) -> str:
        return "modnet-export"

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        status, name, content = self._found()
        self.send_response(status)
        for header, value in HEADERS.items():
            self.send_header(header, value)
        self.send_header("Content-Type", CONTENT_TYPES[PurePosixPath(name).suffix])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            try:
                self.wfile.write(content)
            except ConnectionError:  # the page was closed
                self.close_connection = True

    def _found(self) -> tuple[HTTPStatus, str, bytes]:
        if not self._is_ours():
            return HTTPStatus.FORBIDDEN, INDEX, b"This page is for the browser that modnet-export opened."
        # A path is a key of the site, never one of the file system: there is nothing to climb out of.
        token, slash, name = self.path.partition("?")[0].removeprefix("/").partition("/")
        name = name or INDEX
        is_named = secrets.compare_digest(token.encode(), self.server.name.encode())
        content = self.server.pages.get(name) if slash and is_named else None
        if isinstance(content, Path):
            try:
                content = content.read_bytes()
            except OSError:  # it was there when the server began
                content = None
        if content is None:
            return HTTPStatus.NOT_FOUND, INDEX, b"There is nothing here. The whole address stands in the terminal."
        return HTTPStatus.OK, name, content

    def _is_ours(self) -> bool:
        origin = self.headers.get("Origin")
        return (
            self.headers.get("Host") in self.server.hosts
            and (origin is None or origin.removeprefix("http://") in self.server.hosts)
            # A browser says who sent a request: the page itself, or nobody (an address that was typed).
            and self.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
        )
