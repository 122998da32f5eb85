"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("converters", "modnet_export", "benchmarks")
LONGEST = 400
# They run in the environments of other converters, and start when they are imported.
SCRIPTS = ("benchmarks.peers.convert_", "benchmarks.peers.run_", "benchmarks.peers.__main__", "modnet_export.__main__")
# A command line option, or a command of this program.
COMMANDS = (
    r"(?<![\w-])--[a-z]"
    r"|modnet-export (export|verify|report|bench|compare|inspect|explain|matte|preview|ship|lint|demo|doctor)\b"
)


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def found(pattern: str, paths: list[Path]) -> list[str]:
    """The lines with a pattern, with their places."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]


def messages(paths: list[Path]) -> Iterator[tuple[str, str]]:
    """Every text in the arguments of a domain error, with its place."""
    for path in paths:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            if name.endswith(("Error", "Warning")):
                for node in (inner for argument in (*call.args, *call.keywords) for inner in ast.walk(argument)):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def test_files_are_short():
    """But for the tables of operators: one entry is as long as the operator is."""
    files = [path for path in sources(*PACKAGES, "tests") if path.name != "ops.py" or "converters" not in path.parts]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def test_converters_know_no_particular_model():
    """The name of this distribution, its folders and its environment variables are not the model's."""
    assert not found(r"(?i)modnet(?![-_]export)", sources("converters"))


def test_converters_know_no_command_line():
    assert not found(COMMANDS, sources("converters"))


def test_errors_of_the_domain_know_no_command_line():
    below = [path for path in sources(*PACKAGES) if not {"cli", "terminal"} & set(path.relative_to(ROOT).parts)]
    assert not [place for place, text in messages(below) if re.search(COMMANDS, text)]


def options() -> set[str]:
    """The settings of every command."""
    names: set[str] = set()
    for package in ("modnet_export.cli", "benchmarks.cli"):
        for item in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            for value in vars(importlib.import_module(item.name)).values():
                if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__name__.endswith("Options"):
                    names |= {field.name for field in dataclasses.fields(value)}
    return names


def test_settings_that_errors_name_are_options():
    """The command line shows `size` as --size; a setting that no command has would be shown as it is."""
    known = options()
    settings = [
        (place, name) for place, text in messages(sources(*PACKAGES)) for name in re.findall(r"`([a-z_0-9]+)[`=]", text)
    ]
    assert settings
    assert not [(place, name) for place, name in settings if name not in known]


@pytest.mark.parametrize("package", ["modnet_export", "benchmarks"])
class TestPublicNames:
    def test_no_module_has_the_name_of_one(self, package):
        """Importing a module sets it as an attribute of its package, over whatever had that name."""
        module = importlib.import_module(package)
        assert module.__all__
        assert not set(module.__all__) & {item.name for item in pkgutil.iter_modules(module.__path__)}

    @pytest.mark.long
    def test_they_are_the_same_before_and_after_every_module(self, package):
        """In a process of its own, where nothing has been imported yet."""
        code = f"""
import importlib, pkgutil, types
import {package} as package
before = {{name: getattr(package, name) for name in package.__all__}}
for item in pkgutil.walk_packages(package.__path__, "{package}."):
    if not item.name.startswith({SCRIPTS!r}):
        importlib.import_module(item.name)
from {package} import *
assert not [name for name, value in before.items() if isinstance(value, types.ModuleType)]
assert {{name: getattr(package, name) for name in package.__all__}} == before
assert {{name: globals()[name] for name in package.__all__}} == before
"""
        run_fresh(code)


def run_fresh(code: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
