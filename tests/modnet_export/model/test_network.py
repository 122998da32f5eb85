from __future__ import annotations

import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
import torch

from modnet_export.model.network import ContractNetwork, MODNet
from tests.conftest import DATA

GOLDEN = ["golden_128x128_seed1.npz", "golden_96x160_seed2.npz"]


def golden_weights(modnet: MODNet) -> dict[str, torch.Tensor]:
    """The weights of the golden vectors, drawn by key (shared/reference/README.md)."""
    state = {}
    for key, value in modnet.state_dict().items():
        rng = np.random.RandomState(zlib.crc32(key.replace("lr_branch.backbone.", "backbone.").encode()))
        shape, leaf = tuple(value.shape), key.rsplit(".", 1)[-1]
        if leaf == "num_batches_tracked":
            state[key] = torch.tensor(0)
            continue
        if leaf == "running_var" or (leaf == "weight" and len(shape) == 1):
            array = rng.uniform(0.5, 1.5, shape)
        elif leaf == "weight":
            array = np.sqrt(2 / np.prod(shape[1:])) * rng.standard_normal(shape)
        else:
            array = 0.1 * rng.standard_normal(shape)
        state[key] = torch.from_numpy(np.asarray(array, np.float32))
    return state


def golden_differences(name: str) -> dict[str, float]:
    modnet = MODNet().eval()
    modnet.load_state_dict(golden_weights(modnet))
    golden = np.load(DATA / name)
    height, width = golden["matte"].shape[-2:]
    image = np.random.RandomState(int(golden["seed"])).rand(1, 3, height, width) * 2 - 1
    with torch.inference_mode():
        outputs = modnet.training_outputs(torch.from_numpy(image.astype(np.float32)))
        alone = modnet(torch.from_numpy(image.astype(np.float32)))
    assert torch.equal(alone, outputs.matte)
    return {key: float(np.abs(getattr(outputs, key).numpy() - golden[key]).max()) for key in outputs._fields}


def test_keys_and_shapes_are_the_official_ones():
    rows = [line.split("\t") for line in (DATA / "state_dict_keys.tsv").read_text().splitlines()]
    state = MODNet().state_dict()
    assert len(rows) == 751
    assert [[key, "x".join(map(str, value.shape)) or "scalar"] for key, value in state.items()] == rows


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_vectors_are_reproduced_wherever_this_runs(name):
    # Random weights amplify float32 rounding: float64 itself is 2.6e-5 away from these float32 vectors.
    assert max(golden_differences(name).values()) < 6e-5


@pytest.mark.long
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_vectors_are_reproduced_to_1e_5_in_the_arithmetic_they_were_made_in(name):
    """AVX2 kernels and two threads, as on the machine that made them: the order of sums is then the same."""
    if (
        "AVX2" not in torch.backends.cpu.get_cpu_capability()
        and "AVX512" not in torch.backends.cpu.get_cpu_capability()
    ):
        pytest.skip("needs a CPU with AVX2")
    # MKL's number too: dask, where a test has started it in this process, leaves a 1 there.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    environment = os.environ | threads | {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    code = f"from tests.modnet_export.model.test_network import *; print(max(golden_differences({name!r}).values()))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert float(done.stdout) <= 1e-5


@pytest.mark.parametrize("size", [(32, 32), (32, 96), (160, 64)], ids=str)
def test_outputs_have_their_sizes_and_ranges(modnet, size):
    height, width = size
    with torch.inference_mode():
        outputs = modnet.training_outputs(torch.rand(2, 3, height, width) * 2 - 1)
    assert outputs.semantic.shape == (2, 1, height // 16, width // 16)
    assert outputs.detail.shape == outputs.matte.shape == (2, 1, height, width)
    assert all(0 <= float(item.min()) <= float(item.max()) <= 1 for item in outputs)


@pytest.mark.parametrize("size", [(33, 32), (32, 48), (500, 500)], ids=str)
def test_size_that_is_no_multiple_of_32_is_refused(modnet, size):
    with pytest.raises(ValueError, match="multiples of 32"):
        modnet(torch.zeros(1, 3, *size))


def test_contract_network_takes_zero_to_one(modnet):
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(ContractNetwork(modnet)(image), modnet(image * 2 - 1), atol=1e-5)
