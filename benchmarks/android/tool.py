"""Where ``benchmark_model`` comes from: a file, or a download that is pinned by its SHA-256."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urldefrag, urlparse

from converters.errors import ExportError, needs
from modnet_export.record.files import cache, sha256

RELEASE = "https://storage.googleapis.com/litert/binaries/latest/android_arm64/benchmark_model"


def find(text: str | None) -> Path:
    """The tool that ``--benchmark-model`` names: a path, or ``https://...#sha256=HEX``, as pip writes pinned links.

    A download is kept by its hash, and never used with another one. Google publishes no hash of its builds, so
    there is no default to pin: the user says which build is trusted. Raises ExportError.
    """
    if text is None:
        raise ExportError(
            "measuring on Android needs benchmark_model, LiteRT's native tool",
            where="--benchmark-model",
            expected=f"a path, or a link with its hash: {RELEASE}#sha256=HEX",
            next_step="download that file, note `sha256sum benchmark_model`, and pass either",
        )
    if urlparse(text).scheme in ("http", "https"):
        return _download(text)
    path = Path(text)
    if not path.is_file():
        raise ExportError(f"there is no {text}", where="--benchmark-model", expected="benchmark_model for the device")
    return path


def _download(text: str) -> Path:
    url, fragment = urldefrag(text)
    digest = fragment.removeprefix("sha256=").lower()
    if not fragment.startswith("sha256=") or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise ExportError(
            "the link does not say which file is meant",
            where=f"--benchmark-model {text}",
            expected=f"{url}#sha256=HEX, 64 digits",
            next_step="take the hash from a file that you trust: sha256sum benchmark_model",
        )
    kept = cache() / digest / "benchmark_model"
    if kept.is_file() and sha256(kept) == digest:
        return kept
    needs("pooch", extra="android")
    import pooch

    try:
        pooch.get_logger().setLevel("ERROR")
        found = pooch.retrieve(url, f"sha256:{digest}", fname="benchmark_model", path=kept.parent)
    except ValueError as error:  # another hash; pooch has removed it
        raise ExportError(
            f"{url} is not the file that was named; the download was deleted",
            expected=f"SHA-256 {digest}",
            next_step="if the publisher has a new build, check it and pass its hash",
        ) from error
    except Exception as error:  # the HTTP library's own
        raise ExportError(
            f"cannot download benchmark_model: {(str(error) or type(error).__name__).splitlines()[0][:200]}",
            where=url,
            expected="a connection to it",
            next_step="run again when online, or pass the file itself: --benchmark-model PATH",
        ) from error
    return Path(found)
