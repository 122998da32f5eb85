"""LiteRT.js, Google's runtime for TFLite models in browsers (Apache-2.0): fetched once by npm, pinned by SHA-256."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from converters.errors import ExportError
from converters.progress import Progress, silent
from modnet_export.record.files import cache, sha256

VERSION = "2.5.3"
FOLDER_VARIABLE = "MODNET_EXPORT_LITERT_JS"
_SECONDS = 600


@dataclass(frozen=True)
class Package:
    """One package of npm, as ``npm pack`` writes it."""

    name: str
    sha256: str

    @property
    def specifier(self) -> str:
        return f"{self.name}@{VERSION}"

    @property
    def archive(self) -> str:
        return f"{self.name.removeprefix('@').replace('/', '-')}-{VERSION}.tgz"


CORE = Package("@litertjs/core", "a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd")
UTILITIES = Package("@litertjs/wasm-utils", "ce2a1f8379c067be49e59752e5a7f40db6be09f6e497f0f11e59f17b515366a7")

# With threads, without them, and for browsers without relaxed SIMD.
_BUILDS = ("threaded_", "", "compat_")


def files(progress: Progress = silent) -> dict[str, bytes]:
    """What a page loads of LiteRT.js, by its path: ``core.js``, ``wasm-utils.js`` and ``wasm/...``.

    npm fetches the two packages where they are not in the cache: with its own registry, proxy and retries. A folder
    with the two archives, in the environment variable ``MODNET_EXPORT_LITERT_JS``, stands in for both. Raises
    ExportError when there is no npm, when it cannot fetch them, and when an archive has another hash.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    core, utilities = (
        _in_folder(item, Path(named)) if named else _cached(item, progress) for item in (CORE, UTILITIES)
    )
    builds = [f"litert_wasm_{build}internal{suffix}" for build in _BUILDS for suffix in (".js", ".wasm")]
    found = _members(core, {"core.js": "dist/index.js", **{f"wasm/{build}": f"wasm/{build}" for build in builds}})
    # A worker has no import map that could say where a bare name leads.
    found["core.js"] = found["core.js"].replace(f'"{UTILITIES.name}"'.encode(), b'"./wasm-utils.js"')
    return found | _members(utilities, {"wasm-utils.js": "dist/index.js"})


def here() -> str | None:
    """Where LiteRT.js is, or what would fetch it; None: nothing would. For ``doctor``."""
    folder = Path(os.environ.get(FOLDER_VARIABLE) or _folder())
    if all((folder / item.archive).is_file() for item in (CORE, UTILITIES)):
        return f"LiteRT.js {VERSION} in {folder}"
    return f"{npm} fetches it" if (npm := shutil.which("npm")) else None


def _folder() -> Path:
    return cache() / "litert.js"


def _members(archive: Path, wanted: dict[str, str]) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {name: opened.extractfile(f"package/{member}").read() for name, member in wanted.items()}  # type: ignore[union-attr]


def _in_folder(package: Package, folder: Path) -> Path:
    path = folder / package.archive
    found = sha256(path) if path.is_file() else "no such file"
    if found != package.sha256:
        raise ExportError(
            f"{path.name} is not the one that was tested",
            where=path,
            expected=f"SHA-256 {package.sha256}, found {found}",
            next_step=f"npm pack {package.specifier}, in that folder",
        )
    return path


def _cached(package: Package, progress: Progress) -> Path:
    folder = _folder()
    kept = folder / package.archive
    if kept.is_file() and sha256(kept) == package.sha256:
        return kept
    npm = shutil.which("npm")
    if npm is None:
        raise ExportError(
            "LiteRT.js is not here yet, and npm, which fetches it, is missing",
            where=kept,
            expected="npm of Node.js, once; 12 MB are then kept",
            next_step=f"install Node.js; or, where npm is, `npm pack {CORE.specifier} {UTILITIES.specifier}`, "
            f"and set {FOLDER_VARIABLE} to the folder with the two files",
        )
    progress(f"fetching {package.specifier}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as fresh:
        command = [npm, "pack", "--silent", package.specifier]
        try:
            subprocess.run(command, cwd=fresh, check=True, capture_output=True, text=True, timeout=_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
            raise ExportError(
                f"cannot fetch LiteRT.js, which is not in the cache yet: {lines[-1][:300]}",
                where=package.specifier,
                expected="a connection to npm's registry, once; 12 MB are then kept",
                next_step=f"try again when online, or set {FOLDER_VARIABLE} to a folder with {CORE.archive} "
                f"and {UTILITIES.archive}",
            ) from error
        _in_folder(package, Path(fresh)).replace(kept)
    return kept
