"""Swift's tools, each as one call: this machine's own, or those in the Debian that ``make setup-apps`` made."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.apps import toolchains
from tests.apps.vectors import VECTORS

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "ios_demo"
KIT = DEMO / "MattingKit"
APP = DEMO / "App"
CORE = APP / "Core"
# What is mounted is seen by no other process, and ends with this one. The compiler finds its libraries by /proc.
_ENTER = """
root=$1 mounts=$2; shift 2
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" || exit
for folder in $mounts; do mount --bind "$folder" "$root$folder" || exit; done
exec chroot "$root" "$@"
"""
Done = subprocess.CompletedProcess[str]


def run(
    *command: str | Path, folders: Sequence[Path] = (), environment: Mapping[str, str | Path] | None = None
) -> Done:
    """Run one of Swift's programs; it sees the repository, the cache and ``folders``, at the paths that they have here.

    Raises ExportError where there is no Swift.
    """
    # Its compiler leaves a folder of temporary files behind at each call.
    with tempfile.TemporaryDirectory() as temporary:
        return _run(command, [*folders, Path(temporary)], {**(environment or {}), "TMPDIR": temporary})


def _run(command: Sequence[str | Path], folders: Sequence[Path], environment: Mapping[str, str | Path]) -> Done:
    own = toolchains.own_swift()
    settings = [f"{name}={value}" for name, value in environment.items()]
    if own is not None:
        program = own.with_name(str(command[0]))
        call: list[str | Path] = ["nice", "-n", "10", "env", *settings, program, *command[1:]]
    else:
        root = toolchains.swift_root()
        # Whole top folders: a mount needs a folder to lie on, and the root is not to be filled with those of each test.
        tops = sorted({Path("/", folder.resolve().parts[1]) for folder in (ROOT, toolchains.folder(), *folders)})
        for top in tops:
            (root / top.relative_to("/")).mkdir(exist_ok=True)
        mounts = " ".join(map(str, tops))
        call = [
            "nice", "-n", "10", "unshare", "--mount", "sh", "-c", _ENTER, "sh", root, mounts,
            "env", f"--chdir={ROOT}", f"HOME={toolchains.folder() / 'swift-build'}", *settings, *command,
        ]  # fmt: skip
    # Not at /, where ``swift format`` loses the first letters of each path.
    return subprocess.run(
        [str(part) for part in call], cwd=ROOT, capture_output=True, text=True, check=False, timeout=500
    )


def _package(action: str, package: Path, *options: str | Path, **environment: str | Path) -> Done:
    # Kept from run to run: what did not change is not compiled again.
    name = hashlib.sha256(str(package).encode()).hexdigest()[:16]
    scratch = toolchains.folder() / "swift-build" / name
    scratch.mkdir(parents=True, exist_ok=True)
    folders = [package, *(Path(value) for value in environment.values())]
    places = ("--package-path", package, "--scratch-path", scratch)
    return run(
        "swift", action, *places, "-Xswiftc", "-warnings-as-errors", *options, folders=folders, environment=environment
    )


def build(package: Path = KIT) -> Done:
    """``swift build``: a warning is an error."""
    return _package("build", package)


def test(package: Path = KIT, *options: str, **environment: str | Path) -> Done:
    """``swift test``. ``environment`` names files and folders that the tests read."""
    return _package("test", package, *options, **({"MODNET_VECTORS": VECTORS} | environment))


def lint(*paths: Path) -> Done:
    """``swift format lint`` by the ``.swift-format`` above each file: what is found is an error."""
    return run("swift", "format", "lint", "--strict", "--recursive", *paths, folders=paths)


def module(name: str, sources: Sequence[Path], into: Path) -> Done:
    """``sources`` as a module, beside those that it imports; tests may look into it."""
    path = into / f"{name}.swiftmodule"
    return _swiftc(
        "-emit-module", "-enable-testing", "-module-name", name, "-emit-module-path", path, *sources, modules=into
    )


def typecheck(sources: Sequence[Path], modules: Path) -> Done:
    """``sources`` as a module; those that they import lie in ``modules``."""
    return _swiftc("-typecheck", *sources, modules=modules)


def _swiftc(*arguments: str | Path, modules: Path) -> Done:
    """In Swift 6's language mode, with strict concurrency; a warning is an error."""
    paths = [item.parent for item in arguments if isinstance(item, Path)]
    options = ("-swift-version", "6", "-warnings-as-errors", "-parse-as-library", "-wmo", "-I", modules)
    return run("swiftc", *options, *arguments, folders=[*paths, modules])
