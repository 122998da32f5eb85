"""``modnet-export preview``."""

from __future__ import annotations

import webbrowser
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from converters.errors import ExportError
from modnet_export.terminal.console import OUT, escape, say
from modnet_export.terminal.options import command
from modnet_export.terminal.progress import stages


@dataclass(frozen=True)
class PreviewOptions:
    dist: Annotated[Path, typer.Argument(help="A folder that an export wrote, with TFLite models.")] = Path("dist")
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port of this machine that serves the page. 0 takes any free one.")
    ] = 8642
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True
    phone: Annotated[
        bool,
        typer.Option(
            "--phone", help="Open the page on the Android phone at USB, so that its camera and its processor are used."
        ),
    ] = False
    static: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the page as a folder that you can host, and start no server."),
    ] = None


def preview(options: PreviewOptions) -> None:
    """Run the TFLite models live in a browser, on the webcam, photos and videos, with LiteRT.js."""
    from benchmarks.cli.phone import opened_on_phone
    from modnet_export.preview import litertjs, site
    from modnet_export.preview.server import Server

    if options.static is not None and options.phone:
        raise ExportError(
            "a page that is written to a folder is not opened on a phone",
            where="`phone`",
            expected="`phone` without `static`",
        )
    with stages() as progress:
        pages = site.site(options.dist, litertjs.files(progress))
    if options.static is not None:
        site.write(pages, options.static)
        say(escape(f"{options.static} is ready to be hosted. {_HOSTING}"))
        return
    server = Server(pages, options.port)
    with opened_on_phone(server.server_port, server.address) if options.phone else nullcontext():
        say(escape(f"{server.address}\nPhotographs and video stay in the browser. Ctrl-C ends the preview."))
        OUT.file.flush()  # where it is piped, the address is waited for
        if options.open_browser and not options.phone:
            webbrowser.open(server.address)
        server.serve()


_HOSTING = "The camera needs HTTPS, and threads the headers that stand in _headers."


def mount(app: typer.Typer) -> None:
    command(app, PreviewOptions)(preview)
