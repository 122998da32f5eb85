"""Packages of Debian in a folder: their signatures are checked, the system is left alone; ``install`` needs root."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

_SOURCE = "http://deb.debian.org/debian"
_KEYS = "usr/share/keyrings/debian-archive-keyring.gpg"
_SECONDS = 1800


def available() -> bool:
    """Whether this system has Debian's tools."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def call(command: Sequence[str], folder: Path | None = None) -> None:
    """Run a command of at most half an hour; raises OSError or subprocess.SubprocessError with what it printed."""
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_SECONDS)


def unpack(root: Path, names: Sequence[str], suites: Sequence[str], architecture: str | None = None) -> dict[str, str]:
    """Unpack packages (``NAME`` or ``NAME/SUITE``, without what they depend on) of Debian's ``suites`` into ``root``.

    Returns the version of each. Raises OSError or subprocess.SubprocessError.
    """
    with keyring() as keys:
        return _unpack(root, names, suites, architecture, keys)


@contextmanager
def keyring() -> Iterator[Path]:
    """The keys that Debian signs with. Raises OSError or subprocess.SubprocessError."""
    keys = Path("/") / _KEYS
    if keys.is_file():
        yield keys
        return
    with tempfile.TemporaryDirectory(prefix="keys.") as name:  # Ubuntu has it as a package
        _unpack(Path(name) / "root", ("debian-archive-keyring",), (), None, None)
        yield Path(name) / "root" / _KEYS


def install(root: Path, names: Sequence[str], suite: str, downloads: Path) -> None:
    """Make a whole system of ``suite`` with these packages in the folder ``root``, which must not exist yet.

    Needs root. What was downloaded is kept in ``downloads``: after an interruption it is not fetched again. Raises
    OSError or subprocess.SubprocessError.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    with keyring() as keys, tempfile.TemporaryDirectory(prefix="debootstrap.") as name:
        program = Path(name) / "root"
        unpack(program, ("debootstrap",), (suite,))
        # Its mounts are seen by no other process, and end with it.
        call([
            "nice", "-n", "10", "unshare", "--mount",
            "env", f"DEBOOTSTRAP_DIR={program / 'usr/share/debootstrap'}", f"{program / 'usr/sbin/debootstrap'}",
            "--variant=minbase", f"--keyring={keys}", f"--cache-dir={downloads}", f"--include={','.join(names)}",
            suite, str(root), _SOURCE,
        ])  # fmt: skip
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()


def _unpack(
    root: Path, names: Sequence[str], suites: Sequence[str], architecture: str | None, keys: Path | None
) -> dict[str, str]:
    """Packages signed with one of ``keys``; without keys, from this system's own sources."""
    with tempfile.TemporaryDirectory(prefix="apt.") as scratch:
        state = Path(scratch)
        (state / "lists" / "partial").mkdir(parents=True)
        (state / "cache" / "archives" / "partial").mkdir(parents=True)
        (state / "status").touch()
        options = [
            f"-oDir::State={state}", f"-oDir::State::status={state / 'status'}",
            f"-oDir::State::Lists={state / 'lists'}", f"-oDir::Cache={state / 'cache'}", "-oAPT::Sandbox::User=",
        ]  # fmt: skip
        if architecture is not None:
            options += [f"-oAPT::Architecture={architecture}", f"-oAPT::Architectures={architecture}"]
        if keys is not None:
            lines = [f"deb [signed-by={keys}] {_SOURCE} {suite} main\n" for suite in suites]
            (state / "sources.list").write_text("".join(lines), encoding="utf-8")
            options += [f"-oDir::Etc::sourcelist={state / 'sources.list'}", "-oDir::Etc::sourceparts=/dev/null"]
        for command in (["update", "-q"], ["download", "-q", *names]):
            call(["apt-get", *options, *command], state)
        root.mkdir(parents=True, exist_ok=True)
        versions: dict[str, str] = {}
        for package in sorted(state.glob("*.deb")):
            call(["dpkg-deb", "-x", str(package), str(root)])
            name, version, _ = unquote(package.stem).split("_")
            versions[name] = version
        return versions
