"""Files that onnx2tf, litert-torch and coremltools make of the network, each without our hand in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from modnet_export import Size
from modnet_export.verifying.foreign.run import ForeignRequest, verify_foreign

SIZE = Size(height=96, width=128)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("peer", ["onnx2tf", "litert-torch"])
def test_a_file_of_another_converter_passes(peer, small_onnx, modnet, tmp_path):
    """Each in an environment of its own, which is made in ``.peers`` the first time."""
    import onnx
    from safetensors.torch import save_file

    from benchmarks.peers.converting import convert_with

    work = Path(".peers")
    work.mkdir(exist_ok=True)
    theirs = tmp_path.resolve() / "theirs.tflite"
    if peer == "onnx2tf":
        onnx.save(small_onnx, tmp_path / "modnet.onnx")
        convert_with(peer, (tmp_path.resolve() / "modnet.onnx", theirs), work.resolve())
    else:
        weights = tmp_path.resolve() / "weights.safetensors"
        save_file({key: value.clone() for key, value in modnet.state_dict().items()}, weights)
        convert_with(peer, (weights, theirs, SIZE.height, SIZE.width), work.resolve())
    result = verify_foreign(ForeignRequest((theirs,), "demo", bisect=True))
    assert result.passed, list(result.problems())
    assert "NHWC, RGB from 0 to 1" in result.assumed[0].image


def converted(modnet, folder, **changes):
    """What coremltools makes of the traced network: of pictures normalised by its own ports, unless ``changes`` say
    otherwise."""
    import coremltools as ct
    import torch

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.modnet = modnet

        def forward(self, image):
            return self.modnet(image) * changes.get("white", 255)

    shape = (1, 3, SIZE.height, SIZE.width)
    with torch.no_grad():
        traced = torch.jit.trace(Scaled().eval(), torch.rand(shape))
    port = changes.get("port", {"scale": 1 / 127.5, "bias": [-1, -1, -1]})
    package = ct.convert(
        traced,
        inputs=[ct.ImageType(name="photo", shape=shape, **port)],
        outputs=[ct.ImageType(name="alpha", color_layout=ct.colorlayout.GRAYSCALE)],
        minimum_deployment_target=ct.target.iOS16,
    )
    path = folder / "theirs.mlpackage"
    package.save(str(path))
    return path


# What an engineer forgets, and what is said. (In a BGR port Core ML itself brings the channels into that order.)
FORGOTTEN = {
    "nothing": ({}, ()),
    "the bias": ({"port": {"scale": 1 / 255}}, ("never normalised",)),
    "all of it": ({"port": {}}, ("never divided by 255",)),
    "times 255": ({"white": 1}, ("not scaled to 255",)),
}


@pytest.mark.parametrize(
    "forgotten",
    [pytest.param(name, marks=pytest.mark.long if name == "the bias" else pytest.mark.slow) for name in FORGOTTEN],
)
def test_a_package_of_coremltools_passes_or_is_explained(forgotten, modnet, tmp_path):
    changes, names = FORGOTTEN[forgotten]
    result = verify_foreign(ForeignRequest((converted(modnet, tmp_path, **changes),), "demo"))
    assert result.assumed[0].image.startswith("photo (RGB image 1x3x96x128)")
    assert result.passed == (not names)
    assert [item.hypotheses for item in result.diagnoses] == [names] * bool(names)
    if names:
        assert "ct." in result.diagnoses[0].mend
