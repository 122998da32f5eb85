"""Somebody else's packages called ``converters`` or ``benchmarks``: one clear error, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = ("converters", "benchmarks")
# Each in a process of its own.
pytestmark = pytest.mark.long

# As the installed script does; a module's name would put the current directory first.
COMMAND = "import sys; sys.argv = ['bin/modnet-export', '--help']; from modnet_export.cli import main; main()"


def python(*arguments: str, first: Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with a folder in front of the repository on its path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(first), str(ROOT)])}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=cwd or first, capture_output=True, text=True, timeout=60
    )


def package(folder: Path, name: str) -> Path:
    """A package that says when it is run."""
    made = folder / name / "__init__.py"
    made.parent.mkdir(parents=True)
    made.write_text("print('run')\n")
    return made


def installed(folder: Path, name: str, owner: str) -> Path:
    """The same as a distribution, the way pip leaves it behind."""
    made = package(folder, name)
    record = folder / f"{owner.replace('-', '_')}-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {owner}\nVersion: 1.0\n")
    (record / "top_level.txt").write_text(f"{name}\n")
    (record / "RECORD").write_text(f"{name}/__init__.py,,\n")
    return made


def assert_one_screen(text: str, *parts: object) -> None:
    lines = text.splitlines()
    assert len(lines) == 4, text
    assert "Traceback" not in text
    for part in parts:
        assert str(part) in text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("start", [("-c", COMMAND), ("-m", "modnet_export", "--help")], ids=["script", "module"])
def test_the_command_ends_with_one_screen(tmp_path, name, start):
    made = package(tmp_path, name)
    done = python(*start, first=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert_one_screen(done.stderr, f"`{name}`", made, ROOT / name, "PYTHONPATH")


@pytest.mark.parametrize("name", NAMES)
def test_the_distribution_that_has_the_name_is_named(tmp_path, name):
    made = installed(tmp_path, name, "somebody-elses")
    done = python("-c", COMMAND, first=tmp_path)
    assert done.returncode == 2
    assert_one_screen(done.stderr, made, "installed by somebody-elses", "an environment without somebody-elses")


@pytest.mark.parametrize("name", NAMES)
def test_a_single_file_takes_a_name_as_well(tmp_path, name):
    made = tmp_path / f"{name}.py"
    made.write_text("print('run')\n")
    done = python("-m", "modnet_export", "--help", first=tmp_path)
    assert done.returncode == 2
    assert_one_screen(done.stderr, made)


@pytest.mark.parametrize("name", NAMES)
def test_importing_raises_the_same_as_an_import_error(tmp_path, name):
    made = package(tmp_path, name)
    code = "try:\n    import modnet_export\nexcept ImportError as error:\n    print(error)"
    done = python("-c", code, first=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert_one_screen(done.stdout, made)


@pytest.mark.parametrize("made", ["types.ModuleType('converters')", "__import__('converters')"], ids=["hand", "theirs"])
def test_what_is_already_imported_counts(tmp_path, made):
    package(tmp_path, "converters")
    code = f"import sys, types; sys.modules['converters'] = {made}; import modnet_export"
    done = python("-c", code, first=tmp_path)
    assert done.returncode == 1
    assert "modnet-export needs its own package `converters`" in done.stderr


def test_an_install_without_one_of_its_packages_says_so(tmp_path):
    (tmp_path / "modnet_export").symlink_to(ROOT / "modnet_export")
    (tmp_path / "converters").symlink_to(ROOT / "converters")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import modnet_export"
    command = [sys.executable, "-S", "-c", code]  # without what is installed
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=60)
    assert "its package `benchmarks` is missing" in done.stderr


def test_a_folder_of_files_that_is_no_package_is_in_nobodys_way(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    done = python("-m", "modnet_export", "--help", first=tmp_path)
    assert done.returncode == 0, done.stderr
