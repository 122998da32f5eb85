"""Where ``benchmark_model`` comes from: a file, or a download that is pinned by its SHA-256."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urldefrag, urlparse

from converters.errors import ExportError, needs, reason
from modnet_export.record.files import cache, sha256

# A version, because the latest build is another tool tomorrow.
RELEASE = "https://storage.googleapis.com/litert/binaries/2.2.0/android_arm64/benchmark_model"


def find_all(text: str | None) -> tuple[Path, ...]:
    """The tools that a user names for several ABIs, separated by commas; see ``find``."""
    if text is None or Path(text).is_file():
        return (find(text),)
    return tuple(map(find, text.split(",")))


def find(text: str | None) -> Path:
    """The tool that a user names: by a path, or by a link with its hash, ``https://...#sha256=HEX``, as pip writes it.

    A download is kept under its hash and is only ever used with that hash. Google publishes no hashes of its builds,
    so there is no default: the user says which build to trust. Raises ExportError.
    """
    if text is None:
        raise ExportError(
            "measuring on Android needs benchmark_model, LiteRT's native tool",
            where="`benchmark_model`",
            expected=f"a path, or a link with its hash: {RELEASE}#sha256=HEX",
            next_step="download that file, note what sha256sum prints for it, and pass either",
        )
    if urlparse(text).scheme in ("http", "https"):
        return _download(text)
    path = Path(text)
    if not path.is_file():
        raise ExportError(f"there is no {text}", where="`benchmark_model`", expected="benchmark_model for the device")
    return path


def _download(text: str) -> Path:
    url, fragment = urldefrag(text)
    digest = fragment.removeprefix("sha256=").lower()
    if not fragment.startswith("sha256=") or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise ExportError(
            "the link does not say which file is meant",
            where=f"`benchmark_model={text}`",
            expected=f"{url}#sha256=HEX, 64 digits",
            next_step="take the hash from a file that you trust, with sha256sum",
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
            f"cannot download benchmark_model: {reason(error)}",
            where=url,
            expected="a connection to it",
            next_step="try again when online, or pass the file itself: `benchmark_model=FILE`",
        ) from error
    return Path(found)
