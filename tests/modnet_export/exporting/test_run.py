"""The whole chain at a small size, and what happens when it is interrupted."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from converters.diagnose.inspection import inspect
from converters.errors import CheckFailedError, ExportError
from modnet_export import ExportRequest, Size, VerifyRequest, export, verify
from modnet_export.exporting.chain import Chain
from modnet_export.images.inputs import images
from modnet_export.record import files
from modnet_export.record import manifest as manifests
from modnet_export.record.measures import Tolerance
from modnet_export.record.recipes import RECIPES
from modnet_export.verifying import gates

SMALL = Size(height=64, width=96)


def request(out: Path, **changes):
    return ExportRequest(**({"size": SMALL, "out": out, "formats": ("onnx",)} | changes))


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture
def previous(dist, tmp_path) -> Path:
    """A copy of a good dist folder with a file of the user's own beside the models."""
    folder = tmp_path / "dist"
    shutil.copytree(dist, folder)
    (folder / "notes.txt").write_text("mine")
    return folder


def test_export_writes_every_artefact_within_its_tolerance(dist):
    manifest = manifests.load(dist)
    assert {path.name for path in dist.iterdir()} == {"manifest.json", *dict(manifest.files)}
    assert all(measurement.passed for item in manifest.artefacts for measurement in item.parity)
    assert {measurement.input for item in manifest.artefacts for measurement in item.parity} == {"photo", "noise"}


def test_a_core_ml_package_says_what_it_was_made_from(exported):
    """Xcode ships a compiled model: its file's hash is gone, this is what an app has to compare."""
    from converters.coreml.package import Package

    folder = exported(size=SMALL, formats=("onnx", "coreml"), precisions=("fp32", "fp16"), coreml_io="image")
    manifest = manifests.load(folder)
    told = Package(folder / "modnet_fp16.mlpackage").spec.description.metadata.userDefined
    assert told["io.modnet.source.sha256"] == manifest.source.sha256
    assert told["io.modnet.version"] == manifest.versions["modnet-export"]


def test_export_writes_the_photo_and_its_matte_as_models_take_and_give_them(dist, demo_source):
    """The reference's own matte, computed here once more; every model gives it too, but for its tolerance."""
    from PIL import Image

    from converters.eight_bit import to_bytes
    from converters.runtimes import open_runtime
    from modnet_export.images.inputs import builtin
    from modnet_export.model.reference import open_reference

    manifest = manifests.load(dist)
    image, matte = (np.asarray(Image.open(dist / item.file)) for item in (manifest.golden.image, manifest.golden.matte))
    photo_nhwc, _ = builtin()[0].load(manifest.size)
    np.testing.assert_array_equal(image, to_bytes(photo_nhwc[0]))
    np.testing.assert_array_equal(matte, to_bytes(open_reference(demo_source).run(photo_nhwc)[0, :, :, 0]))
    given_nhwc = open_runtime(dist / "modnet_fp16.tflite").run(image[None].astype(np.float32) / 255)
    assert np.abs(given_nhwc[0, :, :, 0] - matte / 255).mean() < 1e-3 + 0.5 / 255
    assert 0.1 < (matte > 128).mean() < 0.9


