"""What the page consists of: every path that it may ask for, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from converters.errors import ExportError
from modnet_export.preview import litertjs
from modnet_export.record import manifest
from modnet_export.record.files import real, replaced_folder, writable_folder
from modnet_export.record.manifest import GoldenFile, Manifest

Site = Mapping[str, bytes | Path]
"""Paths as they stand in an address, and what lies there: bytes, or a file that is read when it is asked for."""

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tflite": "application/octet-stream",
}
INDEX = "index.html"
# Scripts, workers and WebAssembly from here alone, nothing inline, no address elsewhere: photographs cannot leave.
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    # Both give the page shared memory, which threads of WebAssembly need.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def site(dist: Path, runtime: Mapping[str, bytes]) -> Site:
    """The page for an exported folder, with LiteRT.js' files.

    Raises ExportError for a folder without a manifest, for one that names no TFLite model, and where a file that it
    names is missing or leads out of the folder.
    """
    recorded = manifest.load(dist)
    models = [item for item in recorded.artefacts if item.format == "tflite"]
    if not models:
        raise ExportError(
            f"{dist} holds no TFLite model: {', '.join(item.file for item in recorded.artefacts)}",
            where=dist / manifest.FILE_NAME,
            expected="a .tflite file: LiteRT.js runs nothing else",
            next_step="export again, with `formats=tflite`",
        )
    golden = recorded.golden
    names = [item.file for item in models] + ([golden.image.file, golden.matte.file] if golden else [])
    found: dict[str, bytes | Path] = {f"models/{name}": _inside(dist, name) for name in names}
    found["preview.json"] = _told(recorded)
    found.update({f"litert/{name}": data for name, data in runtime.items()})
    found.update(_page(files("modnet_export.preview") / "page"))
    return found


def _inside(dist: Path, name: str) -> Path:
    path = dist / name
    if not path.is_file() or real(path).parent != real(dist):
        raise ExportError(
            f"{name} is missing" if not path.is_file() else f"{name} is a link out of its folder",
            where=path,
            expected="the files that the manifest names, in the folder itself",
            next_step="export again, or copy the file to its place",
        )
    return path


def _told(recorded: Manifest) -> bytes:
    """What the page needs of the manifest."""

    def golden(file: GoldenFile) -> dict[str, str]:
        return {"file": file.file, "sha256": file.sha256}

    models = [
        {
            "file": item.file,
            "precision": item.precision,
            "bytes": item.bytes,
            "sha256": item.sha256,
            "image_dtype": item.contract.image.dtype,
            "matte_dtype": item.contract.matte.dtype,
            "passed": item.passed,
        }
        for item in recorded.artefacts
        if item.format == "tflite"
    ]
    told = {
        "source": recorded.source.name,
        "reference": recorded.reference,
        "litertjs": litertjs.VERSION,
        "height": recorded.size.height,
        "width": recorded.size.width,
        "models": models,
        "golden": recorded.golden and {"image": golden(recorded.golden.image), "matte": golden(recorded.golden.matte)},
    }
    return json.dumps(told, indent=1).encode()


def _page(folder: Traversable, prefix: str = "") -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for item in folder.iterdir():
        if item.is_dir():
            found |= _page(item, f"{prefix}{item.name}/")
        elif PurePosixPath(item.name).suffix in CONTENT_TYPES:
            found[prefix + item.name] = item.read_bytes()
    return found


def write(pages: Site, out: Path) -> None:
    """The page as a folder to host; other files that lie in ``out`` stay.

    ``_headers`` says which headers it needs, in the form that several hosts of static pages read. Without them the page
    runs on one thread.
    """
    writable_folder(out)
    headers = "".join(f"  {name}: {value}\n" for name, value in HEADERS.items() if name != "Cache-Control")
    kept = {item.name for item in out.iterdir()} if out.is_dir() else set()
    with replaced_folder(out, keep=kept) as fresh:
        for name, content in {**pages, "_headers": f"/*\n{headers}".encode()}.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
