"""Who takes part: what converts the network, and what runs the result."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks.peers.environments import requirements

PLAIN, OPTIMISED, WEIGHTS = "dist/modnet_fp32.onnx", "dist/modnet_opt_fp32.onnx", "weights.safetensors"
"""What everything is converted from, below the work folder: the network as exported, and its weights for torch."""
PRODUCT = "matrix product"
"""What rates are compared with: numpy's product of two square float32 matrices."""
PRODUCT_SIDE = 1536


@dataclass(frozen=True)
class Peer:
    """One row of the table. Files lie below the work folder."""

    name: str
    model: str
    conversion: tuple[str, ...] = ()
    """A script of this folder and its arguments, in ``environment``; ours is a command. Empty: nothing is converted."""
    environment: str = ""
    """The name of a file of pins; "": our own environment."""
    engine: str = "model"
    """The script ``run_ENGINE``, which runs in ``environment``; of "model" and "product", in ours."""

    @property
    def runs_in(self) -> str:
        return "" if self.engine in ("model", "product") else self.environment


def version(environment: str) -> str:
    """The version of an environment's first pin."""
    return re.search(r"==(\S+)", requirements(environment))[1]  # type: ignore[index]  # a test has every file


def peers(height: int, width: int) -> list[Peer]:
    """All rows, ours first."""
    size = (str(height), str(width))
    torch = f"litert-torch {version('litert-torch')}"
    onnx2tf, older = f"onnx2tf {version('onnx2tf')}", f"onnx2tf {version('onnx2tf-1')}"
    return [
        Peer(
            "modnet-export, verified; LiteRT",
            "ours/modnet_fp32.tflite",
            ("export", "--checkpoint", PLAIN, "--formats", "tflite", "--precisions", "fp32", "--out", "ours"),
        ),
        *(
            Peer(
                f"{onnx2tf}, `{backend}`; LiteRT",
                f"{backend}.tflite",
                ("convert_onnx2tf", PLAIN, f"{backend}.tflite", backend),
                "onnx2tf",
            )
            for backend in ("flatbuffer_direct", "tf_converter")
        ),
        Peer(f"{older}; LiteRT", "onnx2tf-1.tflite", ("convert_onnx2tf", PLAIN, "onnx2tf-1.tflite"), "onnx2tf-1"),
        *(
            Peer(
                f"{torch}{said}; LiteRT",
                f"litert-torch{'-'.join(('', *how))}.tflite",
                ("convert_litert_torch", WEIGHTS, f"litert-torch{'-'.join(('', *how))}.tflite", *size, *how),
                "litert-torch",
            )
            for said, how in ((", network as released", ("released",)), (", squeeze-and-excitation patched", ()))
        ),
        Peer(
            f"ExecuTorch {version('executorch')}, XNNPACK",
            "executorch.pte",
            ("convert_executorch", WEIGHTS, "executorch.pte", *size),
            "executorch",
            "executorch",
        ),
        Peer("`modnet_fp32.onnx`; ONNX Runtime", PLAIN),
        Peer("`modnet_opt_fp32.onnx`; ONNX Runtime", OPTIMISED),
        Peer(f"MNN {version('mnn')}, precision high", "modnet.mnn", ("convert_mnn", PLAIN, "modnet.mnn"), "mnn", "mnn"),
        Peer(
            f"ncnn {version('ncnn')}, pnnx",
            "modnet.param",
            ("convert_ncnn", PLAIN, "modnet.param", *size),
            "ncnn",
            "ncnn",
        ),
    ]