def test_export_gives_the_same_artefacts_again(dist, tmp_path):
    """In another process, with another hash seed and working directory."""
    code = (
        "from pathlib import Path; from modnet_export import *;"
        f"export(ExportRequest(size=Size(height=96, width=128), out=Path({str(tmp_path / 'again')!r})))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment, capture_output=True)
    one, other = contents(dist), contents(tmp_path / "again")
    one.pop("manifest.json"), other.pop("manifest.json")
    assert one == other


@pytest.mark.parametrize("tune", ["cpu", "gpu"])
def test_tune_is_followed_by_every_optimised_artefact(tmp_path, tune):
    manifest = export(request(tmp_path / "dist", tune=tune))
    assert [item.tuning for item in manifest.artefacts] == [None, tune]


def test_a_file_that_asks_for_fp16_arithmetic_is_judged_in_it(asking_for_fp16):
    fp32, fp16 = manifests.load(asking_for_fp16).artefacts
    assert (fp32.cpu_fp16, fp16.cpu_fp16) == (False, True)
    assert "in fp16" in fp16.engine
    assert max(item.mad for item in fp16.parity) > 1e-3 > max(item.mad for item in fp32.parity)
    assert inspect(asking_for_fp16 / fp16.file).reduced_precision == "fp16accfp16"


def test_the_coarser_arithmetic_has_a_limit_of_its_own(tmp_path):
    """Which it misses at 96x128."""
    asked = {"formats": ("tflite",), "precisions": ("fp16",), "size": Size(height=96, width=128)}
    with pytest.raises(CheckFailedError, match=r"modnet_fp16\.tflite.*0\.005"):
        export(request(tmp_path / "dist", cpu_fp16=True, **asked))


def test_users_onnx_is_exported_and_verified(dist, tmp_path):
    source = str(dist / "modnet_fp32.onnx")
    out = tmp_path / "from-onnx"
    manifest = export(
        request(out, checkpoint=source, size=Size(height=96, width=128), formats=("tflite",), precisions=("fp32",))
    )
    assert manifest.source.kind == "onnx"
    assert verify(VerifyRequest(out)).passed


class TestVerify:
    def test_repeats_the_measurements(self, dist):
        recorded = {item.file: item.parity for item in manifests.load(dist).artefacts}
        assert {link.artefact: link.measurements for link in verify(VerifyRequest(dist)).links} == recorded

    def test_takes_images(self, dist, tmp_path):
        from modnet_export.images.compositing import save_image
        from modnet_export.images.imaging import demo_photo

        save_image(tmp_path / "a.png", demo_photo()[:300, :200])
        result = verify(VerifyRequest(dist, images([tmp_path / "a.png"])))
        assert [[item.input for item in link.measurements] for link in result.links] == [["a.png"]] * 4
        assert result.passed

    def test_refuses_another_checkpoint(self, dist, tmp_path, modnet):
        import torch

        torch.save(modnet.state_dict(), tmp_path / "other.pth")
        with pytest.raises(CheckFailedError, match="is not the checkpoint"):
            verify(VerifyRequest(dist, checkpoint=str(tmp_path / "other.pth")))

    def test_finds_an_artefact_that_computes_something_else(self, previous):
        """Another model under the right name, its hash put into the manifest: only parity can tell."""
        import onnx
        from onnx import numpy_helper

        model = onnx.load(previous / "modnet_opt_fp32.onnx")
        weight = next(item for item in model.graph.initializer if len(item.dims) == 4 and item.dims[1] > 16)
        array = numpy_helper.to_array(weight)
        weight.CopyFrom(numpy_helper.from_array(array * np.float32(1.05), weight.name))
        onnx.save(model, previous / "modnet_opt_fp32.onnx")
        manifest = manifests.load(previous)
        changed = [
            item.model_copy(update={"sha256": files.sha256(previous / item.file)}) for item in manifest.artefacts
        ]
        updated = manifest.model_copy(update={"artefacts": tuple(changed)})
        (previous / "manifest.json").write_bytes(manifests.dump(updated))
        result = verify(VerifyRequest(previous))
        assert [link.verdict for link in result.links] == ["passed", "failed", "passed", "passed"]
        with pytest.raises(CheckFailedError, match=r"modnet_opt_fp32\.onnx is the first.*look at graph passes"):
            gates.require(result)


def test_export_outside_its_tolerance_writes_nothing(tmp_path, monkeypatch):
    tight = [replace(row, tolerance=Tolerance(max_abs_difference=1e-9)) for row in RECIPES]
    monkeypatch.setattr("modnet_export.exporting.request.RECIPES", tight)
    with pytest.raises(CheckFailedError, match=r"modnet_fp32\.onnx is the first"):
        export(request(tmp_path / "dist"))
    assert list(tmp_path.iterdir()) == []


def test_export_replaces_its_own_files_and_keeps_the_users(previous):
    export(request(previous))
    exported = {"manifest.json", "modnet_fp32.onnx", "modnet_opt_fp32.onnx", "golden_image.png", "golden_matte.png"}
    assert set(contents(previous)) == exported | {"notes.txt"}
    assert [path.name for path in previous.parent.iterdir()] == ["dist"]


@pytest.mark.parametrize(
    "manifest",
    ['{"name": "My web app", "icons": []}', "", '{"schema_version": 1, "artefacts": []}'],
    ids=["web_app", "empty", "not_whole"],
)
def test_a_manifest_that_is_not_ours_is_not_adopted(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(
        ExportError, match=r"no export that can be replaced: .*manifest\.json[^$]*choose another folder"
    ):
        export(request(tmp_path, precisions=("fp32",)))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"manifest.json": manifest}


def test_a_users_file_with_an_artefacts_name_is_not_replaced(previous):
    recorded = manifests.load(previous)
    kept = tuple(item for item in recorded.artefacts if item.file != "modnet_opt_fp32.onnx")
    (previous / "manifest.json").write_bytes(manifests.dump(recorded.model_copy(update={"artefacts": kept})))
    before = contents(previous)
    with pytest.raises(ExportError, match=r"modnet_opt_fp32\.onnx in .* was not written by this tool"):
        export(request(previous))
    assert contents(previous) == before


def test_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ExportError, match="no export that can be replaced"):
        export(request(tmp_path))
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("fail_at", [1, 2, 3, 5], ids=["first_model", "second_model", "golden_image", "manifest"])
def test_full_disk_leaves_the_previous_folder(previous, monkeypatch, fail_at):
    before, calls = contents(previous), 0
    real = os.fsync

    def fsync(descriptor):
        nonlocal calls
        calls += 1
        if calls == fail_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        export(request(previous))
    assert contents(previous) == before
    assert [path.name for path in previous.parent.iterdir()] == ["dist"]


