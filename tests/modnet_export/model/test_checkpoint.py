from __future__ import annotations

import os
import pickle
import re

import pytest
import torch
from safetensors.torch import save_file

from converters.errors import ExportError, ExportWarning
from modnet_export.model import checkpoint, network


def resolve_and_load(path):
    return checkpoint.load(checkpoint.resolve(str(path)))


@pytest.fixture
def state(modnet):
    return {key: value.clone() for key, value in modnet.state_dict().items()}


def same_weights(one, other) -> bool:
    state = other.state_dict()
    return all(torch.equal(value, state[key]) for key, value in one.state_dict().items() if "num_batches" not in key)


def backbone_once(state):
    return {key: value for key, value in state.items() if not key.startswith("lr_branch.backbone.")}


FORMS = {
    "official": lambda s: {f"module.{key}": value for key, value in s.items()},
    "plain": lambda s: s,
    "backbone_once": backbone_once,
    "backbone_in_the_branch": lambda s: {key: value for key, value in s.items() if not key.startswith("backbone.")},
    "wrapped": lambda s: {"state_dict": s, "epoch": 3},
    "parameters": lambda s: {"net": s},
    "lightning": lambda s: {
        "epoch": 3,
        "state_dict": {**{f"model.{key}": value for key, value in s.items()}, "loss.weight": torch.ones(3)},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
        "hyper_parameters": {"lr": 0.1},
    },
    "lightning_of_data_parallel": lambda s: {"state_dict": {f"net.module.{key}": value for key, value in s.items()}},
    "with_its_average": lambda s: {
        "params": {key: value + 1 if value.is_floating_point() else value for key, value in s.items()},
        "params_ema": s,
    },
    "without_counters": lambda s: {k: v for k, v in s.items() if not k.endswith("num_batches_tracked")},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".ckpt", ".pth"])
def test_torch_checkpoint_loads(tmp_path, state, modnet, form, suffix):
    path = tmp_path / f"weights{suffix}"
    torch.save(FORMS[form](state), path)
    assert same_weights(resolve_and_load(path), modnet)


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_safetensors_loads(tmp_path, state, modnet, dtype, prefix):
    path = tmp_path / "weights.safetensors"
    halved = {k: v.to(dtype) if v.is_floating_point() else v for k, v in backbone_once(state).items()}
    save_file({prefix + k: v for k, v in halved.items()}, path)
    loaded = resolve_and_load(path)
    assert all(value.dtype is torch.float32 for value in loaded.parameters())
    assert (dtype is torch.float16) or same_weights(loaded, modnet)


def test_demo_checkpoint_is_in_the_package():
    source = checkpoint.resolve("demo")
    assert source.sha256 == "1e80367ff1b111a92a4bf8318a43ced1ee767512cc74488f23560fc233111d52"
    assert not checkpoint.load(source).training


def test_missing_unexpected_and_misshapen_keys_are_in_one_message(tmp_path, state):
    del state["f_branch.conv_f2x.layers.0.weight"]
    state["classifier.weight"] = torch.zeros(3)
    state["hr_branch.conv_hr.1.layers.0.weight"] = torch.zeros(2, 32, 1, 1)
    state["f_branch.conv_f.1.layers.0.bias"][0] = torch.nan
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(ExportError) as error:
        resolve_and_load(tmp_path / "weights.pth")
    message = str(error.value)
    for part in (
        "1 missing:\n    f_branch.conv_f2x.layers.0.weight",
        "1 unexpected:\n    classifier.weight",
        "1 misshapen:\n    hr_branch.conv_hr.1.layers.0.weight is (2, 32, 1, 1), expected (1, 32, 1, 1)",
        "1 not finite:\n    f_branch.conv_f.1.layers.0.bias",
    ):
        assert part in message


def test_another_network_fits_one_screen(tmp_path):
    torch.save({f"layer{i}.weight": torch.zeros(2) for i in range(300)}, tmp_path / "resnet.pth")
    with pytest.raises(ExportError, match="is not a MODNet checkpoint") as error:
        resolve_and_load(tmp_path / "resnet.pth")
    assert len(str(error.value).splitlines()) < 40


