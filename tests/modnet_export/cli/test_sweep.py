"""Six hundred bad or unusual inputs, made from seeds: no traceback, the right exit code, nothing else touched."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import pytest

from modnet_export.cli import main
from tests.modnet_export.cli import hostile

COUNT = 600
EVERY = range(COUNT)
TENTH = EVERY[::11]  # 11 has no divisor in common with the number of kinds


def outcome(arguments: list[str], environment: dict[str, str], capfd) -> tuple[int, str, str, str]:
    """Exit code, stdout, stderr, and the traceback of what was not to be raised."""
    previous = os.environ.copy()
    os.environ.update(environment)
    code, raised = -1, ""
    try:
        main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        raised = traceback.format_exc()[-1500:]
    finally:
        os.environ.clear()
        os.environ.update(previous)
    return code, *capfd.readouterr(), raised


def problems(seed: int, world: Path, dist: Path, capfd) -> list[str]:
    """What is wrong with how a command took its input."""
    made = hostile.case(seed, world, dist)
    before = hostile.tree(world)
    code, out, err, raised = outcome(made.arguments, made.environment, capfd)
    found = [f"raised {raised}"] if raised else []
    if not raised and code not in made.right:
        found.append(f"exit code {code}, not {made.right}: {err[-600:]}")
    if "Traceback" in out + err:
        found.append(f"prints a traceback: {err[-1500:]}")
    if code not in (0, -1) and "error" not in err.lower():
        found.append(f"does not say what is wrong: {err[-600:]}")
    after = hostile.tree(world)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        found.append(f"changed {changed}")
    return [f"seed {seed}, {made.about}: {item}" for item in found]


@pytest.fixture
def swept(dist, tmp_path, monkeypatch, capfd):
    def sweep(seeds: range) -> list[str]:
        found: list[str] = []
        for seed in seeds:
            world = tmp_path / str(seed)
            world.mkdir()
            monkeypatch.chdir(world)
            found += problems(seed, world, dist, capfd)
            monkeypatch.chdir(tmp_path)
            hostile.remove(world)
        return found

    return sweep


@pytest.mark.long
def test_a_tenth_of_the_sweep(swept):
    assert swept(TENTH) == []


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(10))
def test_the_whole_sweep(swept, part):
    assert swept(EVERY[part::10]) == []


if __name__ == "__main__":  # python -m tests.modnet_export.cli.test_sweep SEED WORLD DIST: one case, to look at
    made = hostile.case(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
    print(made)
