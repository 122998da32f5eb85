"""A command that is killed at any moment leaves the old result or the new one, and its scratch goes with the next run.

A process imports everything once and then starts the command in copies of itself, each of which is killed (SIGKILL) at
another event of its own: opening, renaming, removing or making a file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]

SERVER = """
import hashlib, json, os, shutil, signal, sys
from pathlib import Path
world, arguments, points = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
import onnx, onnxsim, torch, onnxruntime
import modnet_export.exporting.run, modnet_export.exporting.onnx, modnet_export.exporting.chain
import modnet_export.report.render, modnet_export.report.gather, modnet_export.images.compositing
import benchmarks.run, benchmarks.cli.bench
from modnet_export.cli import main
from modnet_export.record import files
WRITING = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "tempfile.mkstemp", "tempfile.mkdtemp")

def listing():
    place = world / "results"
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }

def whole():
    text = (world / "results" / "bench.json").read_text()
    try:
        return text == "an old result" or bool(json.loads(text))
    except ValueError:
        return False

def restored():
    shutil.rmtree(world / "results", ignore_errors=True)
    shutil.copytree(world / "old", world / "results")

def child(stop):
    # stop: the number of the event at which to end; None: count them, and write the count down.
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        count = 0
        def hook(event, details):
            nonlocal count
            if event in WRITING or (event == "open" and str(world) in str(details[0])):
                count += 1
                if count == stop:
                    os.kill(os.getpid(), signal.SIGKILL)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1), os.dup2(null, 2)
        sys.addaudithook(hook)
        code = 0
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code or 0
        finally:
            if stop is None:
                (world / "count").write_text(str(count))
            os._exit(code)
    return os.waitpid(process, 0)[1]

restored()
old = listing()
status = child(None)
count, new = int((world / "count").read_text()), listing()
print(json.dumps({"old": old, "new": new, "count": count, "status": status}))
for point in sorted({1 + index * (count - 1) // max(points - 1, 1) for index in range(points)}):
    restored()
    status = child(point)
    print(json.dumps({"point": point, "status": status, "found": listing(), "whole": whole()}))
for point in range(1, count, max(count // 4, 1)):  # the scratch of all these is still there
    child(point)
status = child(None)
print(json.dumps({"status": status, "found": listing()}))
"""


@pytest.fixture
def world(dist, tmp_path):
    """Photographs, a user's model, a result to make a page of, and what earlier runs wrote."""
    for name in ("photos", "old"):
        (tmp_path / name).mkdir()
    for index in range(12):
        pixels = np.random.default_rng(index).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{index}.png")
        (tmp_path / "old" / f"{index}.png").write_bytes(b"an old matte")
    for name in ("page.md", "bench.json"):
        (tmp_path / "old" / name).write_bytes(b"an old result")
    shutil.copytree(dist, tmp_path / "old" / "dist")
    (tmp_path / "old" / "dist" / "notes.txt").write_text("mine")
    return tmp_path


COMMANDS = {
    "export": "export --checkpoint DIST/modnet_fp32.onnx --size 96x128 --formats onnx --out results/dist",
    "matte": "matte DIST/modnet_fp32.onnx photos -o results",
    "report": "report DIST --results result.json -o results/page.md",
    "bench": "bench DIST --artefact modnet_fp32.onnx --runs 2 -o results/bench.json",
}


def scratch(found: dict[str, str]) -> set[str]:
    return {name for name in found if name.startswith((".modnet-export-", "modnet-export-", ".dist.new-"))}


def killed(command: str, world: Path, dist: Path, points: int) -> int:
    """Kill a command at so many points of those that there are; how many they were."""
    if command == "report":
        result = subprocess.run(
            [sys.executable, "-m", "modnet_export", "verify", dist, "--json"], cwd=ROOT, capture_output=True, check=True
        )
        (world / "result.json").write_bytes(result.stdout)
    arguments = COMMANDS[command].replace("DIST", str(dist)).split()
    done = subprocess.run(
        [sys.executable, "-c", SERVER, str(world), json.dumps(arguments), str(points)],
        cwd=world,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(world / "results")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first, *rest, last = map(json.loads, done.stdout.splitlines())
    old, new = first["old"], first["new"]
    assert first["status"] == 0
    assert old != new
    assert not scratch(new)
    for item in rest:
        assert item["status"] in (9, 0), item  # 0: the moment never came
        found = {name: digest for name, digest in item["found"].items() if name not in scratch(item["found"])}
        assert item["whole"], item["point"]
        if command == "bench":  # its numbers are never the same
            continue
        if command == "export":
            ours = {name: digest for name, digest in found.items() if name.startswith("dist/")}
            assert ours in [{name: x for name, x in state.items() if name.startswith("dist/")} for state in (old, new)]
        for name, digest in found.items():
            assert digest in (old.get(name), new.get(name)), (item["point"], name)
        assert set(old) & set(new) <= set(found), item["point"]
    assert last["status"] == 0
    assert not scratch(last["found"]), last
    count = sum(item["status"] == 9 for item in rest)
    assert count >= 0.9 * min(points, first["count"]) - 1
    return count


@pytest.mark.long
@pytest.mark.parametrize("command", ["matte"])
def test_a_killed_command_leaves_the_old_or_the_new(command, world, dist):
    killed(command, world, dist, 8)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("command", "points"), [("export", 70), ("matte", 80), ("report", 10), ("bench", 50)])
def test_commands_killed_at_two_hundred_points(command, points, world, dist):
    killed(command, world, dist, points)
