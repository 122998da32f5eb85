"""The preview served, and real browsers to see it with."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from converters.eight_bit import to_bytes
from modnet_export.images.imaging import Pixels, read_image, resize
from modnet_export.preview import litertjs, site
from modnet_export.preview.server import Server
from modnet_export.record.files import cache

PORTRAITS = Path(__file__).parents[3] / "modnet_export/data/portraits"
CLIP_SIZE = (240, 320)
CLIP_FRAMES = 24


@pytest.fixture(scope="session")
def runtime() -> dict[str, bytes]:
    """LiteRT.js' files."""
    for package in (litertjs.CORE, litertjs.UTILITIES):
        if not (cache() / "litert.js" / package.archive).is_file():
            pytest.skip("LiteRT.js is not here: make setup-preview")
    return litertjs.files()


@contextmanager
def serving(pages: site.Site) -> Iterator[Server]:
    server = Server(pages, 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def served(runtime) -> Iterator[Callable[[Path], Server]]:
    """``served(dist)``: a running server of the page for a folder."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda dist: stack.enter_context(serving(site.site(dist, runtime)))


def moving_portrait() -> list[tuple[Pixels, Pixels]]:
    """A portrait that moves before a plain wall: each frame's image and its true alpha."""
    image, alpha = (resize(read_image(PORTRAITS / f"calibrate_01{end}"), *CLIP_SIZE) for end in (".jpg", "_alpha.png"))
    alpha = alpha[..., :1]
    rows, columns = np.mgrid[: CLIP_SIZE[0], : CLIP_SIZE[1]]
    wall = np.stack([0.3 + 0.2 * rows / CLIP_SIZE[0], 0.5 - 0.1 * columns / CLIP_SIZE[1], 0.5 + 0 * rows], axis=2)
    frames = []
    for number in range(CLIP_FRAMES):
        shift = np.float32([[1, 0, 40 * np.sin(2 * np.pi * number / CLIP_FRAMES)], [0, 1, 0]])
        moved, seen = (
            cv2.warpAffine(item, shift, CLIP_SIZE[::-1]).reshape(*CLIP_SIZE, -1) for item in (image * alpha, alpha)
        )
        frames.append(((moved + (1 - seen) * wall).astype(np.float32), seen[..., 0]))
    return frames


@pytest.fixture(scope="session")
def clip(shared) -> Path:
    """The portrait as a camera of Chromium's takes it, and as a video file. Read only."""

    def make(folder: Path) -> None:
        height, width = CLIP_SIZE
        frames = [to_bytes(image) for image, _ in moving_portrait()]
        with (folder / "camera.y4m").open("wb") as file:
            file.write(f"YUV4MPEG2 W{width} H{height} F15:1 Ip A1:1 C420jpeg\n".encode())
            for frame in frames:
                file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
        writer = cv2.VideoWriter(str(folder / "clip.webm"), cv2.VideoWriter.fourcc(*"VP80"), 15, (width, height))
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()

    return shared("preview-clip", make)


@contextmanager
def launched(*arguments: str):
    """This machine's Chromium; the test is skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        running = engine.chromium.launch(executable_path=path, args=["--no-sandbox", *arguments])
        yield running
        running.close()


@pytest.fixture(scope="module")
def chromium(clip):
    """A Chromium whose camera shows the clip."""
    film = f"--use-file-for-fake-video-capture={clip / 'camera.y4m'}"
    with launched("--use-fake-device-for-media-stream", film) as browser:
        yield browser


@pytest.fixture
def opened(chromium, served):
    """``opened(dist)``: the page in Chromium, ready; all that it complains of is an error."""
    contexts = []

    def get(dist: Path | Server, **options):
        server = dist if isinstance(dist, Server) else served(dist)
        context = chromium.new_context(**{"permissions": ["camera"], **options})
        contexts.append(context)
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda line: page.errors.append(line.text) if refused(line.text) else None)
        page.goto(server.address)
        ready(page)
        return page

    yield get
    for context in contexts:
        for page in context.pages:
            assert not page.errors
        context.close()


def refused(line: str) -> bool:
    """Whether a line of the console says that the page broke its own policy, or lacks a file."""
    return "Content Security Policy" in line or "Failed to load resource" in line or "Permissions policy" in line


# The page's own modules: importing one again gives the one that runs.
APP = 'const app = await import(new URL("js/app.js", location.href));'


def ready(page) -> None:
    page.evaluate(f"async () => {{ {APP} await app.ready; }}")


def settled(page) -> None:
    """Until the page has done what was asked of it."""
    page.evaluate(f"async () => {{ {APP} await app.settled(); }}")


def film(page) -> None:
    """Open the camera; until some of its frames were run."""
    from playwright.sync_api import expect

    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.locator("#rate")).to_have_text(re.compile(r"\d"), timeout=60_000)


def last_frame(page) -> dict[str, np.ndarray]:
    """The last frame that the network ran on: RGB bytes, and the output of each model."""
    import base64

    found = page.evaluate(f"""async () => {{
        {APP}
        const base64 = (array) => {{
            let text = "";
            const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
            for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
            return btoa(text);
        }};
        const {{ height, width, rgba, outputs }} = await app.engine.call("lastFrame");
        return {{ height, width, rgba: base64(rgba), outputs: outputs.map(base64) }};
    }}""")
    rgba = np.frombuffer(base64.b64decode(found["rgba"]), np.uint8).reshape(found["height"], found["width"], 4)
    outputs = [np.frombuffer(base64.b64decode(item), np.float32) for item in found["outputs"]]
    return {"image": rgba[..., :3], "outputs": outputs}