def test_weights_that_do_not_load_leave_nothing(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(ExportError, match="cannot read weights"):
        export(request(tmp_path / "new" / "dist", checkpoint=str(tmp_path / "weights.safetensors")))
    assert not list((tmp_path / "new").iterdir())


def test_a_model_without_mattes_is_refused_before_a_search(small_onnx, tmp_path, monkeypatch):
    logits = onnx.ModelProto()
    logits.CopyFrom(small_onnx)
    sigmoid = logits.graph.node.pop()
    logits.graph.node[-1].output[0] = "matte"
    assert sigmoid.op_type == "Sigmoid"
    onnx.save(logits, tmp_path / "logits.onnx")
    written = []
    monkeypatch.setattr(Chain, "write", lambda self, row, path: written.append(row.file))
    asked = {"size": Size(height=96, width=128), "formats": ("tflite",), "precisions": ("int8",), "input_range": "0..1"}
    with pytest.raises(ExportError, match=r"logits\.onnx gives values from"):
        export(request(tmp_path / "dist", checkpoint=str(tmp_path / "logits.onnx"), **asked))
    assert not written


def test_file_where_the_folder_should_be_is_refused(tmp_path):
    (tmp_path / "dist").write_text("")
    for out in (tmp_path / "dist", tmp_path / "dist" / "inside"):
        with pytest.raises(ExportError, match="cannot write to"):
            export(request(out))


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["exporting to ONNX", "writing modnet_opt_fp32.onnx", "running modnet_fp32.tflite"])
def test_killed_export_leaves_the_previous_folder(previous, stage):
    before = contents(previous)
    code = (
        "import os, signal; from pathlib import Path; from modnet_export import *;"
        f"stop = lambda stage: os.kill(os.getpid(), signal.SIGKILL) if stage == {stage!r} else None;"
        f"export(ExportRequest(size=Size(height=64, width=96), precisions=('fp32',), out=Path({str(previous)!r})),"
        " stop)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert contents(previous) == before
    # What the killed run left beside it goes with the next one.
    export(request(previous))
    assert [path.name for path in previous.parent.iterdir()] == ["dist"]


def test_folder_is_whole_at_every_moment_of_many_replacements(tmp_path):
    """A process that replaces a folder over and over is killed at random moments."""
    folder = tmp_path / "dist"
    code = (
        "import itertools, sys; from pathlib import Path; from modnet_export.record.files import *\n"
        f"for n in itertools.count():\n"
        f"    with replaced_folder(Path({str(folder)!r}), keep=set()) as fresh:\n"
        "        for name in 'abc':\n"
        "            write_bytes(fresh / name, str(n).encode() * 1000)\n"
        "    print(n, flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    rng = np.random.default_rng(0)
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.wait()
        found = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert set(found) == {"a", "b", "c"}
        assert len(set(found.values())) == 1


def test_folder_is_replaced_where_the_file_system_cannot_exchange(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_exchange", lambda a, b: False)
    folder = tmp_path / "dist"
    for text in ("old", "new"):
        with files.replaced_folder(folder, keep=set()) as fresh:
            (fresh / "a").write_text(text)
    assert (folder / "a").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]


@pytest.mark.parametrize("keep", ["file", "folder", "link"])
def test_kept_entries_move_along(tmp_path, keep):
    folder = tmp_path / "dist"
    folder.mkdir()
    if keep == "file":
        (folder / "mine").write_text("x")
    elif keep == "folder":
        (folder / "mine" / "inner").mkdir(parents=True)
    else:
        (folder / "mine").symlink_to("/nowhere")
    with files.replaced_folder(folder, keep={"mine"}) as fresh:
        (fresh / "a").write_text("new")
    assert sorted(path.name for path in folder.iterdir()) == ["a", "mine"]
    assert (folder / "mine").is_symlink() == (keep == "link")
