"""Makes the files of this folder anew; see README.md. Each command runs in a Python of its own.

``make.py weights NPZ`` writes the demo checkpoint for the next one, with this project's Python.
``make.py export CHECKOUT NPZ FOLDER`` writes whole ONNX files, with PyTorch 1.7.1 on Python 3.8 and a checkout of
https://github.com/ZHKKKe/MODNet (seen at 28165a4).
``make.py strip NPZ FOLDER`` puts their structure beside this file, with this project's Python.
"""

# The old PyTorch has its own Python, whose types no checker here knows.
# mypy: ignore-errors

import gzip
import sys
from pathlib import Path

import numpy as np

SIZE = (64, 96)
EPSILON = 1e-5


def weights(target):
    from modnet_export.model import checkpoint

    state = checkpoint.load(checkpoint.resolve(checkpoint.EMBEDDED)).state_dict()
    np.savez(target, **{key: value.numpy() for key, value in state.items()})


def export(checkout, npz, folder):
    import torch

    # The folder is called onnx, as the package is.
    sys.path[:0] = [checkout, str(Path(checkout) / "onnx")]
    from modnet_onnx import MODNet as Exported
    from src.models.modnet import MODNet as Trained

    class Outputs(torch.nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, image):
            return tuple(self.net(image, False))

    class NormOverAll(torch.nn.Module):
        """As in the pruned networks of GaoHoufu: BatchNorm over all channels, of which a slice takes half."""

        def __init__(self, norm):
            super().__init__()
            self.half, rest = norm.bnorm_channels, norm.inorm_channels
            self.bnorm = torch.nn.BatchNorm2d(self.half + rest)
            self.inorm = torch.nn.InstanceNorm2d(rest, affine=False)
            for key in ("weight", "bias", "running_mean", "running_var"):
                getattr(self.bnorm, key).data[: self.half] = getattr(norm.bnorm, key).data

        def forward(self, x):
            normed = self.bnorm(x)[:, : self.half, ...].contiguous()
            return torch.cat((normed, self.inorm(x[:, self.half :, ...].contiguous())), 1)

    def over_all(module):
        for name, child in list(module.named_children()):
            if hasattr(child, "bnorm_channels"):
                setattr(module, name, NormOverAll(child))
            else:
                over_all(child)
        return module

    arrays = np.load(npz)
    state = {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}

    def loaded(kind):
        net = kind(backbone_pretrained=False)
        net.load_state_dict(state)
        return net.eval()

    axes = {0: "batch", 2: "height", 3: "width"}
    names = {"input_names": ["input"], "output_names": ["output"]}
    free = {"dynamic_axes": {"input": axes, "output": axes}, **names}
    three = {"input_names": ["input"], "output_names": ["semantic", "detail", "matte"]}
    net = loaded(Exported)
    for name, network, options in (
        ("opset9", net, {"opset_version": 9, **names}),
        ("opset10", net, {"opset_version": 10, **names}),
        ("opset11_official", net, {"opset_version": 11, **free}),
        ("opset11_norm_over_all", over_all(loaded(Exported)).eval(), {"opset_version": 11, **free}),
        (
            "opset11_three_unfolded",
            Outputs(loaded(Trained)),
            {"opset_version": 11, "do_constant_folding": False, **three},
        ),
        ("opset12_initializers_are_inputs", net, {"opset_version": 12, "keep_initializers_as_inputs": True}),
    ):
        image = torch.zeros(1, 3, *((512, 512) if "dynamic_axes" in options else SIZE))
        torch.onnx.export(network, image, f"{folder}/{name}.onnx", export_params=True, **options)


def folded(state, conv, norm):
    """A convolution without bias and the BatchNorm behind it as one convolution: its weight and its bias."""
    gain = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + np.float32(EPSILON))
    shift = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
    return state[f"{conv}.weight"] * gain.reshape(-1, 1, 1, 1), shift


def made(state, recipe):
    """The array that a recipe stands for: a key of the state dict and what is done to it."""
    how, *keys = recipe.split()
    if how == "transposed":
        return np.ascontiguousarray(state[keys[0]].T)
    if how in ("folded_weight", "folded_bias"):
        return folded(state, *keys)[how == "folded_bias"]
    if how == "over_all":  # twice as many channels, the second half as BatchNorm begins
        half = state[keys[0]]
        rest = np.ones_like(half) if keys[0].endswith(("weight", "var")) else np.zeros_like(half)
        return np.concatenate([half, rest])
    return state[keys[0]]


def strip(npz, folder):
    import onnx
    from onnx import numpy_helper

    state = dict(np.load(npz))
    pairs = [
        (key[: -len(".weight")], f"{stem}.{int(index) + 1}")
        for key in state
        if key.startswith("backbone.") and key.endswith(".weight") and state[key].ndim == 4
        for stem, index in [key[: -len(".weight")].rsplit(".", 1)]
    ]
    recipes = [f"same {key}" for key in state] + [f"transposed {key}" for key in state if state[key].ndim == 2]
    recipes += [f"{how} {' '.join(pair)}" for pair in pairs for how in ("folded_weight", "folded_bias")]
    recipes += [f"over_all {key}" for key in state if ".bnorm." in key and state[key].ndim]
    arrays = {recipe: made(state, recipe) for recipe in recipes}
    for path in sorted(Path(folder).glob("*.onnx")):
        model = onnx.load(path)
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.size <= 4 and tensor.name.removeprefix("net.") not in state:
                continue
            tensor.doc_string = next(
                recipe
                for recipe, array in arrays.items()
                if array.shape == values.shape and np.allclose(array, values, rtol=1e-4, atol=1e-6)
            )
            tensor.ClearField("raw_data")
        data = model.SerializeToString(deterministic=True)
        (Path(__file__).parent / f"{path.name}.gz").write_bytes(gzip.compress(data, mtime=0))


if __name__ == "__main__":
    {"weights": weights, "export": export, "strip": strip}[sys.argv[1]](*sys.argv[2:])