def test_a_pruned_network_has_the_channels_of_its_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "HR_CHANNELS", 24)
    monkeypatch.setattr(network, "_LAST_CHANNELS", 640)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pruned = network.MODNet().eval()
    monkeypatch.undo()
    # Of the conv's 24 channels, an IBNorm may keep fewer in its BatchNorm than in its InstanceNorm.
    for norm in (pruned.f_branch.conv_lr4x.layers[1], pruned.hr_branch.conv_hr4x[0].layers[1]):
        norm.split = [norm.split[0] - 4, norm.split[1] + 4]
        norm.bnorm, norm.inorm = torch.nn.BatchNorm2d(norm.split[0]).eval(), torch.nn.InstanceNorm2d(norm.split[1])
    torch.save(pruned.state_dict(), tmp_path / "pruned.ckpt")
    loaded = resolve_and_load(tmp_path / "pruned.ckpt")
    image_nchw = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(image_nchw), pruned(image_nchw))


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("hr_branch.conv_hr.1.layers.0", (2, 32, 1, 1)),
        ("f_branch.conv_f2x.layers.0", (32, 48, 3, 3)),
        ("f_branch.conv_f2x.layers.0", (32, 64, 5, 5)),
    ],
    ids=["two_mattes", "does_not_fit", "another_kernel"],
)
def test_shapes_that_make_no_modnet_are_refused_by_key(tmp_path, state, key, shape):
    state[f"{key}.weight"], state[f"{key}.bias"] = torch.zeros(shape), torch.zeros(shape[0])
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(ExportError, match=re.escape(f"{key}.weight is {shape}, expected")):
        resolve_and_load(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("weights.pdparams", {}, "paddle2onnx"),
        ("module.pth", torch.nn.Conv2d(3, 1, 1), r"holds Python objects \(torch.nn.modules.conv.Conv2d\)"),
    ],
)
def test_other_forms_are_refused_by_name(tmp_path, name, content, named):
    torch.save(content, tmp_path / name)
    with pytest.raises(ExportError, match=named):
        resolve_and_load(tmp_path / name)


def test_of_two_networks_the_average_is_taken_and_said(tmp_path, state):
    torch.save({"params": state, "params_ema": state}, tmp_path / "weights.pth")
    with pytest.warns(ExportWarning, match="MODNet 2 times; 'params_ema' is used, and left out: params"):
        resolve_and_load(tmp_path / "weights.pth")


def test_twins_that_differ_are_refused(tmp_path, state):
    state["backbone.model.features.0.0.weight"] += 1
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(ExportError, match="stored twice with different values"):
        resolve_and_load(tmp_path / "weights.pth")


class Hostile:
    """Unpickling this would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "bare_pickle"])
def test_hostile_pickle_is_not_executed(tmp_path, legacy):
    path = tmp_path / "hostile.ckpt"
    payload = {"backbone": Hostile(tmp_path / "pwned")}
    if legacy:
        path.write_bytes(pickle.dumps(payload))
    else:
        torch.save(payload, path)
    with pytest.raises(ExportError, match="never unpickles"):
        resolve_and_load(path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 10, 5000, -100], ids=str)
def test_truncated_checkpoint_is_one_clear_error(tmp_path, state, suffix, keep):
    path = tmp_path / f"weights{suffix}"
    if suffix == ".ckpt":
        torch.save(state, path)
    else:
        save_file(backbone_once(state), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ExportError, match="cannot read weights") as error:
        resolve_and_load(path)
    assert error.value.exit_code == 2


def test_torchscript_is_told_how_to_become_weights(tmp_path):
    torch.jit.script(torch.nn.Conv2d(3, 1, 1)).save(tmp_path / "scripted.pt")
    with pytest.raises(ExportError, match=r"is TorchScript[^$]*torch.jit.load\('scripted.pt'\).state_dict\(\)"):
        resolve_and_load(tmp_path / "scripted.pt")


@pytest.mark.parametrize("content", [[1, 2], "text", {"state_dict": "text"}], ids=str)
def test_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(ExportError):
        resolve_and_load(tmp_path / "weights.pth")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ExportError, match="demo, photographic, webcam"):
        checkpoint.resolve("portrait")


def test_the_layers_are_the_networks(modnet):
    found = checkpoint.layers()
    assert found.parameters == sum(item.numel() for item in modnet.parameters())
    assert found.convolutions == sum(isinstance(item, torch.nn.Conv2d) for item in modnet.modules())
